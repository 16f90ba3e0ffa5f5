//! Nulls: the API server drops those that a field cannot hold, and its rules take the others for absent.

use super::{preserves_unknown, schema_of};
use serde_json::Value;

/// The object without the nulls of fields that are not nullable.
pub fn pruned(schema: &Value, value: &Value) -> Value {
    drop(schema, value, &|schema| schema["nullable"] != true)
}

/// The object without any null in a field.
pub fn without(schema: &Value, value: &Value) -> Value {
    drop(schema, value, &|_| true)
}

fn drop(schema: &Value, value: &Value, is_dropped: &dyn Fn(&Value) -> bool) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter_map(|(name, value)| match schema_of(schema, name) {
                Some(schema) if value.is_null() && is_dropped(schema) => None,
                Some(schema) => Some((name.clone(), drop(schema, value, is_dropped))),
                None => Some((name.clone(), value.clone())),
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) if !preserves_unknown(schema) => items
            .iter()
            .map(|item| drop(&schema["items"], item, is_dropped))
            .collect(),
        other => other.clone(),
    }
}
