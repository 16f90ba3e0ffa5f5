//! The schema of a definition, evaluated as JSON Schema. Kubernetes' schemas differ from it in a few keywords, and its messages in all.

use super::metadata::unknown_field;
use super::{Cause, formats, join, preserves_unknown};
use anyhow::anyhow;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};

/// The keywords that mean the same in both.
const SHARED: [&str; 14] = [
    "enum",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "pattern",
    "required",
    "type",
    "uniqueItems",
];

/// A schema, ready for evaluation.
pub struct Shape {
    schema: Value,
    validator: Validator,
}

impl Shape {
    /// Prepares a definition's schema.
    ///
    /// # Errors
    /// A schema that is no JSON Schema.
    pub fn of(schema: &Value) -> anyhow::Result<Self> {
        let mut schema = convert(schema);
        for field in ["apiVersion", "kind"] {
            schema["properties"][field] = json!({"type": "string"});
        }
        schema["properties"]["metadata"] = json!({"type": "object"});
        let options = jsonschema::options()
            .should_validate_formats(true)
            .with_format("date-time", formats::is_date_time)
            .with_pattern_options(PatternOptions::regex());
        let validator = options.build(&schema).map_err(|error| anyhow!("{error}"))?;
        Ok(Self { schema, validator })
    }

    /// Returns the faults of an object.
    pub fn causes(&self, object: &Value) -> Vec<Cause> {
        let mut errors: Vec<ValidationError<'_>> = self.validator.iter_errors(object).collect();
        // Of a text the API server names the first fault only.
        errors.sort_by_key(|error| rank(error.kind()));
        let mut texts: Vec<Location> = Vec::new();
        let mut causes = Vec::new();
        for error in &errors {
            if rank(error.kind()).is_some() {
                if texts.contains(error.instance_path()) {
                    continue;
                }
                texts.push(error.instance_path().clone());
            }
            causes.extend(self.translate(error));
        }
        causes.sort();
        causes
    }

    fn translate(&self, error: &ValidationError<'_>) -> Vec<Cause> {
        let path = field(error.instance_path());
        let value = error.instance().as_ref();
        let count = || {
            value
                .as_array()
                .map_or_else(|| value.as_object().map_or(0, Map::len), Vec::len)
        };
        let body = |rule: String| format!("{path} in body {rule}");
        let cause = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                return unexpected
                    .iter()
                    .map(|name| unknown_field(&join(&path, name)))
                    .collect();
            }
            ValidationErrorKind::Required { property } => {
                Cause::blocking(join(&path, property.as_str().unwrap_or_default()), "Required value")
            }
            ValidationErrorKind::Type { kind } => {
                let (wanted, found) = self.types(error, kind, value);
                let message = body(format!("must be of type {wanted}: {found:?}"));
                Cause::blocking(&path, format!("Invalid value: {found:?}: {message}"))
            }
            ValidationErrorKind::Enum { options } => {
                let known = options.as_array().into_iter().flatten().map(Value::to_string);
                let known: Vec<String> = known.collect();
                let message = format!("Unsupported value: {value}: supported values: {}", known.join(", "));
                Cause::blocking(&path, message)
            }
            ValidationErrorKind::MaxLength { limit } => {
                Cause::blocking(&path, format!("Too long: may not be more than {limit} bytes"))
            }
            ValidationErrorKind::MaxItems { limit } | ValidationErrorKind::MaxProperties { limit } => {
                Cause::blocking(&path, format!("Too many: {}: must have at most {limit} items", count()))
            }
            ValidationErrorKind::MinItems { limit } => {
                let rule = format!("should have at least {limit} items");
                Cause::invalid(&path, &json!(count()), body(rule))
            }
            ValidationErrorKind::MinLength { limit } => {
                Cause::invalid(&path, value, body(format!("should be at least {limit} chars long")))
            }
            ValidationErrorKind::Minimum { limit } => Cause::invalid(
                &path,
                value,
                body(format!("should be greater than or equal to {}", bound(limit))),
            ),
            ValidationErrorKind::Maximum { limit } => Cause::invalid(
                &path,
                value,
                body(format!("should be less than or equal to {}", bound(limit))),
            ),
            ValidationErrorKind::Pattern { pattern } => {
                Cause::invalid(&path, value, body(format!("should match '{pattern}'")))
            }
            ValidationErrorKind::Format { format } => {
                let message = body(format!("must be of type {format}: {value}"));
                Cause::blocking(&path, format!("Invalid value: {value}: {message}"))
            }
            _ => Cause::new(&path, format!("Invalid value: {}", error.masked())),
        };
        vec![cause]
    }

    /// The type that the API server wants, and the one that it found, in its words.
    fn types(&self, error: &ValidationError<'_>, kind: &TypeKind, value: &Value) -> (String, &'static str) {
        let place = error.schema_path().to_string();
        let schema = place
            .rsplit_once('/')
            .and_then(|(schema, _)| self.schema.pointer(schema));
        let format = schema.and_then(|schema| schema["format"].as_str());
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        match (format, value) {
            (Some(format), Value::Number(number)) if number.is_f64() => (format.to_string(), "float64"),
            (Some(format), Value::Bool(_) | Value::Object(_)) => (format.to_string(), ""),
            _ => (wanted(kind), found),
        }
    }
}

