//! The metadata of a workload's objects.

use crate::api::Workload;
use crate::capability::TenantCore;
use crate::cluster::metadata;
use crate::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Metadata of an object of a workload, in the tenant's first namespace.
pub fn meta(tenant: &TenantCore, workload: &Workload, name: &str) -> ObjectMeta {
    let mut meta = metadata::meta(&tenant.owner, tenant.name(), name);
    meta.labels
        .get_or_insert_default()
        .insert(names::WORKLOAD.into(), workload.name.clone());
    meta
}

/// The labels that select a workload's pods, and that they have; never the mark of management, which is for top-level objects.
pub fn selector(tenant: &TenantCore, workload: &Workload) -> BTreeMap<String, String> {
    BTreeMap::from([
        (names::TENANT.into(), tenant.owner.tenant.clone()),
        (names::WORKLOAD.into(), workload.name.clone()),
    ])
}
