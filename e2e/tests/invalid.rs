//! Input that the API server takes and the operator cannot: a condition names the field.

use crate::support::{Scene, condition, eventually, secs, server_workload};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

#[tokio::test]
async fn an_unknown_tier_is_named_and_awaited() -> Result<()> {
    let scene = Scene::new("notier").await?;
    let name = format!("{}-tier-0", scene.name);
    let tenant = scene.tenant("", &name, json!({})).await?;
    tenant.not_ready(&["TierNotFound"], &[&name]).await?;
    ensure!(scene.tier(json!({})).await? == name, "the tier has another name");
    tenant.ready().await?;
    Ok(())
}

/// Each is refused for its field, and nothing is made for it.
#[tokio::test]
async fn the_field_is_named() -> Result<()> {
    let scene = Scene::new("invalid").await?;
    let tier = scene
        .tier(json!({
            "maxNamespaces": 2,
            "isolation": {"allowed": ["DedicatedApplication", "SharedApplication"]},
            "configurationSchema": {"type": "object", "properties": {"temperature": {"type": "number", "maximum": 2}}}
        }))
        .await?;
    let two = json!([{"name": "one"}, {"name": "two"}]);
    let cases: [(&str, Value, &str); 9] = [
        ("pods", json!({"quota": {"pods": 21}}), "spec.quota.pods"),
        (
            "cpu",
            json!({"quota": {"requests.cpu": "2001m"}}),
            "spec.quota.requests.cpu",
        ),
        (
            "share",
            json!({"namespaces": [{"name": "one", "quota": {"pods": 21}}]}),
            "spec.namespaces",
        ),
        (
            "share-of-own",
            json!({"quota": {"pods": 3}, "namespaces": [{"name": "one", "quota": {"pods": 4}}]}),
            "pods",
        ),
        ("count", json!({"namespaces": two}), "spec.namespaces"),
        (
            "model",
            json!({"isolation": {"model": "DedicatedNodes"}}),
            "spec.isolation.model",
        ),
        (
            "shared",
            json!({"isolation": {"model": "SharedApplication"}, "workloads": [server_workload("web")]}),
            "spec.workloads",
        ),
        (
            "schema",
            json!({"configuration": {"temperature": 7}}),
            "spec.configuration",
        ),
        (
            "long",
            json!({"namespaces": [{"name": "n".repeat(61)}]}),
            "spec.namespaces",
        ),
    ];
    let mut tenants = Vec::new();
    for (suffix, spec, field) in cases {
        tenants.push((scene.tenant(suffix, &tier, spec).await?, field));
    }
    for (tenant, field) in tenants {
        let told = tenant.not_ready(&["InvalidSpec"], &[field]).await?;
        ensure!(
            condition(&told, "Stalled").is_some_and(|c| c["status"] == "True"),
            "not stalled: {told}"
        );
        let namespace = crate::support::path("namespaces", "", &tenant.name);
        ensure!(
            !scene.cluster.exists(&namespace).await?,
            "{} was made all the same",
            tenant.name
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_change_leaves_what_runs() -> Result<()> {
    let scene = Scene::new("badchange").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant("", &tier, json!({"workloads": [server_workload("web")]}))
        .await?;
    tenant.ready().await?;
    let running = tenant.pods("web", 1).await?;
    tenant.patch(json!({"quota": {"pods": 9999}})).await?;
    tenant.not_ready(&["InvalidSpec"], &["spec.quota.pods"]).await?;
    ensure!(tenant.pods("web", 1).await? == running, "what ran was disturbed");
    // A key that bounds nothing holds back nothing else.
    let owner = json!({"kind": "User", "name": "bob", "role": "Viewer"});
    tenant
        .patch(json!({"quota": {"nvidia.com/gpu": 2, "pods": null}, "owners": [owner]}))
        .await?;
    tenant.not_ready(&["InvalidSpec"], &["requests.nvidia.com/gpu"]).await?;
    let bindings = crate::support::path("rolebindings", &tenant.name, "tenant-operator-tenant-viewer");
    eventually("the new owner's binding", secs(20), async || {
        ensure!(scene.cluster.exists(&bindings).await?, "it is missing");
        Ok(())
    })
    .await?;
    ensure!(tenant.pods("web", 1).await? == running, "what ran was disturbed");
    tenant
        .patch(json!({"quota": {"nvidia.com/gpu": null, "pods": 5}}))
        .await?;
    tenant.ready().await?;
    ensure!(tenant.pods("web", 1).await? == running, "what ran was disturbed");
    Ok(())
}

#[tokio::test]
async fn a_tenant_in_error_does_not_delay_another() -> Result<()> {
    let scene = Scene::new("delay").await?;
    let tier = scene.tier(json!({})).await?;
    for number in 0..8 {
        scene.tenant(&format!("bad{number}"), "no-such-tier", json!({})).await?;
    }
    let mut broken = server_workload("web");
    broken["image"] = json!(" no image ");
    for number in 0..4 {
        scene
            .tenant(&format!("broken{number}"), &tier, json!({"workloads": [broken]}))
            .await?;
    }
    let start = std::time::Instant::now();
    let good = scene.tenant("good", &tier, json!({})).await?;
    good.ready().await?;
    ensure!(start.elapsed().as_secs() < 20, "it took {:?}", start.elapsed());
    Ok(())
}
