//! Without the operator, tenants run and the cluster works.

use crate::settled_tenants;
use crate::support::{Scene, operator, path, pods, server_workload};
use anyhow::{Context, Result, ensure};
use serde_json::json;

async fn meanwhile(scene: &Scene) -> Result<()> {
    let tenants = settled_tenants(scene).await?;
    operator::scale(&scene.cluster, 0).await?;
    for tenant in &tenants {
        tenant.pods("web", 1).await?;
    }
    let name = &tenants[0].name;
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
    Ok(())
}

#[tokio::test]
async fn tenants_run_on_and_changes_are_made_up_for() -> Result<()> {
    let scene = Scene::new("down").await?;
    let outcome = meanwhile(&scene).await;
    operator::scale(&scene.cluster, 1).await?;
    outcome
}
