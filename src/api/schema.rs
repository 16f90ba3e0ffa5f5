//! Schemas that a derive cannot express, and what Kubernetes refuses or dislikes in derived ones.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// Kubernetes' own syntax of a quantity, without a sign.
const QUANTITY: &str = r"^\+?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$";

/// A map of resource names to quantities, bounded so that the API server's CEL budget holds.
pub fn resource_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": quantity_schema(),
    })
}

/// One quantity: an integer or a string such as `500m` or `10Gi`.
pub fn quantity(_: &mut SchemaGenerator) -> Schema {
    quantity_schema()
}

fn quantity_schema() -> Schema {
    json_schema!({"x-kubernetes-int-or-string": true, "pattern": QUANTITY, "maxLength": 32, "minimum": 0})
}

/// A duration such as `24h` or `1m30s`. Kubernetes' own `format: duration` would take `30d`, which Go cannot read.
pub fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$", "maxLength": 32})
}

/// An optional list of names of cluster-scoped objects, which are DNS subdomains.
pub fn names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "nullable": true,
        "maxItems": 32,
        "items": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"},
    })
}

/// Any JSON object.
pub fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Removes from a CRD what a derive adds and Kubernetes must not see: defaults in a spec (a GitOps tool would
/// report them as drift for ever) and integer formats that OpenAPI does not know.
pub fn clean(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // A property may itself be called `default`; a schema's default is never an object with a type.
            if map.get("default").is_some_and(|d| !looks_like_schema(d)) {
                map.remove("default");
            }
            if map
                .get("format")
                .and_then(Value::as_str)
                .is_some_and(|f| f.starts_with("uint"))
            {
                map.remove("format");
            }
            map.values_mut().for_each(clean);
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        _ => {}
    }
}

fn looks_like_schema(value: &Value) -> bool {
    ["type", "properties", "x-kubernetes-int-or-string", "enum"]
        .iter()
        .any(|key| value.get(key).is_some())
}
