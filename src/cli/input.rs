//! Resources from YAML files or standard input.

use crate::api::{DatabaseServer, Tenant, TenantTier};
use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;
use std::io::Read;

/// Resources from the input.
#[derive(Default)]
pub struct Resources {
    pub tenants: Vec<Tenant>,
    pub tiers: Vec<TenantTier>,
    pub servers: Vec<DatabaseServer>,
}

/// Reads every document of every file; `-` is standard input.
///
/// # Errors
/// A file that cannot be read, YAML that is malformed, a field that no resource of ours has, another kind.
pub fn read(files: &[String]) -> anyhow::Result<Resources> {
    let mut resources = Resources::default();
    for file in files {
        let text = match file.as_str() {
            "-" => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .context("cannot read standard input")?;
                text
            }
            path => std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?,
        };
        parse(&text, &mut resources).with_context(|| file.clone())?;
    }
    Ok(resources)
}

fn parse(text: &str, resources: &mut Resources) -> anyhow::Result<()> {
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document)?;
        let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        match (field("apiVersion").as_str(), field("kind").as_str()) {
            ("tenant-operator.io/v1alpha1", "Tenant") => resources.tenants.push(typed(value)?),
            ("tenant-operator.io/v1alpha1", "TenantTier") => resources.tiers.push(typed(value)?),
            ("tenant-operator.io/v1alpha1", "DatabaseServer") => resources.servers.push(typed(value)?),
            _ if value.is_null() => {}
            (version, kind) => {
                bail!("{version} {kind} is no Tenant, TenantTier or DatabaseServer of tenant-operator.io/v1alpha1")
            }
        }
    }
    Ok(())
}

/// A field that is not understood is an error: an API server would drop it without a word.
fn typed<T: serde::de::DeserializeOwned + serde::Serialize>(value: Value) -> anyhow::Result<T> {
    let typed: T = serde_json::from_value(value.clone())?;
    let known = serde_json::to_value(&typed)?;
    if let Some(path) = unknown(&value, &known, String::new()) {
        bail!("{path}: unknown field");
    }
    Ok(typed)
}

fn unknown(given: &Value, known: &Value, path: String) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.iter().find_map(|(key, value)| {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            match known.get(key) {
                Some(known) => unknown(value, known, path),
                None if matches!(value, Value::Null) || is_empty(value) => None,
                None => Some(path),
            }
        }),
        (Value::Array(given), Value::Array(known)) => given
            .iter()
            .zip(known)
            .enumerate()
            .find_map(|(i, (given, known))| unknown(given, known, format!("{path}[{i}]"))),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}
