//! Workloads that only Kubernetes itself refuses.

use crate::support::scene::lay_over;
use crate::support::{Scene, kubectl, server_workload, shell_workload, text};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

#[tokio::test]
async fn what_kubernetes_refuses_is_told_and_what_runs_goes_on() -> Result<()> {
    let scene = Scene::new("refused").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant("", &tier, json!({"workloads": [server_workload("web")]}))
        .await?;
    tenant.ready().await?;
    let running = tenant.pods("web", 1).await?;
    let changed = |fields: Value| {
        let mut web = server_workload("web");
        lay_over(&mut web, fields);
        json!({"workloads": [web]})
    };
    for (what, spec, word) in [
        (
            "the name of a variable",
            changed(json!({"env": [{"name": "A=B", "value": "1"}]})),
            "env",
        ),
        ("an image", changed(json!({"image": " spaced out "})), "image"),
        (
            "a mount of nothing",
            changed(json!({"volumeMounts": [{"name": "none", "mountPath": "/x"}]})),
            "volumeMounts",
        ),
        (
            "a request beyond the limit",
            changed(json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})),
            "cpu",
        ),
    ] {
        tenant.patch(spec).await?;
        tenant.not_ready(&[], &[word]).await.map_err(|e| e.context(what))?;
        ensure!(
            tenant.pods("web", 1).await? == running,
            "{what}: what ran was disturbed"
        );
    }
    tenant.patch(json!({"workloads": [server_workload("web")]})).await?;
    tenant.ready().await?;
    ensure!(tenant.pods("web", 1).await? == running, "what ran was disturbed");
    Ok(())
}

#[tokio::test]
async fn the_tenants_name_and_id_cannot_be_replaced() -> Result<()> {
    let scene = Scene::new("forged").await?;
    let tier = scene.tier(json!({})).await?;
    let mut shell = shell_workload("shell");
    shell["env"] = json!([{"name": "TENANT_ID", "value": "forged"}, {"name": "TENANT_NAME", "value": "forged"}]);
    let tenant = scene.tenant("", &tier, json!({"workloads": [shell]})).await?;
    let settled = tenant.settled().await?;
    if crate::support::condition(&settled, "Ready").is_some_and(|c| c["status"] == "False") {
        tenant.not_ready(&["InvalidSpec"], &["TENANT_ID"]).await?;
        return Ok(());
    }
    let pod = &tenant.pods("shell", 1).await?[0];
    let id = text(&settled["status"]["id"]);
    ensure!(
        kubectl::exec(&tenant.name, pod, &["sh", "-c", "echo $TENANT_ID"])
            .await?
            .trim()
            == id,
        "TENANT_ID is forged"
    );
    let name = kubectl::exec(&tenant.name, pod, &["sh", "-c", "echo $TENANT_NAME"]).await?;
    ensure!(name.trim() == tenant.name, "TENANT_NAME is forged");
    Ok(())
}

#[tokio::test]
async fn what_pod_security_refuses_is_told() -> Result<()> {
    let scene = Scene::new("insecure").await?;
    let tier = scene.tier(json!({})).await?;
    let mut root = shell_workload("root");
    root["podSecurityContext"] = json!({"runAsUser": 0, "runAsNonRoot": false});
    let tenant = scene.tenant("", &tier, json!({"workloads": [root]})).await?;
    tenant.not_ready(&[], &["root"]).await?;
    ensure!(
        scene
            .cluster
            .names(&crate::support::path("pods", &tenant.name, ""))
            .await?
            .is_empty(),
        "it runs"
    );
    Ok(())
}
