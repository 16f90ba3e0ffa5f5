//! Drift: the operator reverts any change to its objects within ten seconds.

use crate::support::{Scene, TestTenant, condition, eventually, path, secs, server_workload, shell_workload, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

pub const LIMIT: u64 = 10;

/// Returns the operator's part of an object, without the cluster's additions.
pub fn said(object: &Value) -> Value {
    let mut said = object.clone();
    if let Some(map) = said.as_object_mut() {
        map.remove("status");
        map.remove("metadata");
    }
    if let Some(spec) = said["spec"].as_object_mut() {
        for given in ["clusterIP", "clusterIPs"] {
            spec.remove(given);
        }
    }
    json!({"labels": object["metadata"]["labels"], "rest": said})
}

/// The edit is undone, and the object comes back when it is deleted.
pub async fn mended(tenant: &TestTenant, resource: &str, name: &str, edit: Value) -> Result<()> {
    edited(tenant, resource, name, edit).await?;
    deleted(tenant, resource, name).await
}

pub async fn edited(tenant: &TestTenant, resource: &str, name: &str, edit: Value) -> Result<()> {
    let at = path(resource, &tenant.name, name);
    let before = tenant
        .cluster
        .get(&at)
        .await
        .with_context(|| format!("{resource}/{name}"))?;
    let patched = tenant
        .cluster
        .patch(&at, &edit)
        .await
        .with_context(|| format!("edit {resource}/{name}"))?;
    ensure!(
        said(&patched) != said(&before),
        "the edit of {resource}/{name} changed nothing: {edit}"
    );
    eventually(
        &format!("{resource}/{name} to be mended of {edit}"),
        secs(LIMIT),
        async || {
            let now = tenant.cluster.get(&at).await?;
            ensure!(said(&now) == said(&before), "it is {}", said(&now));
            Ok(())
        },
    )
    .await
}

pub async fn deleted(tenant: &TestTenant, resource: &str, name: &str) -> Result<()> {
    let at = path(resource, &tenant.name, name);
    let before = tenant
        .cluster
        .get(&at)
        .await
        .with_context(|| format!("{resource}/{name}"))?;
    tenant
        .cluster
        .delete(&at)
        .await
        .with_context(|| format!("delete {resource}/{name}"))?;
    eventually(
        &format!("{resource}/{name} to be made again"),
        secs(LIMIT),
        async || {
            let now = tenant.cluster.get(&at).await?;
            ensure!(
                now["metadata"]["uid"] != before["metadata"]["uid"],
                "it is still going away"
            );
            ensure!(said(&now) == said(&before), "it is {}", said(&now));
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn of_workloads() -> Result<()> {
    let scene = Scene::new("drift").await?;
    let tier = scene.tier(json!({})).await?;
    let mut web = server_workload("web");
    web["replicas"] = json!(2);
    let mut scaled = server_workload("scaled");
    scaled["autoscaling"] = json!({"maxReplicas": 2});
    let tenant = scene
        .tenant(
            "",
            &tier,
            json!({"workloads": [web, scaled], "configuration": {"a": 1}}),
        )
        .await?;
    tenant.ready().await?;

    let container = tenant.cluster.get(&path("deployments", &tenant.name, "web")).await?;
    let container = container["spec"]["template"]["spec"]["containers"][0].clone();
    let mut sidecar = container.clone();
    sidecar["name"] = json!("sidecar");
    let mut other = container.clone();
    other["image"] = json!("other:1");
    let template = |spec: Value| json!({"spec": {"template": {"spec": spec}}});
    let label = json!({"spec": {"template": {"metadata": {"labels": {"added": "by-hand"}}}}});
    for edit in [
        json!({"spec": {"replicas": 0}}),
        template(json!({"containers": [container, sidecar]})),
        template(json!({"containers": [other]})),
        template(json!({"automountServiceAccountToken": true})),
        label,
        json!({"metadata": {"labels": {"tenant-operator.io/tenant-id": "another"}}}),
    ] {
        edited(&tenant, "deployments", "web", edit).await?;
    }
    deleted(&tenant, "deployments", "web").await?;
    let service = json!({"spec": {"selector": {"app": "another"}}});
    mended(&tenant, "services", "web", service).await?;
    let port = json!({"spec": {"ports": [{"name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP"},
                                         {"name": "more", "port": 9, "targetPort": 9, "protocol": "TCP"}]}});
    edited(&tenant, "services", "web", port).await?;
    mended(
        &tenant,
        "serviceaccounts",
        "web",
        json!({"automountServiceAccountToken": true}),
    )
    .await?;
    mended(
        &tenant,
        "poddisruptionbudgets",
        "web",
        json!({"spec": {"minAvailable": null, "maxUnavailable": "100%"}}),
    )
    .await?;
    mended(
        &tenant,
        "horizontalpodautoscalers",
        "scaled",
        json!({"spec": {"maxReplicas": 9}}),
    )
    .await?;
    let file = json!({"data": {"configuration.json": "{}", "more": "x"}});
    mended(&tenant, "configmaps", "tenant-configuration", file).await?;
    // Kubernetes never takes this back: the operator replaces the ConfigMap.
    edited(
        &tenant,
        "configmaps",
        "tenant-configuration",
        json!({"immutable": true}),
    )
    .await?;
    tenant.ready().await?;
    Ok(())
}

#[tokio::test]
async fn a_claim_that_was_grown_stays_and_is_shown() -> Result<()> {
    let scene = Scene::new("grown").await?;
    let tier = scene.tier(json!({})).await?;
    let (class, volume) = (format!("{}-class", scene.name), format!("{}-volume", scene.name));
    let objects = [
        (
            "storageclasses",
            &class,
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "kubernetes.io/no-provisioner",
            "allowVolumeExpansion": true, "volumeBindingMode": "Immediate"}),
        ),
        (
            "persistentvolumes",
            &volume,
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "spec": {
            "capacity": {"storage": "32Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": class, "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": scene.name, "name": "shell-data"}, "hostPath": {"path": "/tmp", "type": "Directory"}}}),
        ),
    ];
    for (resource, name, mut body) in objects {
        body["metadata"] = json!({"name": name});
        scene.will_leave(&path(resource, "", name));
        scene
            .cluster
            .create(&path(resource, "", ""), &body)
            .await
            .context(resource)?;
    }
    let mut shell = shell_workload("shell");
    shell["volumeClaims"] =
        json!([{"name": "data", "mountPath": "/data", "storage": "16Mi", "storageClassName": class}]);
    let tenant = scene.tenant("", &tier, json!({"workloads": [shell]})).await?;
    tenant.ready().await?;

    let at = path("persistentvolumeclaims", &tenant.name, "shell-data");
    let size = json!({"spec": {"resources": {"requests": {"storage": "32Mi"}}}});
    tenant.cluster.patch(&at, &size).await.context("grow the claim")?;
    let told = tenant.condition("WorkloadsAvailable", "True", &["ClaimKept"]).await?;
    let message = text(&condition(&told, "WorkloadsAvailable").cloned().unwrap_or_default()["message"]);
    ensure!(message.contains("claim shell-data has 32Mi and keeps it"), "{message}");
    // It keeps what else is the operator's.
    let strip = json!({"metadata": {"labels": {"tenant-operator.io/tenant-id": null}}});
    edited(&tenant, "persistentvolumeclaims", "shell-data", strip).await?;
    let claim = tenant.cluster.get(&at).await?;
    ensure!(claim["spec"]["resources"]["requests"]["storage"] == "32Mi", "{claim}");
    tenant.ready().await?;
    Ok(())
}

