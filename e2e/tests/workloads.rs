//! Workloads that really run.

use crate::support::{Scene, kubectl, path, server_workload, shell_workload, text};
use anyhow::{Result, ensure};
use serde_json::json;

#[tokio::test]
async fn a_workload_runs_with_all_that_belongs_to_it() -> Result<()> {
    let scene = Scene::new("run").await?;
    let tier = scene.tier(json!({})).await?;
    let mut web = server_workload("web");
    web["replicas"] = json!(2);
    let mut scaled = server_workload("scaled");
    scaled["autoscaling"] = json!({"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 70});
    let tenant = scene.tenant("", &tier, json!({"workloads": [web, scaled]})).await?;
    let ready = tenant.ready().await?;
    ensure!(
        crate::support::condition(&ready, "WorkloadsAvailable").is_some_and(|c| c["status"] == "True"),
        "{ready}"
    );
    tenant.pods("web", 2).await?;
    tenant.pods("scaled", 1).await?;

    let of = async |resource: &str, name: &str| scene.cluster.get(&path(resource, &tenant.name, name)).await;
    let deployment = of("deployments", "web").await?;
    ensure!(deployment["status"]["availableReplicas"] == 2, "{deployment}");
    let template = &deployment["spec"]["template"];
    ensure!(
        template["metadata"]["labels"]["app.kubernetes.io/managed-by"].is_null(),
        "a pod says it is managed: {template}"
    );
    ensure!(template["spec"]["serviceAccountName"] == "web", "{template}");
    ensure!(
        of("serviceaccounts", "web").await?["automountServiceAccountToken"] == false,
        "a token is mounted"
    );
    ensure!(
        of("services", "web").await?["spec"]["ports"][0]["port"] == 8080,
        "no port 8080"
    );
    ensure!(!of("poddisruptionbudgets", "web").await?["spec"].is_null(), "no budget");
    let scaler = of("horizontalpodautoscalers", "scaled").await?;
    ensure!(
        scaler["spec"]["maxReplicas"] == 3 && scaler["spec"]["scaleTargetRef"]["name"] == "scaled",
        "{scaler}"
    );
    ensure!(
        scaler["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70,
        "{scaler}"
    );
    Ok(())
}

#[tokio::test]
async fn pods_know_their_tenant_and_hold_no_token() -> Result<()> {
    let scene = Scene::new("env").await?;
    let tier = scene.tier(json!({})).await?;
    let configuration = json!({"branding": {"primaryColor": "#0a5"}, "features": {"callRecording": true}});
    let mut shell = shell_workload("shell");
    shell["env"] = json!([{"name": "LOG_LEVEL", "value": "debug"}]);
    let tenant = scene
        .tenant("", &tier, json!({"workloads": [shell], "configuration": configuration}))
        .await?;
    tenant.ready().await?;
    let id = text(&tenant.get().await?["status"]["id"]);
    let pod = &tenant.pods("shell", 1).await?[0];
    let run = async |words: &[&str]| kubectl::exec(&tenant.name, pod, words).await;
    ensure!(
        run(&["sh", "-c", "echo $TENANT_ID"]).await?.trim() == id,
        "another TENANT_ID"
    );
    ensure!(
        run(&["sh", "-c", "echo $TENANT_NAME"]).await?.trim() == tenant.name,
        "another TENANT_NAME"
    );
    ensure!(
        run(&["sh", "-c", "echo $LOG_LEVEL"]).await?.trim() == "debug",
        "another LOG_LEVEL"
    );
    let file: serde_json::Value = serde_json::from_str(&run(&["cat", "/etc/tenant/configuration.json"]).await?)?;
    ensure!(file == configuration, "the configuration is {file}");
    ensure!(
        run(&["ls", "/var/run/secrets/kubernetes.io"]).await.is_err(),
        "there is a token"
    );
    ensure!(run(&["id", "-u"]).await?.trim() != "0", "it runs as root");
    Ok(())
}

#[tokio::test]
async fn a_claim_is_made_bound_and_mounted() -> Result<()> {
    let scene = Scene::new("claim").await?;
    let tier = scene.tier(json!({})).await?;
    let mut shell = shell_workload("shell");
    shell["volumeClaims"] = json!([{"name": "data", "mountPath": "/data", "storage": "16Mi"}]);
    let tenant = scene.tenant("", &tier, json!({"workloads": [shell]})).await?;
    tenant.ready().await?;
    let claim = scene
        .cluster
        .get(&path("persistentvolumeclaims", &tenant.name, "shell-data"))
        .await?;
    ensure!(
        claim["status"]["phase"] == "Bound" && claim["spec"]["resources"]["requests"]["storage"] == "16Mi",
        "{claim}"
    );
    let pod = &tenant.pods("shell", 1).await?[0];
    kubectl::exec(&tenant.name, pod, &["ls", "-d", "/data"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_workload_that_is_taken_out_goes_with_all_that_belongs_to_it() -> Result<()> {
    let scene = Scene::new("prune").await?;
    let tier = scene.tier(json!({})).await?;
    let mut old = server_workload("old");
    old["replicas"] = json!(2);
    let tenant = scene
        .tenant("", &tier, json!({"workloads": [old, server_workload("kept")]}))
        .await?;
    tenant.ready().await?;
    tenant.patch(json!({"workloads": [server_workload("kept")]})).await?;
    tenant.ready().await?;
    for resource in [
        "deployments",
        "services",
        "serviceaccounts",
        "poddisruptionbudgets",
        "horizontalpodautoscalers",
    ] {
        ensure!(
            !scene.cluster.exists(&path(resource, &tenant.name, "old")).await?,
            "{resource} old is still there"
        );
    }
    tenant.pods("kept", 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_workload_that_does_not_start_is_told() -> Result<()> {
    let scene = Scene::new("broken").await?;
    let tier = scene.tier(json!({})).await?;
    let mut broken = shell_workload("broken");
    broken["command"] = json!(["/bin/false"]);
    let tenant = scene.tenant("", &tier, json!({"workloads": [broken]})).await?;
    tenant.condition("WorkloadsAvailable", "False", &[]).await?;
    let told = tenant.condition("Ready", "False", &[]).await?;
    let message = text(&crate::support::condition(&told, "Ready").cloned().unwrap_or_default()["message"]);
    ensure!(message.contains("broken"), "the workload is not named: {message}");
    // Its namespaces stand nevertheless.
    tenant.condition("NamespacesReady", "True", &[]).await?;
    Ok(())
}
