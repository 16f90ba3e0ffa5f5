//! Routes of a tenant.

use super::RateLimit;
use crate::api::role::{PERMISSION_NAME, ROLE_NAME};
use crate::api::schema;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A route at one path.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.roles) || size(self.roles) == 0 || !has(self.authentication) || self.authentication == 'Required'").message("roles need authentication: set it to Required"),
    validation = Rule::new("!has(self.permissions) || size(self.permissions) == 0 || !has(self.authentication) || self.authentication == 'Required'").message("permissions need authentication: set it to Required"),
    validation = Rule::new("!has(self.roles) || size(self.roles) == 0 || !has(self.permissions) || size(self.permissions) == 0").message("needs roles or permissions, not both"),
    validation = Rule::new("has(self.backend) != (has(self.backends) && size(self.backends) > 0)").message("needs one of backend and backends"),
    validation = Rule::new("!has(self.backends) || size(self.backends) == 0 || self.backends.exists(b, !(has(b.fallback) && b.fallback) && (!has(b.weight) || b.weight > 0))").message("backends needs one with a weight above 0 that is no fallback"),
    validation = Rule::new("!has(self.backends) || self.backends.filter(b, has(b.fallback) && b.fallback).size() <= 1").message("backends has more than one fallback"),
    validation = Rule::new(super::ONE_LIMIT).message("rateLimits has a unit twice for the same per"),
    validation = Rule::new("!has(self.rateLimits) || self.rateLimits.all(l, !has(l.burst))").message("a route's limit has no burst: set it for the tenant"),
)]
pub struct GatewayRoute {
    /// Path of the route. Absent means every path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<RoutePath>,
    /// Methods of the route. Absent or empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 9))]
    pub methods: Vec<HttpMethod>,
    /// Target of the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<RouteBackend>,
    /// Targets that share the requests by their weights, in place of `backend`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub backends: Vec<WeightedBackend>,
    /// Requirement of credentials. Absent means Required if the tenant has any authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<RouteAuthentication>,
    /// Roles of admitted tokens and keys, which need one of them. Absent or empty means all. A role that a
    /// tier with roles lacks grants no access.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63), regex(pattern = ROLE_NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub roles: Vec<String>,
    /// Permissions of admitted tokens and keys, which need one role of the tier with all of these. Without such a role the route admits nobody. Not
    /// together with `roles`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63), regex(pattern = PERMISSION_NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub permissions: Vec<String>,
    /// Rate limits of this route, beside those of the tenant; at most the tier's. Requests that a more specific route takes do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub rate_limits: Vec<RateLimit>,
    /// A JSON Schema of at most 16 KiB for the bodies of requests. The gateway answers other requests, and those without a body, with 400. Not every gateway
    /// supports this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub request_schema: Option<Value>,
}

/// A path, or all below it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.value.contains('//') && !self.value.contains('/./') && !self.value.contains('/../') && !self.value.endsWith('/.') && !self.value.endsWith('/..')").message("a path has no empty parts, and no . or .."),
)]
pub struct RoutePath {
    /// Type of the path.
    #[serde(rename = "type")]
    pub type_: PathType,
    /// Value, such as `/api/executive`.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^/[-A-Za-z0-9._~!$&'()*+,;=:@/]*$"))]
    pub value: String,
}

/// Type of a path.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathType {
    /// The path and everything below it, part by part.
    #[default]
    PathPrefix,
    /// Only the path itself.
    Exact,
}

impl PathType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PathPrefix => "PathPrefix",
            Self::Exact => "Exact",
        }
    }
}

/// Target of a route: a workload of the tenant, or an application that tenants share.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.workload) != has(self.application)").message("needs one of workload and application"),
    validation = Rule::new("!has(self.port) || has(self.workload)").message("port belongs to a workload: an application has its own"),
)]
pub struct RouteBackend {
    /// A workload of the tenant or its tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub workload: Option<String>,
    /// One of the tier's `gateway.applications`. If the tier lacks it, the gateway answers with 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub application: Option<String>,
    /// The name of one of the workload's ports. Optional if it has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 15))]
    pub port: Option<String>,
}

/// One of several targets of a route.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.workload) != has(self.application)").message("needs one of workload and application"),
    validation = Rule::new("!has(self.port) || has(self.workload)").message("port belongs to a workload: an application has its own"),
    validation = Rule::new("!has(self.weight) || !(has(self.fallback) && self.fallback)").message("a fallback has no weight"),
)]
pub struct WeightedBackend {
    /// A workload of the tenant or its tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub workload: Option<String>,
    /// One of the tier's `gateway.applications`. If the tier lacks it, its share goes to the other targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub application: Option<String>,
    /// The name of one of the workload's ports. Optional if it has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 15))]
    pub port: Option<String>,
    /// Share of the requests, relative to the sum of all weights. Absent means 1, and 0 means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: Option<i32>,
    /// The target answers only while the others cannot be reached. It has no weight. Not every gateway supports this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<bool>,
}

impl WeightedBackend {
    /// Returns the target without its weight.
    pub fn target(&self) -> RouteBackend {
        RouteBackend {
            workload: self.workload.clone(),
            application: self.application.clone(),
            port: self.port.clone(),
        }
    }
}

/// Requirement of credentials.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteAuthentication {
    /// The gateway refuses requests without credentials.
    Required,
    /// The gateway admits all requests.
    None,
}

/// A method of HTTP (RFC 9110, section 9; RFC 5789).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
}

impl HttpMethod {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
        }
    }
}
