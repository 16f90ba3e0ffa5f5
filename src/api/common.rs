//! Types that several resources share.

use super::schema;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Resource names and amounts, as in a ResourceQuota's `hard`.
pub type ResourceList = BTreeMap<String, Quantity>;

/// A field of an object that the operator cannot read: the API server accepted a value outside of this program's types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its path, such as `spec.workloads[0].livenessProbe.httpGet.port`.
    pub field: String,
    /// The reason.
    pub why: String,
}

impl Unread {
    /// Longest reason, in bytes: a value may be as long as its object.
    const MOST: usize = 200;

    pub fn new(field: String, why: &str) -> Self {
        let mut why = why.to_string();
        why.truncate(why.floor_char_boundary(Self::MOST));
        Self { field, why }
    }

    /// Returns true for this field, or a part of it.
    pub fn is_in(&self, field: &str) -> bool {
        let rest = self.field.strip_prefix(field);
        rest.is_some_and(|rest| field.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: cannot be read: {}", self.field, self.why)
    }
}

/// Lists the unreadable parts of this field, for a message; empty if all are readable.
pub fn unread_in(unread: &[Unread], field: &str) -> Option<String> {
    let found: Vec<String> = unread
        .iter()
        .filter(|one| one.is_in(field))
        .map(Unread::to_string)
        .collect();
    (!found.is_empty()).then(|| found.join("; "))
}

/// Isolation model of a tenant, from the weakest to the strongest.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IsolationModel {
    /// A shared application on shared tables.
    SharedData,
    /// A shared application with separate data.
    SharedApplication,
    /// Namespaces and workloads of its own, on shared nodes.
    DedicatedApplication,
    /// Nodes of its own too.
    DedicatedNodes,
}

impl IsolationModel {
    /// Returns true if a tenant of this model runs workloads of its own.
    pub fn has_workloads(self) -> bool {
        self >= Self::DedicatedApplication
    }
}

impl std::fmt::Display for IsolationModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// Allow or Deny.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Traffic is allowed.
    Allow,
    /// Traffic is denied.
    Deny,
}

/// A transport protocol.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, the default.
    #[default]
    TCP,
    /// UDP.
    UDP,
    /// SCTP.
    SCTP,
}

impl Protocol {
    /// Its name in a Kubernetes object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TCP => "TCP",
            Self::UDP => "UDP",
            Self::SCTP => "SCTP",
        }
    }
}

/// Requests and limits of a container.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ContainerResources {
    /// Requests, for example `cpu: 100m`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::resource_list")]
    pub requests: ResourceList,
    /// Limits, for example `memory: 1Gi`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::resource_list")]
    pub limits: ResourceList,
}

/// Network access.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Ingress to the tenant's pods, in addition to its own traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// Egress of the tenant's pods, in addition to its own traffic and the cluster's DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Egress>,
}

/// Ingress to the tenant's pods.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Ingress from the platform's gateway. Absent means Deny.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Access>,
    /// Other tenants with traffic in both directions. Applies only while they name this tenant too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub tenants: Vec<Peer>,
}

/// Another tenant.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// The other Tenant's name.
    #[schemars(length(min = 1, max = 53))]
    pub name: String,
}

/// Egress of the tenant's pods.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Egress {
    /// Egress to public addresses. Absent means Deny. Never includes private ranges or the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internet: Option<Access>,
    /// Egress to the Kubernetes API server. Absent means Deny.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_server: Option<Access>,
    /// Further destinations outside the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub to: Vec<EgressRule>,
    /// Shared applications that the pods reach without the gateway: names of the tier's `gateway.applications`. Only a tier names them, and all its
    /// tenants' pods reach them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub applications: Vec<String>,
}

/// A destination outside the cluster.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EgressRule {
    /// Addresses in CIDR notation, such as `203.0.113.0/24`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("isCIDR(self)").message("must be a CIDR such as 203.0.113.0/24"))]
    pub cidr: String,
    /// Ports; absent or empty means every port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub ports: Vec<NetworkPort>,
}

/// A port or a range of ports.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.endPort) || self.endPort >= self.port").message("endPort must not be below port"))]
pub struct NetworkPort {
    /// The port, or the first of a range.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// The last port of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub end_port: Option<i32>,
    /// Absent means TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}
