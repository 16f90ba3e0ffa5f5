//! `TenantNamespace`: a further namespace that a tenant makes itself.

#![allow(clippy::duplicated_attributes, reason = "each printer column has a type")]
#![allow(
    dead_code,
    reason = "the schema is derived from a copy of the type, of which nobody reads what is skipped"
)]

use super::{ResourceList, Unread, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Desired state of a further namespace of the tenant. Its name is `<tenant>-<name>`.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "tenant-operator.io",
    version = "v1alpha1",
    kind = "TenantNamespace",
    plural = "tenantnamespaces",
    shortname = "tns",
    category = "tenancy",
    namespaced,
    status = "TenantNamespaceStatus",
    derive = "PartialEq",
    doc = "A further namespace of a tenant. The tenant's Admins create it in the tenant's first namespace, and tenant-operator creates and deletes the namespace.",
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 61").message("a TenantNamespace's name must be a DNS label of at most 61 characters: the namespace is named after it"),
    printcolumn(name = "Namespace", type_ = "string", json_path = ".status.namespace", description = "The namespace"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status", description = "True if the namespace is in the desired state"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", description = "The reason of Ready"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct TenantNamespaceSpec {
    /// The namespace's share of the tenant's quota. The operator divides the rest of a key evenly among the namespaces without that key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::resource_list")]
    pub quota: ResourceList,
    /// Unreadable parts of the object, which are absent here. Not a field of the resource.
    #[serde(skip)]
    pub unread: Vec<Unread>,
}

/// Observed state of a further namespace.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantNamespaceStatus {
    /// The generation of the spec that the conditions describe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The namespace, while it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Ready, Reconciling and Stalled by kstatus' rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
