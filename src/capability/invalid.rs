//! Reasons why a Tenant cannot be made real, and parsers of what is written in a spec.

use crate::api::ResourceList;
use crate::quantity::{Amount, Unit};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Amounts by the keys of a quota.
pub type Amounts = BTreeMap<String, Amount>;

/// The longest field or message of a reason, in bytes.
pub const MAX_REASON: usize = 400;

/// One reason why a Tenant cannot be made real.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Invalid {
    /// The path of the field, such as `spec.quota.pods`.
    pub field: String,
    /// The fault, and a remedy.
    pub message: String,
}

impl Invalid {
    /// Texts are cut, so that one reason cannot crowd out the others.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        let cut = |mut text: String| {
            text.truncate(text.floor_char_boundary(MAX_REASON));
            text
        };
        Self {
            field: cut(field.into()),
            message: cut(message.into()),
        }
    }
}

/// Parses a duration of a spec.
pub fn duration(field: &str, text: &str, errors: &mut Vec<Invalid>) -> Option<Duration> {
    let parsed = text
        .parse::<kube::core::Duration>()
        .ok()
        .filter(|time| !time.is_negative());
    if parsed.is_none() {
        errors.push(Invalid::new(
            field,
            format!("{text:.40} is not a duration such as 24h or 1m30s"),
        ));
    }
    parsed.map(Duration::from)
}

/// Parses a map of quantities; each fault names its own field.
pub fn amounts(list: &ResourceList, field: &str, errors: &mut Vec<Invalid>) -> Amounts {
    let mut amounts = Amounts::new();
    for (key, quantity) in list {
        let at = format!("{field}.{key:.100}");
        match Amount::parse(&quantity.0) {
            Err(reason) => errors.push(Invalid::new(at, format!("{:.40} {reason}", quantity.0))),
            Ok(amount) if amount.is_negative() => errors.push(Invalid::new(at, "must not be below zero")),
            Ok(amount) if !amount.is_whole() && Unit::of(key) != Unit::Milli => {
                errors.push(Invalid::new(at, "must be a whole number"));
            }
            Ok(amount) => {
                amounts.insert(key.clone(), amount);
            }
        }
    }
    amounts
}

/// The amounts as a spec has them.
pub fn resource_list(amounts: &Amounts) -> ResourceList {
    amounts
        .iter()
        .map(|(key, amount)| (key.clone(), Quantity(amount.to_string())))
        .collect()
}

/// The value as compact JSON with its keys in order.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            let fields: Vec<String> = sorted
                .iter()
                .map(|(k, v)| format!("{}:{}", Value::String((*k).clone()), canonical(v)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}
