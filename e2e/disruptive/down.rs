//! Without the operator, tenants run and the cluster works.

use crate::settled_tenants;
use crate::support::{Scene, eventually, operator, path, pods, secs, server_workload};
use anyhow::{Context, Result, ensure};
use serde_json::json;

async fn meanwhile(scene: &Scene) -> Result<()> {
    let tenants = settled_tenants(scene).await?;
    operator::scale(&scene.cluster, 0).await?;
    for tenant in &tenants {
        tenant.pods("web", 1).await?;
    }
    let name = &tenants[0].name;
    // What an administrator breaks meanwhile is put right later.
    let (namespace, policy) = (
        path("namespaces", "", name),
        path("networkpolicies", name, "tenant-operator-deny-all"),
    );
    let enforce = "pod-security.kubernetes.io/enforce";
    let lowered = json!({"metadata": {"labels": {enforce: "baseline", "tenant-operator.io/isolation": "SharedData"}}});
    scene
        .cluster
        .patch(&namespace, &lowered)
        .await
        .context("lower Pod Security")?;
    scene.cluster.delete(&policy).await.context("delete a policy")?;
    let owner = scene.cluster.impersonate(&scene.name, &["system:authenticated"])?;
    let own = pods::deployment("own", 1);
    owner
        .create(&path("deployments", name, ""), &own)
        .await
        .context("an owner's Deployment")?;
    let web = scene.cluster.names(&path("pods", name, "")).await?;
    scene
        .cluster
        .delete(&path("pods", name, &web[0]))
        .await
        .context("delete a pod")?;
    let plain = scene.namespace("plain").await?;
    pods::run(&scene.cluster, &plain, "pod").await?;
    let (_, cells) = scene.cluster.table(&path("tenants", "", ""), name).await?;
    ensure!(cells[3] == "True", "{cells:?}");
    // What is asked for now is done later.
    let tier = scene.tier(json!({})).await?;
    let late = scene
        .tenant("late", &tier, json!({"workloads": [server_workload("web")]}))
        .await?;
    tenants[1].delete().await?;
    operator::scale(&scene.cluster, 1).await?;
    late.ready().await?;
    tenants[1].gone().await?;
    tenants[0].pods("web", 1).await?;
    eventually("what was broken to be put right", secs(30), async || {
        let labels = scene.cluster.get(&namespace).await?["metadata"]["labels"].clone();
        let is = |key: &str, value: &str| labels[key] == value;
        ensure!(
            is(enforce, "restricted") && is("tenant-operator.io/isolation", "DedicatedApplication"),
            "{labels}"
        );
        ensure!(scene.cluster.exists(&policy).await?, "the policy is not back");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn tenants_run_on_and_changes_are_made_up_for() -> Result<()> {
    let scene = Scene::new("down").await?;
    let outcome = meanwhile(&scene).await;
    operator::scale(&scene.cluster, 1).await?;
    outcome
}
