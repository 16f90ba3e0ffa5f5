//! Tiers: their workloads, their changes, their end.

use crate::support::quantity::number;
use crate::support::{Scene, eventually, path, pods, refused, secs, server_workload, text};
use anyhow::{Context, Result, ensure};
use serde_json::json;

#[tokio::test]
async fn a_tier_that_goes_is_missed_and_its_tenants_run_on() -> Result<()> {
    let scene = Scene::new("tierless").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant("", &tier, json!({"workloads": [server_workload("web")]}))
        .await?;
    tenant.ready().await?;
    let running = tenant.pods("web", 1).await?;
    let at = path("tenanttiers", "", &tier);
    let kept = scene.cluster.get(&at).await?["spec"].clone();
    scene.cluster.delete(&at).await.context("delete the tier")?;
    tenant.not_ready(&["TierNotFound"], &[&tier]).await?;
    ensure!(tenant.pods("web", 1).await? == running, "what ran was disturbed");
    let quota = scene
        .cluster
        .get(&path("resourcequotas", &tenant.name, "tenant"))
        .await?;
    ensure!(number(&quota["spec"]["hard"]["pods"]) == 20.0, "{quota}");

    let again = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantTier", "metadata": {"name": tier},
                       "spec": kept});
    scene
        .cluster
        .create(&path("tenanttiers", "", ""), &again)
        .await
        .context("make the tier again")?;
    tenant.ready().await?;
    ensure!(tenant.pods("web", 1).await? == running, "what ran was disturbed");
    Ok(())
}

#[tokio::test]
async fn a_tenant_without_its_tier_can_still_be_deleted() -> Result<()> {
    let scene = Scene::new("tierdel").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    tenant.ready().await?;
    scene
        .cluster
        .delete(&path("tenanttiers", "", &tier))
        .await
        .context("delete the tier")?;
    tenant.delete().await?;
    tenant.gone().await?;
    ensure!(
        !scene.cluster.exists(&path("namespaces", "", &tenant.name)).await?,
        "its namespace is there"
    );
    Ok(())
}

