//! Access to a tenant from outside of the cluster.

mod application;
mod authentication;
mod bandwidth;
mod error_response;
mod limits;
mod route;
mod session;
mod tls;
mod usage;

pub use application::*;
pub use authentication::*;
pub use bandwidth::*;
pub use error_response::*;
pub use limits::*;
pub use route::*;
pub use session::*;
pub use tls::*;
pub use usage::*;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A unit has one limit for each `per`.
const ONE_LIMIT: &str = "!has(self.rateLimits) || self.rateLimits.all(l, self.rateLimits.exists_one(o, o.unit == l.unit && (has(o.per) ? o.per : 'Tenant') == (has(l.per) ? l.per : 'Tenant')))";

/// Access to a tenant from outside of the cluster. Absent limits, traffic and authentication come from the tier.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(ONE_LIMIT).message("rateLimits has a unit twice for the same per"),
)]
pub struct TenantGateway {
    /// Host names of this tenant only, in lower case and without a dot at the end; `*.` stands for every name below. The tenant's own Ingresses and
    /// HTTPRoutes may name only these. Hosts of another tenant, and names below its wildcards, are a conflict.
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
    /// Certificates of these hosts. The listeners of the platform's gateway serve hosts without a certificate here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub tls: Vec<GatewayTls>,
    /// Ways to identify a request of this tenant. Absent means `[Host]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3))]
    pub identification: Option<Vec<Identification>>,
    /// Routes of the tenant. The most specific path wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub routes: Vec<GatewayRoute>,
    /// Authentication of clients. Absent: the tier's settings, otherwise the gateway admits all requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<GatewayAuthentication>,
    /// Rate limits over all routes of the tenant, of all clients together, of each or of each API key; at most the tier's. An absent unit comes from the tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12))]
    pub rate_limits: Option<Vec<RateLimit>>,
    /// Maximum number of requests at once, over all routes of the tenant; at most the tier's. The condition GatewayReady has the numbers where the
    /// gateway counts for parts of the routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrent_requests: Option<i64>,
    /// Limits of bytes in a second; at most the tier's. An absent one comes from the tier. Not every gateway supports this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_limit: Option<BandwidthLimit>,
    /// Settings for requests to workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Answers in the place of the gateway's plain errors. The tier's apply to statuses without one here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub error_responses: Vec<ErrorResponse>,
}

/// Access to a tier's tenants from outside of the cluster.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(ONE_LIMIT).message("rateLimits has a unit twice for the same per"),
)]
pub struct TierGateway {
    /// Default and upper bound for each unit, of all clients together, of each or of each API key. An absent unit has no bound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12))]
    pub rate_limits: Vec<RateLimit>,
    /// Default and upper bound. Absent means no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrent_requests: Option<i64>,
    /// Default and upper bound. An absent one has no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_limit: Option<BandwidthLimit>,
    /// Default settings for requests to workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Default answers in the place of the gateway's plain errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub error_responses: Vec<ErrorResponse>,
    /// Default issuer of tokens for the tier's tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtAuthentication>,
    /// Applications that the tier's tenants share. Their routes may lead to these, and their pods reach those that `network.egress.applications` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub applications: Vec<Application>,
}

/// A way to identify the tenant of a request.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identification {
    /// One of the tenant's hosts.
    Host,
    /// The tenant's path on a shared host, `/tenants/<name>` unless the chart sets another. The tenant's routes are below it, and the gateway removes it.
    Path,
    /// `X-Tenant-ID` with the tenant's name, on a shared host: for services, and only with credentials.
    Header,
}

/// State of the access to a tenant.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// URLs of the tenant, without paths except on shared hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 80))]
    pub endpoints: Vec<String>,
    /// The API keys, without the keys themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub api_keys: Vec<ApiKeyStatus>,
    /// The certificates, without private keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub certificates: Vec<CertificateStatus>,
}
