//! Lists whose items are unique: sets, and maps by their keys.

use super::{Cause, join, schema_of};
use serde_json::{Map, Value};

/// Returns the duplicates of every list.
pub fn causes(schema: &Value, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    visit(schema, object, "", &mut causes);
    causes
}

fn visit(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(schema) = schema_of(schema, name) {
                    visit(schema, value, &join(path, name), causes);
                }
            }
        }
        Value::Array(items) => {
            duplicates(schema, items, path, causes);
            for (i, item) in items.iter().enumerate() {
                visit(&schema["items"], item, &format!("{path}[{i}]"), causes);
            }
        }
        _ => {}
    }
}

/// The API server names each value once, at its second place.
fn duplicates(schema: &Value, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    let keys: Vec<Value> = match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => items.to_vec(),
        Some("map") => items.iter().map(|item| key(schema, item)).collect(),
        _ => return,
    };
    for (i, key) in keys.iter().enumerate() {
        if keys[..i].iter().filter(|other| *other == key).count() == 1 {
            causes.push(Cause::new(format!("{path}[{i}]"), format!("Duplicate value: {key}")));
        }
    }
}

/// The fields that identify an item. An item that is no object is like no other.
fn key(schema: &Value, item: &Value) -> Value {
    let names = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
    let fields = names.filter_map(|name| {
        let name = name.as_str()?;
        Some((name.to_string(), item.get(name)?.clone()))
    });
    Value::Object(fields.collect::<Map<String, Value>>())
}
