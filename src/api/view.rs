//! `TenantView`: the tenant's own window on itself.

#![allow(clippy::duplicated_attributes, reason = "each printer column has a type")]

use super::{CredentialsStatus, DatabaseStatus, Effective, GatewayStatus, QuotaStatus, Usage};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Read-only view of a Tenant for its owners. The operator writes it in the tenant's first namespace.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "tenant-operator.io",
    version = "v1alpha1",
    kind = "TenantView",
    plural = "tenantviews",
    shortname = "tv",
    category = "tenancy",
    namespaced,
    derive = "PartialEq",
    status = "TenantViewStatus",
    doc = "A tenant's read-only view of its own Tenant: tier, conditions, usage. Only tenant-operator writes it.",
    printcolumn(name = "Tier", type_ = "string", json_path = ".status.tier"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "CPU", type_ = "string", json_path = ".status.usage.cpu"),
    printcolumn(name = "Memory", type_ = "string", json_path = ".status.usage.memory"),
    printcolumn(name = "Pods", type_ = "integer", json_path = ".status.usage.pods"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct TenantViewSpec {}

/// The tenant as its owners may see it. It is written whole with the object: only one writes it, and there is nothing else in it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantViewStatus {
    /// The tenant's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tenant's display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The tier.
    pub tier: String,
    /// The tenant above a subtenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// As in the Tenant's status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The tenant's namespaces, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
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
    /// State of a quota that several namespaces or subtenants share, by key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    #[schemars(length(max = 32))]
    pub quota: Vec<QuotaStatus>,
    /// Usage of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}
