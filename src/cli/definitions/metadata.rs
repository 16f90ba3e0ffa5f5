//! An object's metadata, which no definition describes.

use super::Cause;
use crate::syntax::{Check, dns_subdomain, label_value, qualified_name};
use serde_json::Value;

/// The fields of `ObjectMeta`.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
/// Most bytes of all annotations together.
const ANNOTATIONS: usize = 256 * 1024;

/// Returns the faults of an object's metadata.
pub fn causes(object: &Value) -> Vec<Cause> {
    let metadata = &object["metadata"];
    let mut causes = Vec::new();
    for field in metadata.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if !FIELDS.contains(&field.as_str()) {
            causes.push(unknown_field(&format!("metadata.{field}")));
        }
    }
    let mut check = |field: &str, text: &str, check: fn(&str) -> Check| {
        if let Err(rule) = check(text) {
            causes.push(Cause::invalid(format!("metadata.{field}"), &Value::from(text), rule));
        }
    };
    let name = metadata["name"].as_str().unwrap_or_default();
    if !name.is_empty() {
        check("name", name, dns_subdomain);
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        check("labels", key, qualified_name);
        check("labels", value.as_str().unwrap_or_default(), label_value);
    }
    let mut size = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        check("annotations", &key.to_lowercase(), qualified_name);
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS {
        let message = format!("Too long: may not be more than {ANNOTATIONS} bytes");
        causes.push(Cause::blocking("metadata.annotations", message));
    }
    if name.is_empty() {
        let message = "Required value: name or generateName is required";
        causes.push(Cause::blocking("metadata.name", message));
    }
    causes
}

/// The API server refuses fields that no schema lists.
pub fn unknown_field(field: &str) -> Cause {
    Cause::new("", format!("strict decoding error: unknown field {field:?}"))
}
