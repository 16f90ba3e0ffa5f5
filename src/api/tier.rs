//! `TenantTier`: a plan.

#![allow(clippy::duplicated_attributes, reason = "each printer column has a type")]
#![allow(
    dead_code,
    reason = "the schema is derived from a copy of the type, of which nobody reads what is skipped"
)]

use super::{
    Allowed, ContainerResources, Credentials, IsolationModel, Network, ResourceList, Role, TierDatabase, TierFeatures,
    TierGateway, TierSubtenants, Unread, Workload, schema,
};
use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Defaults and bounds of the tenants of a tier.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "tenant-operator.io",
    version = "v1alpha1",
    kind = "TenantTier",
    plural = "tenanttiers",
    shortname = "tier",
    category = "tenancy",
    derive = "PartialEq",
    doc = "A plan with the defaults and bounds of its tenants.",
    printcolumn(name = "Display Name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(
        name = "Isolation",
        type_ = "string",
        json_path = ".spec.isolation.default",
        description = "The default isolation model"
    ),
    printcolumn(name = "Pod Security", type_ = "string", json_path = ".spec.podSecurity"),
    printcolumn(name = "CPU", type_ = "string", json_path = ".spec.quota.requests\\.cpu"),
    printcolumn(name = "Memory", type_ = "string", json_path = ".spec.quota.requests\\.memory"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.network) || !has(self.network.ingress) || !has(self.network.ingress.tenants) || size(self.network.ingress.tenants) == 0").message("a tier cannot name peers: only two tenants can agree on that"),
    validation = Rule::new("!has(self.network) || !has(self.network.egress) || !has(self.network.egress.applications) || self.network.egress.applications.all(name, has(self.gateway) && has(self.gateway.applications) && self.gateway.applications.exists(application, application.name == name))").message("each of network.egress.applications must be the name of one of gateway.applications"),
)]
pub struct TenantTierSpec {
    /// The tier's display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub display_name: Option<String>,
    /// Isolation models of the tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<TierIsolation>,
    /// Default and upper bound of each tenant's quota. An absent key has no bound.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::resource_list")]
    pub quota: ResourceList,
    /// Defaults for containers without resources. Absent: requests of 100m CPU, 128Mi memory; limits of 1 CPU,
    /// 512Mi memory; 1Gi ephemeral storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_defaults: Option<ContainerResources>,
    /// Bounds of each PersistentVolumeClaim. Absent: the quota alone bounds claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<TierVolumes>,
    /// The Pod Security Standard of the tenants' namespaces. Absent means restricted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<PodSecurity>,
    /// Maximum number of namespaces of a tenant, including the first. Absent means 33.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 33))]
    pub max_namespaces: Option<i32>,
    /// Bounds of the tenants' subtenants. Absent: a tenant of this tier has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtenants: Option<TierSubtenants>,
    /// Names that objects in the tenants' namespaces may refer to. A tenant can narrow these lists, but not widen them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    /// Scheduling of the tenants' workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// Default network access of tenants. A tenant cannot override an explicit Deny.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Workloads of every tenant of the tier. A tenant overrides fields of one by a workload of the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub workloads: Vec<Workload>,
    /// The tenants' databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<TierDatabase>,
    /// Rotation of the tenants' credentials, and keys of every tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// Access to the tenants from outside of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<TierGateway>,
    /// Roles of the tenants' users. Workloads read them from `/etc/tenant/roles.json`, and a route may require their permissions. If the tier has roles,
    /// other roles in routes and API keys grant no access.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub roles: Vec<Role>,
    /// Features that the tenants have, and those that they can enable. Absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<TierFeatures>,
    /// The tenants' default configuration, at most 256 KiB. A tenant's `configuration` is merged over it by RFC 7396: objects merge, lists and other
    /// values replace, and a null removes a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub configuration: Option<Value>,
    /// A JSON Schema that each tenant's configuration, merged with the tier's, must satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub configuration_schema: Option<Value>,
    /// Unreadable parts of the object, which are absent here. Not a field of the resource.
    #[serde(skip)]
    pub unread: Vec<Unread>,
}

/// Bounds of one PersistentVolumeClaim, the operator's and any other.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TierVolumes {
    /// Largest storage request of a claim, such as `100Gi`.
    #[schemars(schema_with = "schema::quantity")]
    pub max: Quantity,
}

/// Isolation models of the tenants.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.default) || !has(self.allowed) || self.default in self.allowed").message("default must be one of allowed"))]
pub struct TierIsolation {
    /// Default model. Absent: the first of `allowed`, otherwise DedicatedApplication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<IsolationModel>,
    /// Models that a tenant may choose. Absent or empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub allowed: Vec<IsolationModel>,
    /// Action when a Critical check finds that a tenant reaches another. Absent means Report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_violation: Option<ViolationResponse>,
    /// Time without findings after which a quarantine ends, as a duration such as `10m`. Absent means 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub quarantine_period: Option<String>,
}

/// Action when a tenant reaches another.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViolationResponse {
    /// The operator reports it by the condition Isolated, an event and a metric.
    #[default]
    Report,
    /// The operator reports it, and closes the tenant's network and database logins until the checks find nothing.
    Quarantine,
}

/// A Pod Security Standard. `privileged` does not exist here, because a privileged pod has no bounds.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum PodSecurity {
    /// Hardened; the default.
    #[default]
    Restricted,
    /// Prevents known privilege escalations.
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

/// Scheduling of workloads.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Scheduling {
    /// The PriorityClass of the workloads' pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = schema::CLASS))]
    pub priority_class_name: Option<String>,
    /// The RuntimeClass of the workloads' pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = schema::CLASS))]
    pub runtime_class_name: Option<String>,
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
}
