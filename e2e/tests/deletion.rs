//! `deletionPolicy: Delete`.

use crate::support::{Scene, TestTenant, eventually, path, pods, secs, server_workload, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const WAIT: u64 = 120;

async fn gone(scene: &Scene, namespaces: &[String]) -> Result<()> {
    eventually(&format!("{namespaces:?} to be gone"), secs(WAIT), async || {
        for namespace in namespaces {
            ensure!(
                !scene.cluster.exists(&path("namespaces", "", namespace)).await?,
                "{namespace} is there"
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn everything_goes() -> Result<()> {
    let scene = Scene::new("delete").await?;
    let tier = scene.tier(json!({})).await?;
    let spec = json!({"workloads": [server_workload("web")], "namespaces": [{"name": "more"}]});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    let namespaces = [tenant.name.clone(), format!("{}-more", tenant.name)];
    for namespace in &namespaces {
        scene
            .cluster
            .create(&path("deployments", namespace, ""), &pods::deployment("own", 1))
            .await
            .context("a Deployment")?;
    }
    pods::run(&scene.cluster, &tenant.name, "bare").await?;
    tenant.delete().await?;
    tenant.gone().await?;
    gone(&scene, &namespaces).await
}

/// A namespace that is not (or no longer) the tenant's is never deleted with it.
#[tokio::test]
async fn a_tenant_in_conflict_takes_nothing_with_it() -> Result<()> {
    let scene = Scene::new("innocent").await?;
    let foreign = scene.namespace_called(&scene.name).await?;
    let uid = scene.cluster.get(&path("namespaces", "", &foreign)).await?["metadata"]["uid"].clone();
    let tier = scene.tier(json!({})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    tenant.not_ready(&["Conflict"], &[&foreign]).await?;
    tenant.delete().await?;
    tenant.gone().await?;
    let namespace = scene.cluster.get(&path("namespaces", "", &foreign)).await?;
    ensure!(
        namespace["metadata"]["uid"] == uid && namespace["metadata"]["deletionTimestamp"].is_null(),
        "{namespace}"
    );
    Ok(())
}

/// Returns the messages of all conditions.
async fn said(tenant: &TestTenant) -> Result<String> {
    let conditions = tenant.get().await?["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    Ok(conditions
        .iter()
        .map(|c: &Value| text(&c["message"]))
        .collect::<Vec<_>>()
        .join(" | "))
}

async fn names(tenant: &TestTenant, words: &[&str]) -> Result<()> {
    eventually(&format!("{} to name {words:?}", tenant.name), secs(60), async || {
        let said = said(tenant).await?;
        for word in words {
            ensure!(said.contains(word), "it says: {said}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_blocked_namespace_is_named_and_why() -> Result<()> {
    let scene = Scene::new("blocked").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant("", &tier, json!({"namespaces": [{"name": "more"}]}))
        .await?;
    tenant.ready().await?;
    let more = format!("{}-more", tenant.name);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
                     "metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    scene
        .cluster
        .create(&path("configmaps", &more, ""), &map)
        .await
        .context("a held ConfigMap")?;
    tenant.delete().await?;
    names(&tenant, &[&more, "example.com/hold"]).await?;
    scene
        .cluster
        .patch(
            &path("configmaps", &more, "held"),
            &json!({"metadata": {"finalizers": null}}),
        )
        .await?;
    tenant.gone().await?;
    gone(&scene, &[tenant.name.clone(), more]).await
}

#[tokio::test]
async fn a_pod_that_does_not_go_is_named() -> Result<()> {
    let scene = Scene::new("held").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    tenant.ready().await?;
    let mut pod = pods::server("stubborn");
    pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let at = path("pods", &tenant.name, "stubborn");
    scene
        .cluster
        .create(&path("pods", &tenant.name, ""), &pod)
        .await
        .context("a held pod")?;
    pods::address(&scene.cluster, &tenant.name, "stubborn").await?;
    tenant.delete().await?;
    let named = names(&tenant, &["stubborn"]).await;
    let namespace = scene.cluster.get(&path("namespaces", "", &tenant.name)).await?;
    scene
        .cluster
        .patch(&at, &json!({"metadata": {"finalizers": null}}))
        .await?;
    named?;
    ensure!(
        namespace["metadata"]["deletionTimestamp"].is_null(),
        "the namespace was deleted before its pods had gone"
    );
    tenant.gone().await?;
    gone(&scene, std::slice::from_ref(&tenant.name)).await
}
