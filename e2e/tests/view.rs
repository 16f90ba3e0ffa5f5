//! TenantViews, which owners read instead of Tenants.

use crate::support::{Scene, eventually, path, refused, secs, server_workload, text};
use anyhow::{Context, Result, ensure};
use serde_json::json;

#[tokio::test]
async fn an_owner_reads_the_view_and_no_tenants() -> Result<()> {
    let scene = Scene::new("view").await?;
    let tier = scene.tier(json!({})).await?;
    let group = format!("{}-readers", scene.name);
    let spec = json!({"displayName": "Seen", "owners": [{"kind": "Group", "name": group, "role": "Viewer"}]});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    let owner = scene.cluster.impersonate("a-reader", &[&group])?;
    refused(
        "a list of all Tenants",
        owner.get(&path("tenants", "", "")).await,
        &["forbidden"],
    )?;
    refused("the Tenant itself", owner.get(&tenant.path()).await, &["forbidden"])?;
    let view = eventually("the view to say Ready", secs(20), async || {
        let view = owner.get(&path("tenantviews", &tenant.name, &tenant.name)).await?;
        let conditions = view["status"]["conditions"].as_array().cloned().unwrap_or_default();
        ensure!(
            conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"),
            "it says {conditions:?}"
        );
        Ok(view)
    })
    .await?;
    let status = tenant.get().await?["status"].clone();
    ensure!(
        view["status"]["tier"] == tier.as_str() && view["status"]["displayName"] == "Seen",
        "{view}"
    );
    ensure!(
        view["status"]["id"] == status["id"] && view["status"]["namespaces"] == status["namespaces"],
        "{view}"
    );
    let (columns, cells) = owner
        .table(&path("tenantviews", &tenant.name, ""), &tenant.name)
        .await?;
    ensure!(
        columns[..3] == ["Name", "Tier", "Ready"] && cells[2] == "True",
        "{columns:?} {cells:?}"
    );
    Ok(())
}

#[tokio::test]
async fn kubectl_get_tenants_reads_well() -> Result<()> {
    let scene = Scene::new("columns").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant("", &tier, json!({"namespaces": [{"name": "more"}]}))
        .await?;
    tenant.ready().await?;
    let expected = [
        json!(tenant.name),
        json!(tier),
        json!("DedicatedApplication"),
        json!("True"),
        json!("Ready"),
        // It is apart from the others.
        json!("True"),
        // It has no database.
        json!(null),
        json!(2),
    ];
    // Ready does not wait for the proof.
    eventually("it to read well", secs(20), async || {
        let (_, cells) = scene.cluster.table(&path("tenants", "", ""), &tenant.name).await?;
        ensure!(cells[..8] == expected, "{cells:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_status_holds_what_is_in_effect_and_in_use() -> Result<()> {
    let scene = Scene::new("status").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant("", &tier, json!({"workloads": [server_workload("web")]}))
        .await?;
    let ready = tenant.ready().await?;
    let status = &ready["status"];
    ensure!(
        status["observedGeneration"] == ready["metadata"]["generation"],
        "{status}"
    );
    ensure!(status["effective"]["isolation"] == "DedicatedApplication", "{status}");
    ensure!(
        status["effective"]["podSecurity"] == "restricted" && status["effective"]["workloads"] == json!(["web"]),
        "{status}"
    );
    let network = &status["effective"]["network"];
    ensure!(
        network["internet"] == "Deny" && network["apiServer"] == "Deny" && network["gateway"] == "Deny",
        "{network}"
    );
    let stalled = crate::support::condition(&ready, "Stalled").is_some_and(|c| c["status"] == "True");
    let working = crate::support::condition(&ready, "Reconciling").is_some_and(|c| c["status"] == "True");
    ensure!(!stalled && !working, "Ready and yet stalled or at work: {status}");
    let managers = tenant.get().await?["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let of_spec =
        |m: &&serde_json::Value| !m["fieldsV1"]["f:spec"].is_null() && text(&m["manager"]) == "tenant-operator";
    ensure!(!managers.iter().any(|m| of_spec(&m)), "the operator wrote to the spec");
    eventually("the use to be counted", secs(90), async || {
        let usage = tenant.get().await?["status"]["usage"].clone();
        let pods = usage["pods"].as_i64().with_context(|| format!("usage is {usage}"))?;
        ensure!(
            pods >= 1 && !text(&usage["cpu"]).is_empty() && !text(&usage["memory"]).is_empty(),
            "usage is {usage}"
        );
        Ok(())
    })
    .await
}
