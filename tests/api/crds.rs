//! The CRDs themselves.

use crate::harness;
use crate::support::cluster::text;
use crate::support::path;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;

#[test]
fn the_files_are_what_the_types_say() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let crds = tenant_operator::api::crds();
    for crd in &crds {
        let file = folder.join(format!(
            "tenant-operator.io_{}.yaml",
            text(&crd["spec"]["names"]["plural"])
        ));
        let read = std::fs::read_to_string(&file).with_context(|| format!("{} (make manifests)", file.display()))?;
        let stored: Value = serde_yaml::from_str(&read)?;
        ensure!(
            stored == *crd,
            "{} is not what the types say: make manifests",
            file.display()
        );
    }
    let files = std::fs::read_dir(&folder)?.filter_map(|f| f.ok()?.file_name().into_string().ok());
    let files: Vec<_> = files.filter(|f| f.ends_with(".yaml")).collect();
    ensure!(
        files.len() == crds.len(),
        "crds/ holds more than the types say: {files:?}"
    );
    Ok(())
}

/// A default in a spec would be drift for a GitOps tool.
#[test]
fn no_schema_has_a_default() -> Result<()> {
    fn look(value: &Value, at: &str, properties: bool) -> Result<()> {
        if let Value::Object(map) = value {
            ensure!(properties || !map.contains_key("default"), "{at} has a default");
            for (key, value) in map {
                look(value, &format!("{at}.{key}"), key == "properties" && !properties)?;
            }
        } else if let Value::Array(items) = value {
            items.iter().try_for_each(|item| look(item, at, false))?;
        }
        Ok(())
    }
    for crd in tenant_operator::api::crds() {
        look(&crd["spec"]["versions"], &text(&crd["metadata"]["name"]), false)?;
    }
    Ok(())
}

#[tokio::test]
async fn they_are_accepted_without_a_complaint() -> Result<()> {
    let cluster = harness::cluster().await?;
    for crd in tenant_operator::api::crds() {
        let name = text(&crd["metadata"]["name"]);
        let stored = cluster.get(&path("customresourcedefinitions", "", &name)).await?;
        let conditions = stored["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let of = |kind: &str| {
            conditions
                .iter()
                .find(|c| c["type"] == kind)
                .map(|c| text(&c["status"]))
        };
        ensure!(of("NamesAccepted").as_deref() == Some("True"), "{name}: {conditions:?}");
        ensure!(
            of("NonStructuralSchema").is_none_or(|s| s == "False"),
            "{name}: {conditions:?}"
        );
    }
    Ok(())
}
