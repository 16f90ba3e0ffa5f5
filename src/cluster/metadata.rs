//! The metadata that every object of a tenant carries.

use super::{Desired, Identity, Key, Kind};
use crate::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use std::collections::BTreeMap;

/// Metadata of an object in a namespace of the tenant; an empty namespace is none.
pub fn meta(owner: &Identity, namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.into()),
        namespace: (!namespace.is_empty()).then(|| namespace.into()),
        labels: Some(labels(owner)),
        annotations: Some(BTreeMap::from([(names::OWNED_BY.into(), owner.annotation())])),
        ..ObjectMeta::default()
    }
}

/// The marks of ownership.
pub fn labels(owner: &Identity) -> BTreeMap<String, String> {
    BTreeMap::from([
        (names::TENANT.into(), owner.tenant.clone()),
        (names::TENANT_ID.into(), owner.id.clone()),
        (names::MANAGED_BY.into(), names::MANAGER.into()),
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

/// Returns true for the labels of an object that the operator manages, so that its watches follow the object.
pub fn is_managed(labels: &BTreeMap<String, String>) -> bool {
    labels.contains_key(names::TENANT_ID) && labels.get(names::MANAGED_BY).is_some_and(|by| by == names::MANAGER)
}

/// The label selector of the objects that the operator manages.
pub fn managed_selector() -> String {
    format!("{},{}={}", names::TENANT_ID, names::MANAGED_BY, names::MANAGER)
}
