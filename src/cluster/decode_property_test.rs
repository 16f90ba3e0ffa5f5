//! Property: the operator decodes, whole, every object that the schemas of the CustomResourceDefinitions accept.

use super::*;
use crate::api::crds;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The mark of fields that schemas cannot bound: the decoder bounds their depth.
const ANY: &str = "x-kubernetes-preserve-unknown-fields";

/// Numbers at the edges of all types of integers, and beside them.
fn integers() -> impl Iterator<Item = i64> {
    let edges = [
        0,
        1 << 15,
        1 << 16,
        1 << 31,
        1 << 32,
        1 << 53,
        i64::MAX,
        3_000_000_000,
        600,
        0o777,
    ];
    let beside = |edge: i64| {
        [edge.checked_sub(1), Some(edge), edge.checked_add(1)]
            .into_iter()
            .flatten()
    };
    let positive = edges.into_iter().flat_map(beside);
    positive.flat_map(|edge| [edge, -edge]).chain([i64::MIN])
}

fn strings() -> Vec<Value> {
    let texts = [
        "",
        "a",
        "web",
        "0",
        "80",
        "1Gi",
        "500m",
        "+1.5e3",
        "-1",
        "true",
        "null",
        "ä\u{0}\u{10ffff}",
        "10.0.0.0/8",
        "1h",
        "/a",
        "https://a",
        "a.example.com",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.123456789Z",
        "2026-01-01t00:00:00z",
        "2026-01-01T00:00:00+99:99",
        "2026-01-01T00:00:00x5Z",
        "2026-01-01T23:59:60Z",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11",
    ];
    texts
        .into_iter()
        .map(Value::from)
        .chain([Value::from("x".repeat(300))])
        .collect()
}

/// Candidates for values of each type.
fn leaves() -> Vec<Value> {
    let mut all = strings();
    all.extend(integers().map(Value::from));
    all.extend([json!(true), json!(false), Value::Null, json!({}), json!([]), json!(1.5)]);
    all
}

/// Returns true if the API server accepts the text as a time: it checks the date, and lets pass much of the rest.
fn is_date(text: &str) -> bool {
    let date = text.get(..10).map(str::parse::<k8s_openapi::jiff::civil::Date>);
    date.is_some_and(|date| date.is_ok())
}

/// Returns true if a schema accepts a leaf.
fn accepts(schema: &Value, value: &Value) -> bool {
    let is = |key: &str| schema[key] == true;
    let bound = |key: &str| schema[key].as_f64();
    let is_of_type = match value {
        Value::Null => return is("nullable"),
        Value::String(text) => {
            let length = text.chars().count() as f64;
            let is_long_enough = bound("minLength").is_none_or(|least| length >= least);
            let is_short_enough = bound("maxLength").is_none_or(|most| length <= most);
            let matches = || jsonschema::is_valid(&json!({"pattern": schema["pattern"]}), value);
            (is("x-kubernetes-int-or-string") || schema["type"] == "string")
                && (is_long_enough && is_short_enough)
                && (schema["format"] != "date-time" || is_date(text))
                && (schema["pattern"].is_null() || matches())
        }
        Value::Number(number) if number.is_i64() => {
            let number = number.as_f64().unwrap_or_default();
            (is("x-kubernetes-int-or-string") || schema["type"] == "integer" || schema["type"] == "number")
                && bound("minimum").is_none_or(|least| number >= least)
                && bound("maximum").is_none_or(|most| number <= most)
        }
        Value::Number(_) => schema["type"] == "number",
        Value::Bool(_) => schema["type"] == "boolean",
        Value::Array(_) => schema["type"] == "array",
        Value::Object(_) => schema["type"] == "object",
    };
    let values = schema["enum"].as_array();
    is_of_type && values.is_none_or(|values| values.contains(value))
}

/// Returns values that this schema accepts, including those that it names itself.
fn accepted(schema: &Value) -> Vec<Value> {
    thread_local! {
        /// There are many schemas and few different ones.
        static KNOWN: RefCell<HashMap<String, Vec<Value>>> = RefCell::default();
    }
    let mut bare = schema.clone();
    bare.as_object_mut().map(|fields| fields.remove("description"));
    KNOWN.with_borrow_mut(|known| {
        let found = known.entry(bare.to_string()).or_insert_with(|| {
            let own = schema["enum"].as_array().cloned().unwrap_or_default();
            let all = leaves().into_iter().chain(own);
            all.filter(|leaf| accepts(schema, leaf)).collect()
        });
        assert!(!found.is_empty(), "nothing is known that this accepts: {schema}");
        found.clone()
    })
}

