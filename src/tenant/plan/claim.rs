//! The claim on the tenant's id: an object whose name is the id's hash, so that only one tenant can create it.

use super::{Platform, meta};
use crate::cluster::{Desired, Identity, Kind, Live};
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// The claim of a tenant on its id, in the operator's namespace.
pub fn claim(owner: &Identity, platform: &Platform) -> Desired {
    let mut meta = meta::meta(owner, &platform.namespace, &names::claim("id", &owner.id));
    meta.labels
        .get_or_insert_default()
        .insert(names::CLAIM.into(), "id".into());
    let data = BTreeMap::from([
        ("value".to_string(), owner.id.clone()),
        ("tenant".to_string(), owner.tenant.clone()),
    ]);
    let object = ConfigMap {
        metadata: meta.clone(),
        data: Some(data),
        ..ConfigMap::default()
    };
    meta::desired(Kind::ConfigMap, &meta, &object)
}

/// The tenant that holds a claim.
pub fn holder(claim: &Live) -> Option<&str> {
    claim.value.pointer("/data/tenant").and_then(serde_json::Value::as_str)
}
