//! No tenant takes more than its quota.

use crate::support::{
    Scene, TestTenant, condition, eventually, meanwhile, path, pods, refused, secs, server_workload, summary, text,
};
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

/// Counts the pods of a tenant's two namespaces that its quota counts.
async fn pods_of(scene: &Scene, tenant: &TestTenant) -> Result<usize> {
    // One list, so that all are of the same moment. A quota counts no pod that has ended and is only not gone yet.
    let pods = scene.cluster.list(&path("pods", "", "")).await?;
    let of_tenant = |pod: &&Value| {
        let namespace = text(&pod["metadata"]["namespace"]);
        namespace == tenant.name || namespace == format!("{}-more", tenant.name)
    };
    let has_ended = |pod: &&Value| ["Succeeded", "Failed"].contains(&text(&pod["status"]["phase"]).as_str());
    Ok(pods.iter().filter(of_tenant).filter(|pod| !has_ended(pod)).count())
}

#[tokio::test]
async fn a_namespace_grows_by_what_the_others_release() -> Result<()> {
    let scene = Scene::new("release").await?;
    let tier = scene.tier(json!({"quota": {"pods": 6}})).await?;
    let web = |replicas: u32| {
        let mut web = server_workload("web");
        web["replicas"] = json!(replicas);
        json!([web])
    };
    let tenant = scene.tenant("", &tier, json!({"workloads": web(6)})).await?;
    tenant.ready().await?;

    tenant.patch(json!({"namespaces": [{"name": "more"}]})).await?;
    let words = |told: &Value, kind: &str| text(&condition(told, kind).cloned().unwrap_or_default()["message"]);
    let told = tenant
        .condition("QuotaGranted", "False", &["WaitingForRelease"])
        .await?;
    let message = words(&told, "QuotaGranted");
    for part in [
        format!("pods: namespace {} uses 6 of its share of 3", tenant.name),
        format!("namespace {}-more waits with 0 of 3", tenant.name),
    ] {
        ensure!(message.contains(&part), "no {part:?} in: {message}");
    }
    ensure!(
        condition(&told, "Ready")
            .is_some_and(|ready| ready["status"] == "False" && ready["reason"] == "QuotaNotGranted"),
        "{}",
        summary(&told)
    );
    // All six run, and do not fit.
    let message = words(&told, "WorkloadsAvailable");
    ensure!(message.contains("pods: 6 of 3 (web 6)"), "{message}");

    // From now on the new namespace asks for all that it may have once.
    let more = format!("{}-more", tenant.name);
    let own = pods::deployment("own", 4);
    scene
        .cluster
        .create(&path("deployments", &more, ""), &own)
        .await
        .context("a Deployment in the new namespace")?;
    eventually("its pods to be refused", secs(30), async || {
        let own = scene.cluster.get(&path("deployments", &more, "own")).await?;
        ensure!(
            own["status"]["conditions"].to_string().contains("exceeded quota"),
            "{}",
            own["status"]
        );
        Ok(())
    })
    .await?;
    ensure!(pods_of(&scene, &tenant).await? == 6, "more than was granted");

    tenant.patch(json!({"workloads": web(3)})).await?;
    let granted = async {
        tenant.condition("QuotaGranted", "True", &["Ready"]).await?;
        let at = path("resourcequotas", &more, "tenant");
        eventually("the share to be used", secs(60), async || {
            let quota = scene.cluster.get(&at).await?;
            ensure!(
                quota["status"]["used"]["pods"] == "3" && quota["status"]["hard"]["pods"] == "3",
                "{}",
                quota["status"]
            );
            Ok(())
        })
        .await
    };
    meanwhile(granted, async || {
        let count = pods_of(&scene, &tenant).await?;
        ensure!(count <= 6, "{count} pods of 6");
        Ok(())
    })
    .await?;
    tenant.ready().await?;
    Ok(())
}

#[tokio::test]
async fn a_quota_below_its_use_says_so() -> Result<()> {
    let scene = Scene::new("below").await?;
    let tier = scene.tier(json!({})).await?;
    let mut web = server_workload("web");
    web["replicas"] = json!(2);
    let tenant = scene.tenant("", &tier, json!({"workloads": [web]})).await?;
    tenant.ready().await?;
    tenant.patch(json!({"quota": {"pods": 1}})).await?;
    let told = tenant.condition("QuotaGranted", "True", &["UsedAboveQuota"]).await?;
    let message = text(&condition(&told, "QuotaGranted").cloned().unwrap_or_default()["message"]);
    ensure!(message.contains("uses 2 of its share of 1"), "{message}");
    tenant
        .condition("WorkloadsAvailable", "True", &["QuotaTooSmall"])
        .await?;
    tenant.pods("web", 2).await?;
    tenant.patch(json!({"quota": null})).await?;
    tenant.condition("QuotaGranted", "True", &["Ready"]).await?;
    Ok(())
}
