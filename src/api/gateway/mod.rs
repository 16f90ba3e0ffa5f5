//! How a tenant is reached from outside of the cluster.

mod authentication;
mod limits;
mod route;
mod tls;
mod usage;

pub use authentication::*;
pub use limits::*;
pub use route::*;
pub use tls::*;
pub use usage::*;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A tenant's way in. What is left out of limits, traffic and authentication is as the tier says.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.rateLimits) || self.rateLimits.all(l, self.rateLimits.exists_one(o, o.unit == l.unit))").message("rateLimits has a unit twice"),
)]
pub struct TenantGateway {
    /// Host names that are this tenant's alone, in lower case and without a dot at the end; `*.` stands for every name below. The tenant's own Ingresses and
    /// HTTPRoutes may name these and no others. What another tenant has is refused, and so is what lies below its wildcard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(
            length(min = 3, max = 253),
            regex(pattern = r"^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hosts: Vec<String>,
    /// Certificates of these hosts. A host that none of them names is served as the platform's gateway serves by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub tls: Vec<GatewayTls>,
    /// By what a request is known to be this tenant's. Absent means `[Host]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3))]
    pub identification: Option<Vec<Identification>>,
    /// What is served, where. The most specific path wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub routes: Vec<GatewayRoute>,
    /// Who is let in. Absent: as the tier says, else everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<GatewayAuthentication>,
    /// How many requests the tenant may receive, over all its routes and clients; at most the tier's. A unit that is left out is as the tier says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    pub rate_limits: Option<Vec<RateLimit>>,
    /// How many requests may be under way at once; at most the tier's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrent_requests: Option<i64>,
    /// How requests are passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

/// The way in of a plan's tenants.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.rateLimits) || self.rateLimits.all(l, self.rateLimits.exists_one(o, o.unit == l.unit))").message("rateLimits has a unit twice"),
)]
pub struct TierGateway {
    /// Default and upper bound, unit by unit. A unit that is left out is not bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub rate_limits: Vec<RateLimit>,
    /// Default and upper bound. Absent means that it is not bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrent_requests: Option<i64>,
    /// How requests are passed on, where a tenant says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// By whose tokens the plan's tenants let people in, where a tenant names nobody itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtAuthentication>,
}

/// By what a request is known to be a tenant's.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identification {
    /// One of the tenant's hosts.
    Host,
    /// The path `/tenants/<name>` on a host that the platform shares among all; the tenant's routes are below it, and do not see it.
    Path,
    /// `X-Tenant-ID` with the tenant's name, on a host that the platform shares among all: between services, and only with credentials.
    Header,
}

/// How a tenant is reached.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// Where the tenant answers: URLs without their paths, but for those on shared hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 80))]
    pub endpoints: Vec<String>,
    /// The API keys, without what opens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub api_keys: Vec<ApiKeyStatus>,
    /// The certificates, without what opens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub certificates: Vec<CertificateStatus>,
}
