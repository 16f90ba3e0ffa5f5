//! The rules in CEL (`x-kubernetes-validations`).

use super::Cause;
use kube_cel::{CompiledSchema, ErrorKind, Validator};
use serde_json::Value;

/// The words of CEL that are names of our fields. `kube_cel` knows a field of such a name only in its escaped form, and Kubernetes in both.
const WORDS: [&str; 1] = ["namespace"];

/// The rules of a definition.
pub struct Rules {
    compiled: CompiledSchema,
    validator: Validator,
}

impl Rules {
    /// Compiles every rule.
    ///
    /// # Errors
    /// A rule that is no CEL.
    pub fn of(schema: &Value) -> Result<Self, String> {
        let mut schema = schema.clone();
        escape(&mut schema);
        let compiled = kube_cel::compile_schema(&schema);
        match compiled.compilation_errors().first() {
            Some(error) => Err(error.to_string()),
            None => Ok(Self {
                compiled,
                validator: Validator::new(),
            }),
        }
    }

    /// Returns the broken rules. A value of a wrong form has its message already in `known`, and breaks the rules that read it.
    pub fn causes(&self, object: &Value, known: &[Cause]) -> Vec<Cause> {
        let Err(errors) = self.validator.validate_compiled(&self.compiled, object, None) else {
            return Vec::new();
        };
        let is_known = |field: &str| known.iter().any(|cause| cause.field.starts_with(field));
        let errors = errors.into_iter();
        let errors = errors.filter(|error| error.kind == ErrorKind::ValidationFailure || !is_known(&error.field_path));
        errors
            .map(|error| {
                let message = match at(object, &error.field_path) {
                    Some(value) if !value.is_object() && !value.is_array() => {
                        format!("Invalid value: {value}: {}", error.message)
                    }
                    _ => format!("Invalid value: {}", error.message),
                };
                Cause::new(error.field_path, message)
            })
            .collect()
    }
}

/// Writes fields whose names are words of CEL as `kube_cel` knows them.
fn escape(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(rule) if name == "rule" => {
                        for word in WORDS {
                            *rule = rule.replace(&format!("self.{word}"), &format!("self.__{word}__"));
                        }
                    }
                    value => escape(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(escape),
        _ => {}
    }
}

/// The value at a path such as `spec.workloads[0].name`.
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    steps.try_fold(object, |value, step| match step.strip_suffix(']') {
        Some(index) => value.get(index.parse::<usize>().ok()?),
        None => value.get(step),
    })
}
