//! A tenant's configuration against its tier's schema.

use crate::capability::{Invalid, canonical};
use serde_json::Value;

/// A ConfigMap holds 1 MiB; the rest is kept for what else an object carries.
const MOST_BYTES: usize = 256 * 1024;
/// The most complaints of a schema that are passed on.
const MOST_COMPLAINTS: usize = 5;

pub fn check(configuration: Option<&Value>, schema: Option<&Value>, errors: &mut Vec<Invalid>) -> Option<String> {
    let configuration = configuration.filter(|value| value.as_object().is_none_or(|map| !map.is_empty()));
    if let Some(schema) = schema {
        match jsonschema::validator_for(schema) {
            Err(_) => errors.push(Invalid::new(
                "spec.tier",
                "the tier's configurationSchema is no JSON Schema",
            )),
            Ok(validator) => {
                let empty = Value::Object(serde_json::Map::new());
                for error in validator
                    .iter_errors(configuration.unwrap_or(&empty))
                    .take(MOST_COMPLAINTS)
                {
                    // The value itself stays out of the message: configuration may be confidential.
                    let path = error.instance_path().to_string().replace('/', ".");
                    let message = format!("is refused by the tier's schema ({})", error.schema_path());
                    errors.push(Invalid::new(format!("spec.configuration{path}"), message));
                }
            }
        }
    }
    let text = canonical(configuration?);
    if text.len() > MOST_BYTES {
        errors.push(Invalid::new(
            "spec.configuration",
            format!("is {} bytes, more than {MOST_BYTES}", text.len()),
        ));
    }
    Some(text)
}
