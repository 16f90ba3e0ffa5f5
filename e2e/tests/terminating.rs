//! One object is being deleted and does not go: everything that does not depend on it is looked after, and the status names what keeps it.

use crate::drift::{LIMIT, deleted};
use crate::support::{Scene, TestTenant, condition, eventually, path, secs, server_workload, shell_workload, text};
use anyhow::{Context, Result, ensure};
use serde_json::json;

const FINALIZER: &str = "example.com/hold";

async fn hold(tenant: &TestTenant, at: &str) -> Result<()> {
    let finalizers = json!({"metadata": {"finalizers": [FINALIZER]}});
    tenant.cluster.patch(at, &finalizers).await.context("hold it")?;
    tenant.cluster.delete(at).await.context("delete it")?;
    Ok(())
}

async fn release(tenant: &TestTenant, at: &str) -> Result<()> {
    let none = json!({"metadata": {"finalizers": null}});
    tenant.cluster.patch(at, &none).await.context("release it")?;
    Ok(())
}

/// Waits until a condition is not True, and names these.
async fn names(tenant: &TestTenant, kind: &str, words: &[&str]) -> Result<()> {
    eventually(&format!("{kind} to name {words:?}"), secs(30), async || {
        let object = tenant.get().await?;
        let found = condition(&object, kind).cloned().unwrap_or_default();
        let message = text(&found["message"]);
        let is_named = words.iter().all(|word| message.contains(word));
        ensure!(found["status"] == "False" && is_named, "{found}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_namespace_that_does_not_go_stops_no_other() -> Result<()> {
    let scene = Scene::new("heldns").await?;
    let tier = scene.tier(json!({})).await?;
    let spec = json!({"workloads": [server_workload("web")], "namespaces": [{"name": "dev"}]});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    let dev = format!("{}-dev", tenant.name);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": [FINALIZER]}});
    let maps = path("configmaps", &dev, "");
    scene.cluster.create(&maps, &map).await.context("a held ConfigMap")?;
    scene.cluster.delete(&path("namespaces", "", &dev)).await?;
    names(&tenant, "NamespacesReady", &[&dev, FINALIZER]).await?;

    deleted(&tenant, "networkpolicies", "tenant-operator-deny-all").await?;
    deleted(&tenant, "deployments", "web").await?;
    tenant.patch(json!({"suspend": true})).await?;
    tenant.condition("WorkloadsAvailable", "False", &["Suspended"]).await?;
    tenant.patch(json!({"suspend": false})).await?;
    release(&tenant, &path("configmaps", &dev, "held")).await?;
    tenant.ready().await?;
    Ok(())
}

#[tokio::test]
async fn an_object_that_does_not_go_stops_no_other() -> Result<()> {
    let scene = Scene::new("heldobj").await?;
    let tier = scene.tier(json!({})).await?;
    let mut shell = shell_workload("shell");
    shell["volumeClaims"] = json!([{"name": "data", "mountPath": "/data", "storage": "16Mi"}]);
    let web = server_workload("web");
    let tenant = scene.tenant("", &tier, json!({"workloads": [web, shell]})).await?;
    tenant.ready().await?;
    for (resource, name, kind) in [
        ("services", "web", "WorkloadsAvailable"),
        ("networkpolicies", "tenant-operator-deny-all", "NamespacesReady"),
    ] {
        let at = path(resource, &tenant.name, name);
        hold(&tenant, &at).await?;
        let judged = match deleted(&tenant, "deployments", "web").await {
            Ok(()) => names(&tenant, kind, &[name, FINALIZER]).await,
            result => result,
        };
        release(&tenant, &at).await?;
        judged.with_context(|| format!("while {resource}/{name} is held"))?;
        tenant.ready().await?;
    }

    // The operator's own pod keeps its claim.
    let claim = path("persistentvolumeclaims", &tenant.name, "shell-data");
    let before = scene.cluster.get(&claim).await?["metadata"]["uid"].clone();
    scene.cluster.delete(&claim).await?;
    names(&tenant, "WorkloadsAvailable", &["shell-data", "pods that use it"]).await?;
    deleted(&tenant, "deployments", "web").await?;
    for pod in tenant.pods("shell", 1).await? {
        scene.cluster.delete(&path("pods", &tenant.name, &pod)).await?;
    }
    eventually("another claim", secs(60 + LIMIT), async || {
        let now = scene.cluster.get(&claim).await?["metadata"]["uid"].clone();
        ensure!(now != before, "it is still going away");
        Ok(())
    })
    .await?;
    tenant.ready().await?;
    Ok(())
}

/// A retained namespace that carries another tool's label, and goes, keeps no tenant from its end.
#[tokio::test]
async fn a_namespace_that_the_operator_does_not_follow_keeps_no_tenant() -> Result<()> {
    let scene = Scene::new("ghost").await?;
    let tier = scene.tier(json!({})).await?;
    let spec = json!({"namespaces": [{"name": "dev"}], "deletionPolicy": "Retain"});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    let dev = format!("{}-dev", tenant.name);
    let at = path("namespaces", "", &dev);
    scene.will_leave_namespace(&dev);
    tenant.patch(json!({"namespaces": []})).await?;
    eventually("the namespace to be retained", secs(60), async || {
        let labels = scene.cluster.get(&at).await?["metadata"]["labels"].clone();
        ensure!(labels["tenant-operator.io/retained"] == "true", "{labels}");
        Ok(())
    })
    .await?;
    let helm = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}});
    scene.cluster.patch(&at, &helm).await?;
    let rival = scene.tenant_called(&dev, &tier, json!({})).await?;
    rival.not_ready(&["Conflict"], &[&dev]).await?;
    rival.delete().await?;
    rival.gone().await?;
    scene.cluster.delete(&at).await?;
    eventually("the namespace to be gone", secs(60), async || {
        ensure!(!scene.cluster.exists(&at).await?, "it is there");
        Ok(())
    })
    .await?;
    tenant.patch(json!({"deletionPolicy": "Delete"})).await?;
    tenant.delete().await?;
    tenant.gone().await
}
