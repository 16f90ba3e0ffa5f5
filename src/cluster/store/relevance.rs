//! The parts of an object whose change wakes its tenant. Pure.

use crate::cluster::object::is_exceeded;
use crate::cluster::{Kind, digest};
use crate::names;
use serde_json::{Map, Value, json};

/// Returns the inputs of reconciliation: all kept fields except versions and a quota's usage, which changes with every pod. Only usage above the quota
/// counts: other namespaces may wait for it.
pub(super) fn relevant(kind: Kind, value: &Value) -> u64 {
    let mut value = value.clone();
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        metadata.remove("resourceVersion");
    }
    // Only the operator's own decisions are in a book: a write of it is no reason to decide again.
    if kind == Kind::ConfigMap
        && value
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(names::CLAIM))
            == Some(&json!(names::QUOTA_CLAIM))
        && let Some(object) = value.as_object_mut()
    {
        object.remove("data");
    }
    if kind == Kind::ResourceQuota
        && let Some(Value::Object(status)) = value.get_mut("status")
    {
        let hard = status.get("hard").cloned().unwrap_or_default();
        if let Some(Value::Object(used)) = status.get_mut("used") {
            used.retain(|key, used| is_exceeded(hard.get(key), used));
        }
        if status.get("used").and_then(Value::as_object).is_some_and(Map::is_empty) {
            status.remove("used");
        }
    }
    digest(&value)
}
