//! `TenantNamespace`.

use crate::harness;
use crate::support::{Scene, path, refused};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

fn body(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantNamespace", "metadata": {"name": name}, "spec": spec})
}

#[tokio::test]
async fn a_name_is_a_label_and_a_quota_is_one_of_quantities() -> Result<()> {
    let cluster = harness::cluster().await?;
    let scene = Scene::without_operator("tns").await?;
    let namespace = scene.namespace("ns").await?;
    let dry = path("tenantnamespaces", &namespace, "") + "?dryRun=All&fieldValidation=Strict";
    for (name, spec, word) in [
        ("a.b", json!({}), "DNS label"),
        ("a", json!({"quota": {"pods": -1}}), "spec.quota"),
        ("a", json!({"quota": {"pods": "many"}}), "spec.quota"),
        ("a", json!({"name": "b"}), "unknown field"),
    ] {
        refused(name, cluster.create(&dry, &body(name, spec)).await, &[word])?;
    }
    let missing =
        json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantNamespace", "metadata": {"name": "a"}});
    refused("no spec", cluster.create(&dry, &missing).await, &["spec"])
}

#[tokio::test]
async fn it_is_stored_as_written_where_no_policy_is_against_it() -> Result<()> {
    let cluster = harness::cluster().await?;
    let scene = Scene::without_operator("tns-dry").await?;
    let namespace = scene.namespace("ns").await?;
    let dry = path("tenantnamespaces", &namespace, "") + "?dryRun=All&fieldValidation=Strict";
    for spec in [json!({}), json!({"quota": {"pods": 3, "requests.cpu": "500m"}})] {
        match cluster.create(&dry, &body("b", spec.clone())).await {
            Ok(stored) => ensure!(stored["spec"] == spec, "{stored}"),
            // The chart's policy: this is no tenant's namespace.
            Err(kube::Error::Api(status)) if status.message.contains("first namespace of a tenant") => {}
            Err(error) => return Err(error).context("a TenantNamespace"),
        }
    }
    Ok(())
}
