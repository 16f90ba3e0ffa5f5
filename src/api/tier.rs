//! `TenantTier`: a plan.

#![allow(clippy::duplicated_attributes, reason = "each printer column has a type")]
#![allow(
    dead_code,
    reason = "the schema is derived from a copy of the type, of which nobody reads what is skipped"
)]

use super::{
    Allowed, ContainerResources, Credentials, IsolationModel, Network, ResourceList, Role, TierDatabase, TierGateway,
    Unread, Workload, schema,
};
use k8s_openapi::api::core::v1::Toleration;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The defaults and bounds of every tenant of a plan.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "tenant-operator.io",
    version = "v1alpha1",
    kind = "TenantTier",
    plural = "tenanttiers",
    shortname = "tier",
    category = "tenancy",
    derive = "PartialEq",
    doc = "A plan: the defaults and bounds of its tenants.",
    printcolumn(name = "Display Name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(
        name = "Isolation",
        type_ = "string",
        json_path = ".spec.isolation.default",
        description = "The model of tenants that name none"
    ),
    printcolumn(name = "Pod Security", type_ = "string", json_path = ".spec.podSecurity"),
    printcolumn(name = "CPU", type_ = "string", json_path = ".spec.quota.requests\\.cpu"),
    printcolumn(name = "Memory", type_ = "string", json_path = ".spec.quota.requests\\.memory"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.network) || !has(self.network.ingress) || !has(self.network.ingress.tenants) || size(self.network.ingress.tenants) == 0").message("a tier cannot name peers: only two tenants can agree on that"),
)]
pub struct TenantTierSpec {
    /// The plan's name as people write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub display_name: Option<String>,
    /// Which isolation models tenants may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<TierIsolation>,
    /// Default and upper bound of each tenant's quota. A key that is left out is not bounded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::resource_list")]
    pub quota: ResourceList,
    /// What a container gets that says nothing itself. Absent: requests of 100m CPU, 128Mi memory; limits of 1 CPU,
    /// 512Mi memory; 1Gi ephemeral storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_defaults: Option<ContainerResources>,
    /// The Pod Security Standard of the tenants' namespaces. Absent means restricted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<PodSecurity>,
    /// How many namespaces a tenant may have, the first included. Absent means 33.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 33))]
    pub max_namespaces: Option<i32>,
    /// What the objects in the tenants' namespaces may name: a tenant narrows it, and never widens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    /// Where and how the tenants' workloads are scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// Network access of tenants that say nothing themselves. An explicit Deny cannot be overridden by a tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Workloads that every tenant of the plan gets; a tenant overrides fields of one by naming it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub workloads: Vec<Workload>,
    /// The tenants' databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<TierDatabase>,
    /// How long the tenants' credentials live, and which keys every one of them has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// The tenants' way in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<TierGateway>,
    /// What the tenants' people may be. Workloads find it as `/etc/tenant/roles.json`, and a route may ask for permissions. With any role here,
    /// another that a route or an API key names opens nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub roles: Vec<Role>,
    /// A JSON Schema that the tenants' configuration must satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub configuration_schema: Option<Value>,
    /// What of the object cannot be read, and is left out here. Not a field of the resource.
    #[serde(skip)]
    pub unread: Vec<Unread>,
}

/// Which isolation models tenants may have.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.default) || !has(self.allowed) || self.default in self.allowed").message("default must be one of allowed"))]
pub struct TierIsolation {
    /// The model of tenants that name none. Absent: the first of `allowed`, else DedicatedApplication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<IsolationModel>,
    /// The models that a tenant may name. Absent or empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub allowed: Vec<IsolationModel>,
    /// What is done when a Critical check finds that a tenant reaches another. Absent means Report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_violation: Option<ViolationResponse>,
    /// How long nothing must have been found until a quarantine ends, as a duration such as `10m`. Absent means 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub quarantine_period: Option<String>,
}

/// What is done when a tenant is found to reach another.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViolationResponse {
    /// It is told: by the condition Isolated, an event and a metric.
    #[default]
    Report,
    /// It is told, and the tenant's network and database logins are closed until nothing more is found.
    Quarantine,
}

/// A Pod Security Standard. `privileged` is not to be had: a privileged pod is outside every bound.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum PodSecurity {
    /// Hardened: what every tenant gets that says nothing.
    #[default]
    Restricted,
    /// Without the known privilege escalations.
    Baseline,
}

impl PodSecurity {
    /// The value of the `pod-security.kubernetes.io/enforce` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Baseline => "baseline",
        }
    }
}

/// Where and how workloads are scheduled.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Scheduling {
    /// The PriorityClass of the workloads' pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub priority_class_name: Option<String>,
    /// The RuntimeClass of the workloads' pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub runtime_class_name: Option<String>,
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
}
