//! `Tenant`: one customer, described whole.

#![allow(clippy::duplicated_attributes, reason = "each printer column has a type")]
#![allow(
    dead_code,
    reason = "the schema is derived from a copy of the type, of which nobody reads what is skipped"
)]

use super::{
    Allowed, Credentials, IsolationModel, Network, ResourceList, TenantDatabase, TenantFeature, TenantGateway,
    TenantStatus, TenantSubtenants, Unread, Workload, schema,
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Desired environment of a customer.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "tenant-operator.io",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    shortname = "tnt",
    category = "tenancy",
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "One customer of the platform. tenant-operator creates and maintains its whole environment.",
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 53").message("a Tenant's name must be a DNS label of at most 53 characters: its namespaces are named after it"),
    validation = Rule::new("!self.metadata.name.startsWith('kube-')").message("a Tenant's name must not start with kube-: Kubernetes reserves such namespaces"),
    validation = Rule::new("!has(self.status) || !has(self.status.id) || !has(self.spec.id) || self.spec.id == self.status.id").message("spec.id cannot differ from the id that the tenant already has, shown in status.id"),
    validation = Rule::new("!has(self.status) || !has(self.status.database) || !has(self.status.database.number) || !has(self.spec.number) || self.spec.number == self.status.database.number").message("spec.number cannot differ from the number that the tenant already has, shown in status.database.number"),
    printcolumn(name = "Tier", type_ = "string", json_path = ".spec.tier", description = "The tier"),
    printcolumn(name = "Isolation", type_ = "string", json_path = ".status.effective.isolation", description = "The isolation model"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status", description = "True if all resources are in the desired state"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", description = "The reason of Ready"),
    printcolumn(name = "Isolated", type_ = "string", json_path = ".status.conditions[?(@.type=='Isolated')].status", description = "True if no check found access from or to another tenant"),
    printcolumn(name = "Database", type_ = "string", json_path = ".status.conditions[?(@.type=='DatabaseReady')].status", description = "True if the tenant's database is ready"),
    printcolumn(name = "Namespaces", type_ = "integer", json_path = ".status.namespaceCount", description = "The number of namespaces"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Server", type_ = "string", json_path = ".status.database.server", description = "The DatabaseServer that has the tenant's data", priority = 1),
    printcolumn(name = "Parent", type_ = "string", json_path = ".spec.parent", description = "The tenant above a subtenant", priority = 1),
    printcolumn(name = "Id", type_ = "string", json_path = ".status.id", description = "The tenant's id", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.id) || (has(self.id) && self.id == oldSelf.id)").message("id is immutable"),
    validation = Rule::new("has(self.parent) == has(oldSelf.parent) && (!has(self.parent) || self.parent == oldSelf.parent)").message("parent is immutable: create another Tenant, and move the data to it"),
    validation = Rule::new("!has(self.network) || !has(self.network.egress) || !has(self.network.egress.applications) || size(self.network.egress.applications) == 0").message("network.egress.applications belongs to the TenantTier: only a tier opens applications to its tenants' pods"),
)]
pub struct TenantSpec {
    /// The tenant's immutable id: a UUID in lower case. Absent: the UID of the Tenant, shown in `status.id`.
    /// The id of a retained tenant reclaims its namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 36),
        regex(pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
    )]
    pub id: Option<String>,
    /// The tenant's number on shared tables, for a platform that numbers its tenants itself. Absent: the registry of the shared tables draws a number,
    /// shown in `status.database.number`. Once the registry has a number, it never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    pub number: Option<i64>,
    /// The tenant's display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub display_name: Option<String>,
    /// The TenantTier with defaults and bounds.
    #[schemars(length(min = 1, max = 253))]
    pub tier: String,
    /// The Tenant above this one, which makes it a subtenant: it inherits from its parent, and stays within it. Immutable, also where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 53), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub parent: Option<String>,
    /// Rules for the tenant's subtenants, which its tier must allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtenants: Option<TenantSubtenants>,
    /// Isolation model of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Users, groups and ServiceAccounts with access to the tenant's namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub owners: Vec<Owner>,
    /// Namespaces in addition to the first one, which has the tenant's name. Each has the name `<tenant>-<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub namespaces: Vec<TenantNamespace>,
    /// Quota over all the tenant's namespaces. Absent keys come from the tier.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::resource_list")]
    pub quota: ResourceList,
    /// Network access. Absent fields come from the tier, otherwise they deny.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Names that objects in its namespaces may refer to, within the tier's lists. Absent fields come from the tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    /// Applications in the tenant's first namespace, in addition to the tier's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub workloads: Vec<Workload>,
    /// The tenant's PostgreSQL database. Absent: the tier's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<TenantDatabase>,
    /// Rotation of the tenant's credentials, and keys of its own. Absent fields come from the tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// Access to the tenant from outside of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<TenantGateway>,
    /// Features that the tenant enables, of those that the tier allows, and features of the tier that it disables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub features: Vec<TenantFeature>,
    /// Any JSON, merged over the tier's configuration by RFC 7396: objects merge, lists and other values replace, and a null removes a key. The workloads
    /// read the result from `/etc/tenant/configuration.json`. At most 256 KiB; apply a Tenant of about that size with `kubectl apply --server-side`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub configuration: Option<Value>,
    /// Stops all pods of the tenant and keeps its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Action on the namespaces of a deleted Tenant. Absent means Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Unreadable parts of the object, which are absent here. Not a field of the resource.
    #[serde(skip)]
    pub unread: Vec<Unread>,
}

