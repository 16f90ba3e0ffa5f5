//! What every object of a tenant carries.

use crate::api::Workload;
use crate::cluster::{Desired, Identity, Key, Kind};
use crate::names;
use crate::tenant::ValidTenant;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use std::collections::BTreeMap;

/// Metadata of an object in one of the tenant's namespaces.
pub fn meta(owner: &Identity, namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.into()),
        namespace: (!namespace.is_empty()).then(|| namespace.into()),
        labels: Some(labels(owner)),
        annotations: Some(BTreeMap::from([(names::OWNED_BY.into(), owner.annotation())])),
        ..ObjectMeta::default()
    }
}

/// Metadata of an object of a workload, in the tenant's first namespace.
pub fn workload_meta(tenant: &ValidTenant, workload: &Workload, name: &str) -> ObjectMeta {
    let mut meta = meta(&tenant.owner, tenant.name(), name);
    meta.labels
        .get_or_insert_default()
        .insert(names::WORKLOAD.into(), workload.name.clone());
    meta
}

/// The marks of ownership.
pub fn labels(owner: &Identity) -> BTreeMap<String, String> {
    BTreeMap::from([
        (names::TENANT.into(), owner.tenant.clone()),
        (names::TENANT_ID.into(), owner.id.clone()),
        (names::MANAGED_BY.into(), names::MANAGER.into()),
    ])
}

/// What selects a workload's pods, and is on them; never the mark of management, which is for top-level objects.
pub fn selector(tenant: &ValidTenant, workload: &Workload) -> BTreeMap<String, String> {
    BTreeMap::from([
        (names::TENANT.into(), tenant.owner.tenant.clone()),
        (names::WORKLOAD.into(), workload.name.clone()),
    ])
}

/// The object as it will be written.
pub fn desired<K: Serialize>(kind: Kind, meta: &ObjectMeta, object: &K) -> Desired {
    Desired {
        key: Key {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        },
        // The types of k8s-openapi have string keys only, and so always are JSON.
        value: serde_json::to_value(object).unwrap_or_default(),
        others: Vec::new(),
        takes_over: false,
    }
}