/// Returns values that a schema accepts: every accepted leaf of every field is in one of them, beside the required fields.
fn each(schema: &Value) -> Vec<Value> {
    if schema[ANY] == true {
        return vec![
            json!({}),
            json!({"a": [1.5, "x", null, {"b": u64::MAX}], "$": {}, "": -1}),
        ];
    }
    let mut all = match schema["type"].as_str() {
        Some("object") if schema["properties"].is_object() => {
            let least = least(schema);
            let fields = schema["properties"].as_object().into_iter().flatten();
            let with = |(name, field): (&String, &Value)| {
                let (name, least) = (name.clone(), least.clone());
                each(field).into_iter().map(move |value| {
                    let mut object = least.clone();
                    object[&name] = value;
                    object
                })
            };
            std::iter::once(least.clone()).chain(fields.flat_map(with)).collect()
        }
        Some("object") => {
            let of = &schema["additionalProperties"];
            let values = if of.is_object() { each(of) } else { Vec::new() };
            let filled = values.into_iter().map(|value| json!({"key": value}));
            std::iter::once(json!({})).chain(filled).collect()
        }
        Some("array") => {
            let filled = each(&schema["items"]).into_iter().map(|value| json!([value]));
            std::iter::once(json!([])).chain(filled).collect()
        }
        _ => accepted(schema),
    };
    if schema["nullable"] == true && !all.contains(&Value::Null) {
        all.push(Value::Null);
    }
    all
}

/// Required fields only.
fn least(schema: &Value) -> Value {
    let required = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let fields = required.map(|name| (name.to_string(), first(&schema["properties"][name], name)));
    Value::Object(fields.collect())
}

/// A value of a field that has to be there.
fn first(schema: &Value, name: &str) -> Value {
    match schema["type"].as_str() {
        Some("object") => least(schema),
        Some("array") => json!([]),
        _ => {
            let found = accepted(schema).into_iter().find(|leaf| *leaf != Value::Null);
            found.expect(name)
        }
    }
}

/// Any value that a schema accepts: each field is there or not.
fn any(schema: &Value, rng: &mut fastrand::Rng) -> Value {
    if schema["nullable"] == true && rng.u8(..8) == 0 {
        return Value::Null;
    }
    match schema["type"].as_str() {
        Some("object") if schema["properties"].is_object() => {
            let mut object = least(schema);
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                if rng.u8(..4) == 0 {
                    object[name] = any(field, rng);
                }
            }
            object
        }
        Some("array") => (0..rng.usize(..4)).map(|_| any(&schema["items"], rng)).collect(),
        _ => {
            let all = each(schema);
            all[rng.usize(..all.len())].clone()
        }
    }
}

fn schema(kind: &str) -> &'static Value {
    static CRDS: LazyLock<Vec<Value>> = LazyLock::new(crds);
    let crd = CRDS
        .iter()
        .find(|crd| crd["spec"]["names"]["kind"] == kind)
        .expect(kind);
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Decodes an object that the schema of a kind accepts, as a watch brings it.
fn is_decoded<K: Readable>(mut object: Value) {
    object["metadata"] = json!({"name": "acme", "uid": "1", "resourceVersion": "1"});
    let read: Read<K> = serde_json::from_str(&object.to_string()).expect("an object");
    assert!(read.unread.is_empty(), "{:?} of {object}", read.unread);
}

#[test]
fn every_field_is_decoded_at_the_borders_of_what_its_schema_accepts() {
    fn check<K: Readable>(kind: &str, least: usize) {
        let all = each(schema(kind));
        assert!(all.len() > least, "{kind}: only {} values", all.len());
        all.into_iter().for_each(is_decoded::<K>);
    }
    check::<Tenant>("Tenant", 5_000);
    check::<TenantTier>("TenantTier", 5_000);
    check::<DatabaseServer>("DatabaseServer", 300);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_object_that_its_schema_accepts_is_decoded(seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        is_decoded::<Tenant>(any(schema("Tenant"), &mut rng));
        is_decoded::<TenantTier>(any(schema("TenantTier"), &mut rng));
        is_decoded::<DatabaseServer>(any(schema("DatabaseServer"), &mut rng));
    }
}

/// A schema cannot bound depth: the decoder names fields beyond its own bound, and loses nothing else.
#[test]
fn what_a_schema_cannot_bound_is_named() {
    fn unread<K: Readable>(field: &str) -> Vec<String> {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(LEVELS), "}".repeat(LEVELS));
        let object = format!(r#"{{"metadata":{{"name":"a"}},"spec":{{"tier":"gold","{field}":{deep}}}}}"#);
        let read: Read<K> = serde_json::from_str(&object).expect("an object");
        read.unread.into_iter().map(|unread| unread.field).collect()
    }
    assert_eq!(unread::<Tenant>("configuration"), ["spec.configuration"]);
    assert_eq!(
        unread::<TenantTier>("configurationSchema"),
        ["spec.configurationSchema"]
    );
}
