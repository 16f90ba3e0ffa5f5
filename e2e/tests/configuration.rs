//! A change of the configuration.

use crate::support::{Scene, eventually, kubectl, path, secs, shell_workload};
use anyhow::{Result, ensure};
use serde_json::json;

#[tokio::test]
async fn it_rolls_the_pods_unless_they_reload_by_themselves() -> Result<()> {
    let scene = Scene::new("config").await?;
    let of_tier = |region: &str| json!({"configuration": {"plan": {"region": region}}});
    let tier = scene.tier(of_tier("eu")).await?;
    let mut reloads = shell_workload("reloads");
    reloads["configurationUpdate"] = json!("Reload");
    let spec = json!({"workloads": [shell_workload("restarts"), reloads], "configuration": {"version": 1}});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    let restarted = tenant.pods("restarts", 1).await?;
    let reloaded = tenant.pods("reloads", 1).await?;

    tenant.patch(json!({"configuration": {"version": 2}})).await?;
    let pod = eventually("another pod", secs(60), async || {
        let now = tenant.pods("restarts", 1).await?;
        ensure!(now != restarted, "it is still {now:?}");
        Ok(now[0].clone())
    })
    .await?;
    let file = kubectl::exec(&tenant.name, &pod, &["cat", "/etc/tenant/configuration.json"]).await?;
    ensure!(
        serde_json::from_str::<serde_json::Value>(&file)? == json!({"plan": {"region": "eu"}, "version": 2}),
        "the new pod reads {file}"
    );
    ensure!(
        tenant.pods("reloads", 1).await? == reloaded,
        "the workload that reloads was rolled"
    );

    // A change of the tier reaches the same file.
    let to_tier = path("tenanttiers", "", &tier);
    scene.cluster.patch(&to_tier, &json!({"spec": of_tier("us")})).await?;
    // The kubelet brings the new file to running pods within its period of about a minute.
    eventually("the file to change in the running pod", secs(120), async || {
        let file = kubectl::exec(&tenant.name, &reloaded[0], &["cat", "/etc/tenant/configuration.json"]).await?;
        ensure!(file.contains('2') && file.contains("us"), "it is {file}");
        Ok(())
    })
    .await
}
