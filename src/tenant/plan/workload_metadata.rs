//! The metadata of a workload's objects.

use crate::api::Workload;
use crate::cluster::metadata;
use crate::names;
use crate::tenant::ValidTenant;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Metadata of an object of a workload, in the tenant's first namespace.
pub fn workload_meta(tenant: &ValidTenant, workload: &Workload, name: &str) -> ObjectMeta {
    let mut meta = metadata::meta(&tenant.core.owner, tenant.name(), name);
    meta.labels
        .get_or_insert_default()
        .insert(names::WORKLOAD.into(), workload.name.clone());
    meta
}

/// What selects a workload's pods, and is on them; never the mark of management, which is for top-level objects.
pub fn selector(tenant: &ValidTenant, workload: &Workload) -> BTreeMap<String, String> {
    BTreeMap::from([
        (names::TENANT.into(), tenant.core.owner.tenant.clone()),
        (names::WORKLOAD.into(), workload.name.clone()),
    ])
}
