//! Killed before, during or after any write, the operator comes to the same end.

use crate::database::Databases;
use crate::leadership::kill;
use crate::support::{Scene, eventually, operator, path, secs, server_workload, text};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;

async fn kill_again_and_again(scene: &Scene, times: u64) -> Result<()> {
    let mut killed = Vec::new();
    for round in 0..times {
        // Moments that differ, so that the blow falls between other writes.
        tokio::time::sleep(Duration::from_millis(150 + 370 * round)).await;
        let container = eventually("a pod of the operator to kill", secs(90), async || {
            let pods = operator::pods(&scene.cluster).await?;
            ensure!(!pods.is_empty(), "there is none");
            let pod = scene.cluster.get(&path("pods", operator::NAMESPACE, &pods[0])).await?;
            let running = !pod["status"]["containerStatuses"][0]["state"]["running"].is_null();
            ensure!(running, "it is not running: {}", pod["status"]["containerStatuses"]);
            kill(&scene.cluster, &pods[0]).await
        })
        .await?;
        killed.push(container);
    }
    // The Deployment may not have noticed yet.
    eventually("the operator to be up again", secs(120), async || {
        let pods = operator::pods(&scene.cluster).await?;
        ensure!(!pods.is_empty(), "there is no pod");
        for pod in &pods {
            let pod = scene.cluster.get(&path("pods", operator::NAMESPACE, pod)).await?;
            let container = &pod["status"]["containerStatuses"][0];
            let is_new = !killed.contains(&text(&container["containerID"]));
            ensure!(is_new && container["ready"] == true, "its container is {container}");
        }
        Ok(())
    })
    .await
}

/// Killed while it makes five tenants and ten with databases, and while it deletes the five and renews the ten's credentials.
#[tokio::test]
async fn tenants_and_databases_survive_kills() -> Result<()> {
    let scene = Scene::new("crash").await?;
    operator::renew(&scene.cluster).await?;
    let tier = scene.tier(json!({})).await?;
    let spec = json!({"namespaces": [{"name": "more"}], "workloads": [server_workload("web")],
                      "owners": [{"kind": "User", "name": scene.name, "role": "Admin"}]});
    let mut tenants = Vec::new();
    for number in 0..5 {
        tenants.push(scene.tenant(&number.to_string(), &tier, spec.clone()).await?);
    }
    let mut databases = Databases::asked_for(&scene).await?;
    kill_again_and_again(&scene, 3).await?;
    operator::available(&scene.cluster).await?;
    for tenant in &tenants {
        tenant.ready().await?;
        tenant.pods("web", 1).await?;
    }
    if let Some(databases) = &mut databases {
        databases.are_made().await?;
    }
    operator::renew(&scene.cluster).await?;
    if let Some(databases) = &databases {
        databases.are_to_be_renewed().await?;
    }
    for tenant in &tenants {
        tenant.delete().await?;
    }
    kill_again_and_again(&scene, 2).await?;
    operator::available(&scene.cluster).await?;
    for tenant in &tenants {
        tenant.gone().await?;
        for namespace in [tenant.name.clone(), format!("{}-more", tenant.name)] {
            ensure!(
                !scene.cluster.exists(&path("namespaces", "", &namespace)).await?,
                "{namespace} is left"
            );
        }
    }
    match databases {
        Some(databases) => databases.are_renewed(&scene).await,
        None => Ok(()),
    }
}
