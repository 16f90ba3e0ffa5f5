//! Where a tenant's data is, for good: an object in the operator's namespace that outlives the Tenant while data is kept.

use crate::api::DatabaseModel;
use crate::cluster::{Desired, Identity, Key, Kind, Live, metadata};
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// Where a tenant's data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub server: String,
    pub model: DatabaseModel,
    /// Whether the data is kept for a tenant that is gone, or that asks for no database any more.
    pub retained: bool,
    /// Whether the data was given up as asked, and nothing is done about it any more.
    pub abandoned: bool,
}

/// The object that records a placement.
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

/// Where that object is.
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

/// Whether an object records a placement.
pub fn is_record(live: &Live) -> bool {
    live.label(names::CLAIM) == Some(names::DATABASE_CLAIM)
}

/// What an object records.
pub fn read(live: &Live) -> Option<Placement> {
    let text = |key: &str| live.value.pointer("/data")?.get(key)?.as_str();
    Some(Placement {
        server: text("server")?.to_string(),
        model: DatabaseModel::parse(text("model")?)?,
        abandoned: text("abandoned").is_some(),
        retained: live.label(names::RETAINED).is_some(),
    })
}