fn wanted(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(several) => {
            let names = several.iter().map(|one| one.to_string());
            let names: Vec<String> = names.filter(|name| name != "null").collect();
            names.join(",")
        }
    }
}

/// A bound, which the API server writes without a fraction where it has none.
fn bound(limit: &Value) -> String {
    match limit.as_f64() {
        Some(number) if !limit.is_i64() => number.to_string(),
        _ => limit.to_string(),
    }
}

/// The order in which the API server looks at a text.
fn rank(kind: &ValidationErrorKind) -> Option<u8> {
    match kind {
        ValidationErrorKind::MaxLength { .. } => Some(0),
        ValidationErrorKind::MinLength { .. } => Some(1),
        ValidationErrorKind::Pattern { .. } => Some(2),
        _ => None,
    }
}

/// A place in an object, as Kubernetes writes it.
fn field(place: &Location) -> String {
    place.iter().fold(String::new(), |path, step| match step {
        LocationSegment::Property(name) => join(&path, &name),
        LocationSegment::Index(index) => format!("{path}[{index}]"),
    })
}

/// The same schema in the words of JSON Schema.
fn convert(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else {
        return schema.clone();
    };
    let shared = keywords.iter().filter(|(name, _)| SHARED.contains(&name.as_str()));
    let mut out: Map<String, Value> = shared.map(|(name, value)| (name.clone(), value.clone())).collect();
    if schema["x-kubernetes-int-or-string"] == true {
        out.insert("type".into(), json!(["integer", "string"]));
    }
    if schema["nullable"] == true
        && let Some(types) = out.get_mut("type")
    {
        let mut all = types.as_array().cloned().unwrap_or_else(|| vec![types.clone()]);
        all.push("null".into());
        *types = all.into();
    }
    if let Some(Value::Object(properties)) = keywords.get("properties") {
        let converted = properties.iter().map(|(name, schema)| (name.clone(), convert(schema)));
        out.insert("properties".into(), Value::Object(converted.collect()));
    }
    if let Some(items) = keywords.get("items") {
        out.insert("items".into(), convert(items));
    }
    match keywords.get("additionalProperties") {
        Some(others) => {
            out.insert("additionalProperties".into(), convert(others));
        }
        None if schema["type"] == "object" && !preserves_unknown(schema) => {
            out.insert("additionalProperties".into(), Value::Bool(false));
        }
        None => {}
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keywords of Kubernetes that other modules evaluate, or that say nothing about an object.
    const OTHERS: [&str; 11] = [
        "additionalProperties",
        "default",
        "description",
        "items",
        "nullable",
        "properties",
        "title",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-preserve-unknown-fields",
    ];

    /// The formats that are evaluated; [`crate::api`] bounds the integers, which no text is.
    const FORMATS: [&str; 3] = ["date-time", "int32", "int64"];

    fn keywords(schema: &Value, found: &mut Vec<String>) {
        let Value::Object(keywords_here) = schema else { return };
        for (name, value) in keywords_here {
            found.push(name.clone());
            if let ("format", Some(format)) = (name.as_str(), value.as_str()) {
                assert!(FORMATS.contains(&format), "the format {format} is not evaluated");
            }
            match name.as_str() {
                "properties" => value
                    .as_object()
                    .into_iter()
                    .flat_map(Map::values)
                    .for_each(|schema| keywords(schema, found)),
                "items" | "additionalProperties" => keywords(value, found),
                _ => {}
            }
        }
    }

    #[test]
    fn every_keyword_of_our_definitions_is_evaluated() {
        let mut found = Vec::new();
        for crd in crate::api::crds() {
            keywords(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut found);
        }
        assert!(found.len() > 1000);
        for keyword in found {
            let known = keyword == "x-kubernetes-validations"
                || SHARED.contains(&keyword.as_str())
                || OTHERS.contains(&keyword.as_str());
            assert!(known, "{keyword} is not evaluated");
        }
    }
}
