//! Observed state of a tenant. Bounded in size, and written only after a change.

use super::{
    Access, Allowed, CredentialsStatus, DatabaseStatus, DatabaseUsage, GatewayStatus, GatewayUsage, IsolationModel,
    PodSecurity, QuotaStatus, ResourceList, schema,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Observed state of a tenant.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// The generation of the spec that the conditions describe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The tenant's id, which marks all its objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tenant above a subtenant, once the operator has accepted its place there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentStatus>,
    /// Ready, Reconciling and Stalled by kstatus' rules; NamespacesReady, QuotaGranted, DatabaseReady, CredentialsReady, WorkloadsAvailable, GatewayReady and Isolated for the parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The tenant's namespaces, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Number of namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_count: Option<i32>,
    /// Combined result of tier and spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// Location of the tenant's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseStatus>,
    /// State of the tenant's own keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsStatus>,
    /// Access to the tenant from outside of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayStatus>,
    /// Results of the isolation checks; the condition Isolated summarises them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationStatus>,
    /// State of a quota that several namespaces or subtenants share, by key. Absent for a tenant with one namespace and no family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    #[schemars(length(max = 32))]
    pub quota: Vec<QuotaStatus>,
    /// Usage of the tenant, at most five minutes old if it changes by more than 5 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// The tenant above a subtenant.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    /// The parent's name.
    pub name: String,
    /// The parent's id. Another Tenant of that name is no parent of this tenant.
    pub id: String,
    /// The name of the topmost tenant of the family.
    pub root: String,
    /// Its id.
    pub root_id: String,
}

/// Combined result of tier and spec.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    /// The isolation model.
    pub isolation: IsolationModel,
    /// The Pod Security Standard that the namespaces enforce.
    pub pod_security: PodSecurity,
    /// The tenant's quota over all its namespaces.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::resource_list")]
    pub quota: ResourceList,
    /// Network access.
    pub network: EffectiveNetwork,
    /// Names that objects in its namespaces may refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    /// The enabled features, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// SHA-256 of the configuration, merged from tier and spec, as JSON without spaces and with sorted keys: `sha256:<hex>`. Absent without configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_digest: Option<String>,
    /// The workloads' names, including the tier's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<String>,
}

/// Effective network access.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveNetwork {
    /// Ingress from the gateway.
    pub gateway: Access,
    /// Egress to the internet.
    pub internet: Access,
    /// Egress to the API server.
    pub api_server: Access,
    /// The peers that it names, and their states.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerStatus>,
    /// Shared applications that its tier opens to its pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<String>,
}

/// One peering.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PeerStatus {
    /// The other tenant.
    pub name: String,
    /// State of the peering.
    pub state: PeerState,
}

/// State of a peering.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Both tenants name each other.
    Agreed,
    /// The other tenant does not name this one, or does not exist; no traffic flows.
    Pending,
}

/// Results of the isolation checks.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IsolationStatus {
    /// Time at which the operator last confirmed these results (RFC 3339), updated every six hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_verified: Option<String>,
    /// Number of checks without findings.
    pub passed: i32,
    /// Number of checks with violations.
    pub failed: i32,
    /// Number of checks that could not run.
    pub untried: i32,
    /// The first ten violations, Critical first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub violations: Vec<IsolationViolation>,
}

/// An opening through which one tenant reaches another.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IsolationViolation {
    /// Check that found it.
    pub check: String,
    /// Severity: Critical if one tenant can read or change another's objects, High if one of several protections fails.
    pub severity: String,
    /// Direction of the access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Party that can have opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<Opener>,
    /// The other tenant; absent if it is every tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterpart: Option<String>,
    /// Description of the opening.
    pub message: String,
}

/// Direction of the access.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The tenant reaches the other.
    Outward,
    /// The other tenant, or everybody, reaches the tenant.
    Inward,
}

/// Party that can have opened a violation.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opener {
    /// No tenant: an administrator did, or a protection fails.
    Platform,
    /// The other tenant's own users, who may share their objects.
    Counterpart,
}

/// Usage of a tenant over all its namespaces.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// CPU requested by running pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Memory requested by running pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Pods that have not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<i64>,
    /// Storage requested by PersistentVolumeClaims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// Usage of its database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseUsage>,
    /// Traffic through its gateway, if the platform enables these metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayUsage>,
    /// Time of the measurement (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub observed_at: Option<String>,
}
