//! Suspend and resume.

use crate::support::{Scene, eventually, path, pods, secs, server_workload, shell_workload, text};
use anyhow::{Context, Result, ensure};
use serde_json::json;

#[tokio::test]
async fn everything_stops_and_the_data_stays() -> Result<()> {
    let scene = Scene::new("suspend").await?;
    let tier = scene.tier(json!({})).await?;
    let mut web = server_workload("web");
    web["replicas"] = json!(2);
    let mut shell = shell_workload("shell");
    shell["volumeClaims"] = json!([{"name": "data", "mountPath": "/data", "storage": "16Mi"}]);
    let spec = json!({"workloads": [web, shell], "namespaces": [{"name": "more"}], "configuration": {"a": 1}});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    let namespaces = [tenant.name.clone(), format!("{}-more", tenant.name)];
    for namespace in &namespaces {
        let own = pods::deployment("own", 1);
        scene
            .cluster
            .create(&path("deployments", namespace, ""), &own)
            .await
            .context("the tenant's own Deployment")?;
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"a": "b"}});
        scene
            .cluster
            .create(&path("configmaps", namespace, ""), &map)
            .await
            .context("the tenant's own ConfigMap")?;
    }
    pods::run(&scene.cluster, &tenant.name, "bare").await?;
    let claim = path("persistentvolumeclaims", &tenant.name, "shell-data");
    let uid = scene.cluster.get(&claim).await?["metadata"]["uid"].clone();

    tenant.patch(json!({"suspend": true})).await?;
    tenant.condition("Ready", "True", &["Suspended"]).await?;
    for namespace in &namespaces {
        let quota = scene.cluster.get(&path("resourcequotas", namespace, "tenant")).await?;
        ensure!(
            text(&quota["spec"]["hard"]["pods"]) == "0" || quota["spec"]["hard"]["pods"] == 0,
            "{quota}"
        );
        let left = scene.cluster.names(&path("pods", namespace, "")).await?;
        ensure!(left.is_empty(), "Suspended, and yet there are {left:?} in {namespace}");
        for (resource, name) in [("deployments", "own"), ("configmaps", "own")] {
            ensure!(
                scene.cluster.exists(&path(resource, namespace, name)).await?,
                "{resource} {name} is gone"
            );
        }
    }
    ensure!(
        scene.cluster.get(&claim).await?["metadata"]["uid"] == uid,
        "the claim is another one"
    );
    ensure!(
        scene
            .cluster
            .exists(&path("configmaps", &tenant.name, "tenant-configuration"))
            .await?,
        "no configuration"
    );
    eventually("no pod to be counted", secs(60), async || {
        let usage = tenant.get().await?["status"]["usage"].clone();
        ensure!(usage["pods"].as_i64().unwrap_or(0) == 0, "usage is {usage}");
        Ok(())
    })
    .await?;

    tenant.patch(json!({"suspend": null})).await?;
    tenant.condition("Ready", "True", &["Ready"]).await?;
    tenant.pods("web", 2).await?;
    tenant.pods("shell", 1).await?;
    ensure!(
        scene.cluster.get(&claim).await?["metadata"]["uid"] == uid,
        "the claim is another one"
    );
    // Kubernetes' own controllers try again after ever longer pauses.
    eventually("the tenant's own pods to come back", secs(150), async || {
        let own = scene.cluster.get(&path("deployments", &tenant.name, "own")).await?;
        ensure!(own["status"]["readyReplicas"] == 1, "{}", own["status"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_tenant_can_be_born_suspended() -> Result<()> {
    let scene = Scene::new("asleep").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant(
            "",
            &tier,
            json!({"suspend": true, "workloads": [server_workload("web")]}),
        )
        .await?;
    tenant.condition("Ready", "True", &["Suspended"]).await?;
    let deployment = scene.cluster.get(&path("deployments", &tenant.name, "web")).await;
    if let Ok(deployment) = deployment {
        ensure!(deployment["spec"]["replicas"] == 0, "{deployment}");
    }
    tenant.patch(json!({"suspend": false})).await?;
    tenant.condition("Ready", "True", &["Ready"]).await?;
    tenant.pods("web", 1).await?;
    Ok(())
}