#[tokio::test]
async fn a_claim_keeps_its_marks() -> Result<()> {
    let scene = Scene::new("driftpvc").await?;
    let tier = scene.tier(json!({})).await?;
    let mut shell = shell_workload("shell");
    shell["volumeClaims"] = json!([{"name": "data", "mountPath": "/data", "storage": "16Mi"}]);
    let tenant = scene.tenant("", &tier, json!({"workloads": [shell]})).await?;
    tenant.ready().await?;
    let strip =
        json!({"metadata": {"labels": {"tenant-operator.io/tenant-id": null, "tenant-operator.io/tenant": null}}});
    edited(&tenant, "persistentvolumeclaims", "shell-data", strip).await
}

#[tokio::test]
async fn of_the_view() -> Result<()> {
    let scene = Scene::new("driftview").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene.tenant("", &tier, json!({"displayName": "Right"})).await?;
    tenant.ready().await?;
    let at = path("tenantviews", &tenant.name, &tenant.name);
    for broken in [Some(json!({"status": {"displayName": "Wrong"}})), None] {
        match broken {
            Some(edit) => tenant.cluster.patch(&at, &edit).await,
            None => tenant.cluster.delete(&at).await,
        }
        .context("spoil the view")?;
        eventually("the view to be right again", secs(LIMIT), async || {
            let view = tenant.cluster.get(&at).await?;
            ensure!(
                text(&view["status"]["displayName"]) == "Right",
                "it says {}",
                view["status"]
            );
            Ok(())
        })
        .await?;
    }
    Ok(())
}
