//! What was observed of a tenant. Bounded in size, and written only when it changed.

use super::{
    Access, Allowed, CredentialsStatus, DatabaseStatus, DatabaseUsage, GatewayStatus, GatewayUsage, IsolationModel,
    PodSecurity, ResourceList, schema,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was observed of a tenant.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// The generation of the spec that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The tenant's identity: what marks everything it owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Ready, Reconciling and Stalled by kstatus' rules; NamespacesReady, DatabaseReady, CredentialsReady, WorkloadsAvailable, GatewayReady and Isolated for the parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The tenant's namespaces, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// How many they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_count: Option<i32>,
    /// What tier and spec together amount to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// Where the tenant's data is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseStatus>,
    /// The keys of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsStatus>,
    /// How the tenant is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayStatus>,
    /// How the proof stands that the tenant is apart from all others; the condition Isolated says it in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationStatus>,
    /// What the tenant uses, at most five minutes old when it moves by more than 5 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What tier and spec together amount to.
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
    /// What the objects in its namespaces may name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    /// The workloads' names, the tier's included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<String>,
}

/// Network access as it is.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveNetwork {
    /// Whether the gateway reaches the tenant.
    pub gateway: Access,
    /// Whether the tenant reaches the internet.
    pub internet: Access,
    /// Whether the tenant reaches the API server.
    pub api_server: Access,
    /// The tenants it named, and whether they name it too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerStatus>,
}

/// One peering.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PeerStatus {
    /// The other tenant.
    pub name: String,
    /// Whether traffic flows.
    pub state: PeerState,
}

/// Whether a peering holds.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Both tenants name each other.
    Agreed,
    /// The other tenant does not name this one, or does not exist; no traffic flows.
    Pending,
}

/// How the checks came out that try whether the tenant is apart from all others.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IsolationStatus {
    /// When they were last seen as they are shown here (RFC 3339); brought up to date every six hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_verified: Option<String>,
    /// How many checks found nothing.
    pub passed: i32,
    /// How many found something.
    pub failed: i32,
    /// How many could not be tried.
    pub untried: i32,
    /// What they found, Critical first; the first ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub violations: Vec<IsolationViolation>,
}

/// Something that lets one tenant reach another.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IsolationViolation {
    /// The check that found it.
    pub check: String,
    /// How bad it is: Critical where one tenant can read or change what is another's, High where one wall of several is down.
    pub severity: String,
    /// Who reaches whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Who can have opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<Opener>,
    /// The other tenant; absent where it is every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterpart: Option<String>,
    /// What is open, to whom.
    pub message: String,
}

/// Who reaches whom.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The tenant reaches the other.
    Outward,
    /// The other, or everybody, reaches the tenant.
    Inward,
}

/// Who can have opened what a check finds.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opener {
    /// No tenant: an administrator has, or a wall does not hold.
    Platform,
    /// The other tenant's own people can have: what they have they may give.
    Counterpart,
}

/// What a tenant uses, over all its namespaces.
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
    /// What its database uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseUsage>,
    /// What passes through its gateway, where the platform has that counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayUsage>,
    /// When this was measured (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub observed_at: Option<String>,
}
