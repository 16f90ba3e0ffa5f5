//! No tenant takes more than its quota.

use crate::support::{Scene, path, pods, refused};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

#[tokio::test]
async fn what_exceeds_the_quota_is_refused_with_the_reason() -> Result<()> {
    let scene = Scene::new("quota").await?;
    let types = json!({"allowed": {"serviceTypes": ["NodePort", "LoadBalancer"]}});
    let tier = scene.tier(types).await?;
    let tenant = scene
        .tenant("", &tier, json!({"quota": {"pods": 2, "persistentvolumeclaims": 0}}))
        .await?;
    tenant.ready().await?;
    let to = |resource: &str| path(resource, &tenant.name, "");
    let words = ["exceeded quota: tenant"];

    let mut large = pods::server("large");
    large["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "3"}, "limits": {"cpu": "3"}});
    refused(
        "3 CPU of 2",
        scene.cluster.create(&to("pods"), &large).await,
        &[words[0], "requests.cpu"],
    )?;

    scene
        .cluster
        .create(&to("pods"), &pods::server("one"))
        .await
        .context("the first pod")?;
    scene
        .cluster
        .create(&to("pods"), &pods::server("two"))
        .await
        .context("the second pod")?;
    refused(
        "the third pod",
        scene.cluster.create(&to("pods"), &pods::server("three")).await,
        &[words[0], "pods"],
    )?;

    let service = |kind: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": kind.to_lowercase()},
        "spec": {"type": kind, "ports": [{"port": 80}]}})
    };
    // Their types are allowed here; that there may be none is the quota's to say.
    for kind in ["NodePort", "LoadBalancer"] {
        refused(
            kind,
            scene.cluster.create(&to("services"), &service(kind)).await,
            &words,
        )?;
    }
    scene
        .cluster
        .create(&to("services"), &service("ClusterIP"))
        .await
        .context("a plain Service")?;

    let claim: Value = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}});
    refused(
        "a claim",
        scene.cluster.create(&to("persistentvolumeclaims"), &claim).await,
        &words,
    )
}

#[tokio::test]
async fn a_container_that_asks_for_nothing_gets_the_defaults() -> Result<()> {
    let scene = Scene::new("defaults").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    tenant.ready().await?;
    let pod = scene
        .cluster
        .create(&path("pods", &tenant.name, ""), &pods::server("plain"))
        .await
        .context("a pod")?;
    let resources = &pod["spec"]["containers"][0]["resources"];
    ensure!(
        resources["requests"]["cpu"] == "5m" && resources["limits"]["memory"] == "128Mi",
        "{resources}"
    );
    Ok(())
}