/// Isolation model of the tenant.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    /// One of the models that the tier allows.
    pub model: IsolationModel,
}

/// A user, group or ServiceAccount with access to the tenant's namespaces.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.name.startsWith('system:')").message("an owner cannot be a user or group of the system"),
    validation = Rule::new("(self.kind == 'ServiceAccount') == has(self.namespace)").message("a ServiceAccount, and only a ServiceAccount, has a namespace"),
    validation = Rule::new("!has(self.apiGroup) || self.apiGroup == (self.kind == 'ServiceAccount' ? '' : 'rbac.authorization.k8s.io')").message("apiGroup must be rbac.authorization.k8s.io for a User or Group and empty for a ServiceAccount"),
)]
pub struct Owner {
    /// User, Group or ServiceAccount.
    pub kind: OwnerKind,
    /// `rbac.authorization.k8s.io` for users and groups; optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub api_group: Option<String>,
    /// The name as the API server authenticates it.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace of a ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Role of the owner.
    pub role: OwnerRole,
}

/// Kind of an owner.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnerKind {
    /// A user.
    User,
    /// All members of a group.
    Group,
    /// A process in the cluster.
    ServiceAccount,
}

/// Rights of an owner in the tenant's namespaces.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnerRole {
    /// All rights except changes of the operator's objects.
    Admin,
    /// As Admin, without access control.
    Editor,
    /// Reading, without Secrets.
    Viewer,
}

impl OwnerRole {
    /// Every role, in the order of rights.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Editor, Self::Viewer];

    /// Returns its ClusterRole, which is also the name of the RoleBinding in each namespace.
    pub fn cluster_role(self) -> &'static str {
        match self {
            Self::Admin => "tenant-operator-tenant-admin",
            Self::Editor => "tenant-operator-tenant-editor",
            Self::Viewer => "tenant-operator-tenant-viewer",
        }
    }
}

/// A further namespace of the tenant.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantNamespace {
    /// A DNS label; `<tenant>-<name>` must not exceed 63 characters.
    #[schemars(length(min = 1, max = 61), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// This namespace's share of the tenant's quota. The operator divides the rest of a key evenly among the namespaces
    /// without that key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::resource_list")]
    pub quota: ResourceList,
}

/// Action on the namespaces of a deleted Tenant.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// They stay, without pods and access, until a Tenant of the same name reclaims them by their id.
    #[default]
    Retain,
    /// The operator deletes them with their objects.
    Delete,
}
