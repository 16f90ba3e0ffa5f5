//! `DedicatedNodes`: on a node that KWOK plays, set aside for one tenant.

use crate::support::{Scene, eventually, path, pods, refused, secs, server_workload, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

pub const KEY: &str = "tenant-operator.io/tenant";

pub fn taint(tenant: &str) -> Value {
    json!([{"key": KEY, "value": tenant, "effect": "NoSchedule"}])
}

#[tokio::test]
async fn its_pods_also_those_it_makes_itself_run_on_its_nodes() -> Result<()> {
    let scene = Scene::new("nodes").await?;
    let test = "its_pods_also_those_it_makes_itself_run_on_its_nodes";
    let Some(node) = scene.node(test, json!({KEY: scene.name}), taint(&scene.name)).await? else {
        return Ok(());
    };
    let tier = scene.tier(json!({})).await?;
    let mut web = server_workload("web");
    web["replicas"] = json!(3);
    let spec = json!({"isolation": {"model": "DedicatedNodes"}, "workloads": [web]});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;

    let on = async |name: &str| -> Result<Value> {
        let pod = scene.cluster.get(&path("pods", &tenant.name, name)).await?;
        let place = text(&pod["spec"]["nodeName"]);
        ensure!(place == node, "{name} is on {place:?}");
        Ok(pod)
    };
    for pod in tenant.pods("web", 3).await? {
        let pod = on(&pod).await?;
        let affinity = pod["spec"]["affinity"]["nodeAffinity"].to_string();
        let selector = text(&pod["spec"]["nodeSelector"][KEY]);
        ensure!(
            selector == tenant.name || affinity.contains(KEY),
            "neither selector nor affinity: {}",
            pod["spec"]
        );
    }
    scene
        .cluster
        .create(&path("pods", &tenant.name, ""), &pods::server("own"))
        .await
        .context("a pod of its own")?;
    eventually("its own pod to be placed", secs(20), async || {
        on("own").await.map(|_| ())
    })
    .await?;

    let mut elsewhere = pods::server("elsewhere");
    elsewhere["spec"]["nodeSelector"] = json!({KEY: "another"});
    refused(
        "another's nodes",
        scene.cluster.create(&path("pods", &tenant.name, ""), &elsewhere).await,
        &["select"],
    )?;
    let mut named = pods::server("named");
    named["spec"]["nodeName"] = json!(node);
    refused(
        "a node by name",
        scene.cluster.create(&path("pods", &tenant.name, ""), &named).await,
        &["nodeName"],
    )
}

#[tokio::test]
async fn without_a_node_it_waits_and_says_so() -> Result<()> {
    let scene = Scene::new("nonode").await?;
    let tier = scene.tier(json!({})).await?;
    let spec = json!({"isolation": {"model": "DedicatedNodes"}, "workloads": [server_workload("web")]});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.condition("NamespacesReady", "True", &[]).await?;
    tenant.not_ready(&[], &["web"]).await?;
    Ok(())
}
