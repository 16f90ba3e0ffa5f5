//! Schemas that a derive cannot express, and repairs of derived ones that Kubernetes refuses or warns about.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// Kubernetes' own syntax of a quantity, without a sign.
const QUANTITY: &str = r"^\+?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$";

/// The name of a port (`IANA_SVC_NAME`, RFC 6335).
pub const PORT_NAME: &str = "^([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$";
/// The name of a class, or nothing.
pub const CLASS: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$";

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

/// The syntax of a duration, all of which CEL can convert.
const DURATION: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

/// A duration such as `24h` or `1m30s`. Kubernetes' own `format: duration` would take `30d`, which Go cannot read.
pub fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": DURATION, "maxLength": 32})
}

/// A rule in CEL on these durations. It passes where the pattern refuses one of them: a failed conversion would be a second error.
pub fn duration_rule(durations: &[&str], rule: &str) -> String {
    let malformed = durations
        .iter()
        .map(|text| format!("!{text}.matches('{DURATION}') || "));
    malformed.collect::<String>() + rule
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

/// Makes the status all that a definition has, written with the object: no spec, and no subresource.
pub fn status_alone(crd: &mut Value) {
    for version in crd["spec"]["versions"].as_array_mut().into_iter().flatten() {
        if let Some(version) = version.as_object_mut() {
            version.remove("subresources");
        }
        let schema = &mut version["schema"]["openAPIV3Schema"];
        schema["required"] = Value::from(vec!["status"]);
        if let Some(properties) = schema["properties"].as_object_mut() {
            properties.remove("spec");
        }
        if let Some(status) = schema["properties"]["status"].as_object_mut() {
            status.remove("nullable");
        }
    }
}

/// Removes two additions of the derive from a CRD: defaults in a spec (a GitOps tool would
/// always report them as drift) and integer formats that OpenAPI does not know.
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

/// Bounds of Kubernetes' own fields, equal to those of Kubernetes: its types are only int32 or int64.
const BOUNDS: [(&[&str], i64, i64); 7] = [
    (&["port"], 1, 65_535),
    (
        &[
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ],
        0,
        i32::MAX as i64,
    ),
    (&["terminationGracePeriodSeconds"], 1, i32::MAX as i64),
    (
        &["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"],
        0,
        i32::MAX as i64,
    ),
    (&["defaultMode", "mode"], 0, 0o777),
    (&["expirationSeconds"], 600, 1 << 32),
    (&["tolerationSeconds"], i32::MIN as i64, i32::MAX as i64),
];
/// A time that every reader understands. The API server's own check accepts `24-01-01T00:00:00x0+99:99`, and the year 9999.
const TIME: &str = r"^(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$";

/// Bounds fields that Kubernetes' own types leave open, so that the API server stores no value outside of this program's types. `name` is the name of
/// the schema's property.
pub fn bound(value: &mut Value, name: &str) {
    let Value::Object(schema) = value else {
        return;
    };
    let is_integer = schema.get("type").is_some_and(|of| of == "integer");
    let is_port = name == "port" && schema.contains_key("x-kubernetes-int-or-string");
    if is_integer || is_port {
        let known = BOUNDS.iter().find(|(names, ..)| names.contains(&name));
        let by_format = match schema.get("format").and_then(Value::as_str) {
            Some("int32") => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
            _ => None,
        };
        if let Some((least, most)) = known.map(|(_, least, most)| (*least, *most)).or(by_format) {
            schema.entry("minimum").or_insert(least.into());
            schema.entry("maximum").or_insert(most.into());
        }
    }
    if name == "lastTransitionTime" {
        schema.insert("pattern".into(), TIME.into());
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        // Metadata of a nested object: Kubernetes accepts no more in a claim's template.
        if name == "metadata" && properties.contains_key("managedFields") {
            properties.retain(|name, _| ["annotations", "labels"].contains(&name.as_str()));
        }
    }
    for (key, part) in schema.iter_mut() {
        match (key.as_str(), part) {
            ("properties", Value::Object(properties)) => {
                properties.iter_mut().for_each(|(name, schema)| bound(schema, name));
            }
            ("items" | "additionalProperties", part) => bound(part, name),
            ("properties", _) => {}
            (_, Value::Array(parts)) => parts.iter_mut().for_each(|part| bound(part, "")),
            (_, part) => bound(part, ""),
        }
    }
}

fn looks_like_schema(value: &Value) -> bool {
    ["type", "properties", "x-kubernetes-int-or-string", "enum"]
        .iter()
        .any(|key| value.get(key).is_some())
}

/// The longest description within an embedded type of Kubernetes, in characters.
const SHORT: usize = 100;

/// Shortens the descriptions of Kubernetes' own types below each field of a workload, and removes those of deeper fields.
/// Kubernetes' reference has them in full, and a definition must stay well below the 256 KiB limit of a client-side apply.
pub fn shorten_workloads(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let workloads = map.get_mut("workloads");
            let fields = workloads.and_then(|workloads| workloads.pointer_mut("/items/properties"));
            if let Some(fields) = fields.and_then(Value::as_object_mut) {
                for field in fields.values_mut().filter_map(Value::as_object_mut) {
                    for (key, value) in field {
                        shorten(value, usize::from(key == "properties"));
                    }
                }
            } else {
                map.values_mut().for_each(shorten_workloads);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten_workloads),
        _ => {}
    }
}

