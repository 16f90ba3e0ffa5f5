//! Every sample and fixture is accepted, and stored as it is written: no default is put in.

use crate::harness;
use crate::support::cluster::text;
use crate::support::path;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn documents(folder: &Path, found: &mut Vec<(PathBuf, Value)>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let file = entry?.path();
        if file.is_dir() {
            documents(&file, found)?;
        } else if file.extension().is_some_and(|e| e == "yaml") && !file.ends_with("kustomization.yaml") {
            for document in serde_yaml::Deserializer::from_str(&std::fs::read_to_string(&file)?) {
                let value = Value::deserialize(document).with_context(|| file.display().to_string())?;
                if !value.is_null() {
                    found.push((file.clone(), value));
                }
            }
        }
    }
    Ok(())
}

/// Compares values, where a number may have lost digits that a JSON number cannot hold everywhere (1.0, more than 64 bits).
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => one == other,
    }
}

#[tokio::test]
async fn they_are_stored_as_written() -> Result<()> {
    let cluster = harness::cluster().await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    documents(&root.join("config/samples"), &mut found)?;
    documents(&root.join("tests/fixtures"), &mut found)?;
    ensure!(found.len() >= 15, "only {} documents found", found.len());
    for (file, mut body) in found {
        let resource = match text(&body["kind"]).as_str() {
            "Tenant" => "tenants",
            "TenantTier" => "tenanttiers",
            "DatabaseServer" => "databaseservers",
            // Somebody else's, which a test installs.
            "CustomResourceDefinition" => continue,
            other => anyhow::bail!("{}: a {other}", file.display()),
        };
        // A name of its own: the sample may be in the cluster.
        let name = format!("dry-{}", text(&body["metadata"]["name"]));
        body["metadata"]["name"] = name.into();
        let target = path(resource, "", "") + "?dryRun=All&fieldValidation=Strict";
        let stored = cluster
            .create(&target, &body)
            .await
            .with_context(|| file.display().to_string())?;
        ensure!(
            same(&stored["spec"], &body["spec"]),
            "{}: stored as {}",
            file.display(),
            stored["spec"]
        );
    }
    Ok(())
}
