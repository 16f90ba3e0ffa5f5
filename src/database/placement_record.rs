//! The permanent record of a tenant's placement: an object in the operator's namespace that outlives the Tenant while data is retained.

use crate::api::DatabaseModel;
use crate::cluster::{Desired, Identity, Key, Kind, Live, metadata};
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// Placement of a tenant's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub server: String,
    pub model: DatabaseModel,
    /// True if the data is retained without a Tenant that asks for it.
    pub retained: bool,
    /// True if the data is abandoned as requested.
    pub abandoned: bool,
}

/// Returns the object that records a placement.
pub fn record(owner: &Identity, namespace: &str, placement: &Placement) -> Desired {
    let mut meta = metadata::meta(owner, namespace, &name(owner));
    let labels = meta.labels.get_or_insert_default();
    labels.insert(names::CLAIM.into(), names::DATABASE_CLAIM.into());
    if placement.retained {
        labels.insert(names::RETAINED.into(), "true".into());
    }
    let mut data = BTreeMap::from([
        ("tenant".to_string(), owner.tenant.clone()),
        ("server".to_string(), placement.server.clone()),
        ("model".to_string(), placement.model.as_str().to_string()),
    ]);
    if placement.abandoned {
        data.insert("abandoned".to_string(), "true".to_string());
    }
    let object = ConfigMap {
        metadata: meta.clone(),
        data: Some(data),
        ..ConfigMap::default()
    };
    metadata::desired(Kind::ConfigMap, &meta, &object)
}

/// Returns the key of that object.
pub fn key(owner: &Identity, namespace: &str) -> Key {
    Key {
        kind: Kind::ConfigMap,
        namespace: namespace.into(),
        name: name(owner),
    }
}

fn name(owner: &Identity) -> String {
    names::claim(names::DATABASE_CLAIM, &owner.id)
}

/// Returns true if an object records a placement.
pub fn is_record(live: &Live) -> bool {
    live.label(names::CLAIM) == Some(names::DATABASE_CLAIM)
}

/// Returns the placement that an object records.
pub fn read(live: &Live) -> Option<Placement> {
    let text = |key: &str| live.value.pointer("/data")?.get(key)?.as_str();
    Some(Placement {
        server: text("server")?.to_string(),
        model: DatabaseModel::parse(text("model")?)?,
        abandoned: text("abandoned").is_some(),
        retained: live.label(names::RETAINED).is_some(),
    })
}
