//! The definitions' own rules, evaluated as the API server does before it stores an object: unknown fields, metadata, the schema, lists without
//! duplicates, and the rules in CEL. The messages are the API server's.

mod formats;
mod lists;
mod metadata;
mod nulls;
mod rules;
mod shape;

use crate::api;
use anyhow::{Context, anyhow};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The API server's words where it leaves the rules in CEL aside.
const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// One reason why the API server refuses an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The path of the field, such as `spec.workloads[0].replicas`; empty for the whole object.
    pub field: String,
    pub message: String,
    /// The API server does not evaluate the rules in CEL on an object of another shape.
    blocks_rules: bool,
}

impl Cause {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            blocks_rules: false,
        }
    }

    fn blocking(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            blocks_rules: true,
            ..Self::new(field, message)
        }
    }

    /// The message on a value that breaks a rule.
    fn invalid(field: impl Into<String>, value: &Value, message: impl fmt::Display) -> Self {
        Self::new(field, format!("Invalid value: {value}: {message}"))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.is_empty() {
            true => f.write_str(&self.message),
            false => write!(f, "{}: {}", self.field, self.message),
        }
    }
}

/// One definition, ready for evaluation.
struct Definition {
    schema: Value,
    shape: shape::Shape,
    rules: rules::Rules,
}

/// The definitions of this program, by kind.
pub struct Definitions(BTreeMap<String, Definition>);

impl Definitions {
    /// Prepares every definition.
    ///
    /// # Errors
    /// A schema that cannot be evaluated; no definition of ours has one.
    pub fn new() -> anyhow::Result<Self> {
        let mut definitions = BTreeMap::new();
        for crd in api::crds() {
            let kind = crd.pointer("/spec/names/kind").and_then(Value::as_str);
            let kind = kind.context("a definition without a kind")?;
            let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema");
            let schema = schema.context("a definition without a schema")?.clone();
            let definition = Definition {
                shape: shape::Shape::of(&schema).with_context(|| kind.to_string())?,
                rules: rules::Rules::of(&schema).map_err(|why| anyhow!("{kind}: {why}"))?,
                schema,
            };
            definitions.insert(kind.to_string(), definition);
        }
        Ok(Self(definitions))
    }

    /// Returns every reason why the API server refuses to create this object.
    pub fn causes(&self, kind: &str, object: &Value) -> Vec<Cause> {
        let Some(definition) = self.0.get(kind) else {
            return Vec::new();
        };
        let object = kube_cel::apply_defaults(&definition.schema, &nulls::pruned(&definition.schema, object));
        let mut causes = metadata::causes(&object);
        causes.extend(definition.shape.causes(&object));
        causes.extend(lists::causes(&definition.schema, &object));
        match causes.iter().any(|cause| cause.blocks_rules) {
            true => causes.push(Cause::new("", format!("Invalid value: null: {UNCHECKED}"))),
            false => {
                let found = definition
                    .rules
                    .causes(&nulls::without(&definition.schema, &object), &causes);
                causes.extend(found);
            }
        }
        causes
    }
}

/// The path of a part of a field.
fn join(path: &str, name: &str) -> String {
    match path.is_empty() {
        true => name.to_string(),
        false => format!("{path}.{name}"),
    }
}

/// Returns true where a schema accepts fields that it does not list.
fn preserves_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

/// The schema of a field of an object, if it has one.
fn schema_of<'a>(schema: &'a Value, field: &str) -> Option<&'a Value> {
    let own = schema.get("properties").and_then(|properties| properties.get(field));
    own.or_else(|| schema.get("additionalProperties").filter(|other| other.is_object()))
}

#[cfg(test)]
#[path = "definitions_test.rs"]
mod tests;
