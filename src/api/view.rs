//! `TenantView`: the tenant's own window on itself.

#![allow(clippy::duplicated_attributes, reason = "each printer column has a type")]

use super::{CredentialsStatus, DatabaseStatus, Effective, GatewayStatus, Usage};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// What the tenant's owners may see of their Tenant. Written by the operator alone, in the tenant's first namespace.
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
    doc = "A tenant's read-only window on its own Tenant: tier, conditions, usage. Written by tenant-operator alone.",
    printcolumn(name = "Tier", type_ = "string", json_path = ".spec.tier"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".spec.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".spec.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "CPU", type_ = "string", json_path = ".spec.usage.cpu"),
    printcolumn(name = "Memory", type_ = "string", json_path = ".spec.usage.memory"),
    printcolumn(name = "Pods", type_ = "integer", json_path = ".spec.usage.pods"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct TenantViewSpec {
    /// The tenant's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tenant's name as people write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The plan.
    pub tier: String,
    /// As in the Tenant's status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The tenant's namespaces, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
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
    /// What the tenant uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}