/// `depth` counts the fields around this one.
fn shorten(value: &mut Value, depth: usize) {
    match value {
        Value::Object(map) => {
            // A property may itself have the name `description`; then it is a schema, and not text.
            if map.get("description").is_some_and(Value::is_string) {
                match map.remove("description") {
                    Some(Value::String(text)) if depth <= 1 => {
                        map.insert("description".into(), first_sentence(&text).into());
                    }
                    _ => {}
                }
            }
            for (key, value) in map {
                shorten(value, depth + usize::from(key == "properties"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, depth)),
        _ => {}
    }
}

/// Returns the first sentence of a text, or its first words if that is long.
fn first_sentence(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let sentence = line.split_inclusive(". ").next().unwrap_or_default().trim_end();
    if sentence.chars().count() <= SHORT {
        return sentence.to_string();
    }
    let mut short = String::new();
    for word in sentence.split(' ') {
        if short.chars().count() + word.chars().count() + 2 > SHORT {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_description_is_its_first_sentence_and_no_longer_than_a_line() {
        assert_eq!(first_sentence("A name. Not more of it."), "A name.");
        assert_eq!(first_sentence("A name\nover lines."), "A name");
        let long = first_sentence(&"word ".repeat(100));
        assert!(long.ends_with(" word…") && long.chars().count() <= SHORT, "{long}");
        assert_eq!(first_sentence(&"x".repeat(500)), "…");
    }

    #[test]
    fn only_embedded_types_are_shortened() {
        let text = "One. Two.";
        let deep = json!({"x": {"type": "string", "description": text}});
        let field = json!({"type": "object", "description": text, "properties": deep});
        let embedded = json!({"description": text, "properties": {"description": field}});
        let mut all = json!({"spec": {"properties": {
            "workloads": {"description": text, "items": {"properties": {"image": embedded}}},
            "tier": {"description": text},
        }}});
        shorten_workloads(&mut all);
        let at = |path: &str| all.pointer(path).cloned().unwrap_or_default();
        let image = "/spec/properties/workloads/items/properties/image";
        assert_eq!(at("/spec/properties/tier/description"), text);
        assert_eq!(at("/spec/properties/workloads/description"), text);
        assert_eq!(at(&format!("{image}/description")), text, "our own words");
        assert_eq!(at(&format!("{image}/properties/description/description")), "One.");
        let deep = format!("{image}/properties/description/properties/x");
        assert_eq!(at(&format!("{deep}/type")), "string");
        assert_eq!(at(&format!("{deep}/description")), Value::Null);
    }

    /// Calls `check` with each rule in CEL.
    fn rules(schema: &Value, check: &mut dyn FnMut(&str)) {
        match schema {
            Value::Object(fields) => {
                fields
                    .get("rule")
                    .and_then(Value::as_str)
                    .into_iter()
                    .for_each(&mut *check);
                fields.values().for_each(|value| rules(value, check));
            }
            Value::Array(items) => items.iter().for_each(|item| rules(item, check)),
            _ => {}
        }
    }

    #[test]
    fn no_rule_converts_a_duration_that_the_pattern_refuses() {
        let mut found = 0;
        for crd in crate::api::crds() {
            rules(&crd, &mut |rule| {
                let converts = rule.split("duration(self").skip(1);
                for field in converts.filter_map(|rest| rest.split(')').next()) {
                    found += 1;
                    let guard = format!("!self{field}.matches('{DURATION}') || ");
                    assert!(rule.contains(&guard), "{rule}");
                }
            });
        }
        assert!(found > 5, "{found}");
    }
}