#[tokio::test]
async fn a_change_of_the_tier_reaches_its_tenants() -> Result<()> {
    let scene = Scene::new("tierchange").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    tenant.ready().await?;
    let change = json!({"spec": {"quota": {"pods": 7}, "podSecurity": "baseline"}});
    scene
        .cluster
        .patch(&path("tenanttiers", "", &tier), &change)
        .await
        .context("change the tier")?;
    eventually("the change to arrive", secs(20), async || {
        let quota = scene
            .cluster
            .get(&path("resourcequotas", &tenant.name, "tenant"))
            .await?;
        ensure!(number(&quota["spec"]["hard"]["pods"]) == 7.0, "{}", quota["spec"]);
        let namespace = scene.cluster.get(&path("namespaces", "", &tenant.name)).await?;
        let enforced = text(&namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]);
        ensure!(enforced == "baseline", "enforced is {enforced}");
        Ok(())
    })
    .await?;
    tenant.ready().await?;
    let fewer = json!({"spec": {"quota": {"pods": null}}});
    let at = path("tenanttiers", "", &tier);
    scene.cluster.patch(&at, &fewer).await.context("take from the tier")?;
    eventually("an event of what is taken", secs(20), async || {
        let events = scene.cluster.list(&path("events", "default", "")).await?;
        let of_tier = events
            .iter()
            .filter(|event| event["involvedObject"]["name"] == tier.as_str());
        let notes: Vec<String> = of_tier
            .map(|event| format!("{}: {}", text(&event["reason"]), text(&event["message"])))
            .collect();
        ensure!(
            notes == ["TierReduced: the change takes from 1 tenant: quota.pods: 7"],
            "{notes:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_a_tier_allows_binds_everybody_in_its_tenants() -> Result<()> {
    let scene = Scene::new("allowed").await?;
    let tier = scene
        .tier(json!({"allowed": {"imageRegistries": ["docker.io/library"], "storageClasses": ["local"]}}))
        .await?;
    let spec = json!({"owners": [{"kind": "User", "name": scene.name, "role": "Admin"}], "namespaces": [{"name": "more"}],
                      "workloads": [server_workload("web")]});
    let tenant = scene.tenant("", &tier, spec).await?;
    let now = tenant.ready().await?;
    let shown = &now["status"]["effective"]["allowed"]["imageRegistries"];
    ensure!(*shown == json!(["docker.io/library"]), "{shown}");
    let owner = scene.cluster.impersonate(&scene.name, &["system:authenticated"])?;
    let pod = |image: &str| {
        let mut pod = pods::server("one");
        pod["spec"]["containers"][0]["image"] = json!(image);
        pod
    };
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"storageClassName": "other", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}});
    for namespace in [tenant.name.clone(), format!("{}-more", tenant.name)] {
        let to = |resource: &str| path(resource, &namespace, "");
        for client in [&owner, &scene.cluster] {
            let made = client.create(&to("pods"), &pod("ghcr.io/evil/image")).await;
            refused(
                "an image of another registry",
                made,
                &["(docker.io/library)", "ghcr.io/evil/image"],
            )?;
            let made = client.create(&to("persistentvolumeclaims"), &claim).await;
            refused("another class of storage", made, &["(local)", "not: other"])?;
        }
    }
    owner
        .create(&path("pods", &tenant.name, ""), &pods::server("own"))
        .await
        .context("an image of its registry")?;

    // A tenant narrows what its tier allows, and what runs there must fit.
    tenant
        .patch(json!({"allowed": {"imageRegistries": ["docker.io/library/other"]}}))
        .await?;
    tenant
        .not_ready(&["Invalid"], &["spec.workloads: web", "docker.io/library/other"])
        .await?;
    tenant
        .patch(json!({"allowed": {"imageRegistries": ["docker.io"]}}))
        .await?;
    tenant
        .not_ready(
            &["Invalid"],
            &[
                "spec.allowed.imageRegistries[0]",
                "the tier, which allows docker.io/library",
            ],
        )
        .await?;
    tenant.patch(json!({"allowed": null})).await?;
    tenant.ready().await?;

    // A bound that the tier drops ends within seconds.
    let wider = json!({"spec": {"allowed": null}});
    scene
        .cluster
        .patch(&path("tenanttiers", "", &tier), &wider)
        .await
        .context("change the tier")?;
    eventually("another registry to be allowed", secs(20), async || {
        let mut any = pod("ghcr.io/evil/image");
        any["metadata"]["name"] = json!("any");
        owner.create(&path("pods", &tenant.name, ""), &any).await?;
        Ok(())
    })
    .await?;
    let kept = scene.cluster.get(&path("namespaces", "", &tenant.name)).await?["metadata"]["annotations"].clone();
    for bound in ["allowed-image-registries", "allowed-storage-classes"] {
        ensure!(!kept.to_string().contains(bound), "{kept}");
    }
    Ok(())
}

#[tokio::test]
async fn every_tenant_of_a_tier_gets_its_workloads_and_overrides_them_by_name() -> Result<()> {
    let scene = Scene::new("tierwork").await?;
    let tier = scene.tier(json!({"workloads": [server_workload("shared")]})).await?;
    let plain = scene.tenant("plain", &tier, json!({})).await?;
    let other =
        json!({"workloads": [{"name": "shared", "replicas": 2, "env": [{"name": "LOG_LEVEL", "value": "debug"}]}]});
    let other = scene.tenant("other", &tier, other).await?;
    tokio::try_join!(plain.ready(), other.ready())?;
    plain.pods("shared", 1).await?;
    other.pods("shared", 2).await?;
    let deployment = scene.cluster.get(&path("deployments", &other.name, "shared")).await?;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    ensure!(
        container["image"] == crate::support::SERVER_IMAGE,
        "the tier's image is lost: {container}"
    );
    let env = container["env"].as_array().cloned().unwrap_or_default();
    ensure!(
        env.iter().any(|e| e["name"] == "LOG_LEVEL" && e["value"] == "debug"),
        "{container}"
    );
    Ok(())
}

#[tokio::test]
async fn a_move_to_another_tier_takes_its_quota() -> Result<()> {
    let scene = Scene::new("tiermove").await?;
    let (small, large) = (
        scene.tier(json!({"quota": {"pods": 3}})).await?,
        scene.tier(json!({"quota": {"pods": 9}})).await?,
    );
    let tenant = scene.tenant("", &small, json!({})).await?;
    for (tier, pods) in [(&small, 3.0), (&large, 9.0), (&small, 3.0)] {
        tenant.patch(json!({"tier": tier})).await?;
        tenant.ready().await?;
        let quota = scene
            .cluster
            .get(&path("resourcequotas", &tenant.name, "tenant"))
            .await?;
        ensure!(number(&quota["status"]["hard"]["pods"]) == pods, "{quota}");
    }
    Ok(())
}
