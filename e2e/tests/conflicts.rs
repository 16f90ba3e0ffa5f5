//! The operator never takes over an object that is not the tenant's.

use crate::support::{Scene, TestTenant, eventually, path, pods, secs, server_workload};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

async fn namespace(scene: &Scene, name: &str) -> Result<Value> {
    let mut namespace = scene.cluster.get(&path("namespaces", "", name)).await?["metadata"].clone();
    namespace["managedFields"] = Value::Null;
    Ok(namespace)
}

async fn stays_as_it_is(scene: &Scene, name: &str, before: &Value, tenant: &TestTenant) -> Result<()> {
    // A namespace of the platform's is refused by its name, any other by whose it is.
    tenant.not_ready(&["Conflict", "InvalidSpec"], &[name]).await?;
    ensure!(namespace(scene, name).await? == *before, "{name} was changed");
    ensure!(
        !scene.cluster.exists(&path("resourcequotas", name, "tenant")).await?,
        "{name} was given a quota"
    );
    let bindings = scene.cluster.names(&path("rolebindings", name, "")).await?;
    ensure!(
        !bindings.contains(&"tenant-operator-tenant-admin".to_owned()),
        "{name} was given owners"
    );
    Ok(())
}

#[tokio::test]
async fn a_foreign_namespace_is_left_alone() -> Result<()> {
    let scene = Scene::new("foreign").await?;
    let foreign = scene.namespace_called(&scene.name).await?;
    let before = namespace(&scene, &foreign).await?;
    let tier = scene.tier(json!({})).await?;
    let owner = json!([{"kind": "User", "name": "someone", "role": "Admin"}]);
    let tenant = scene
        .tenant(
            "",
            &tier,
            json!({"owners": owner, "workloads": [server_workload("web")]}),
        )
        .await?;
    stays_as_it_is(&scene, &foreign, &before, &tenant).await
}

#[tokio::test]
async fn the_clusters_own_namespaces_are_left_alone() -> Result<()> {
    let scene = Scene::new("clusters").await?;
    let tier = scene.tier(json!({})).await?;
    for name in ["default", "tenant-operator-system"] {
        let before = namespace(&scene, name).await?;
        let owner = json!([{"kind": "User", "name": "someone", "role": "Admin"}]);
        let tenant = scene
            .tenant_called(name, &tier, json!({"owners": owner, "deletionPolicy": "Retain"}))
            .await?;
        let judged = stays_as_it_is(&scene, name, &before, &tenant).await;
        tenant.delete().await?;
        tenant.gone().await?;
        judged?;
        ensure!(
            namespace(&scene, name).await? == before,
            "{name} was changed by the deletion"
        );
    }
    Ok(())
}

/// `a-b` + `c` and `a` + `b-c` are one namespace.
#[tokio::test]
async fn who_comes_second_to_a_name_does_not_get_it() -> Result<()> {
    let scene = Scene::new("second").await?;
    let tier = scene.tier(json!({})).await?;
    let first = scene
        .tenant("a", &tier, json!({"namespaces": [{"name": "b-c"}]}))
        .await?;
    first.ready().await?;
    let shared = format!("{}-a-b-c", scene.name);
    let before = namespace(&scene, &shared).await?;
    let second = scene
        .tenant("a-b", &tier, json!({"namespaces": [{"name": "c"}]}))
        .await?;
    second.not_ready(&["Conflict"], &[&shared]).await?;
    ensure!(
        namespace(&scene, &shared).await?["labels"] == before["labels"],
        "it changed hands"
    );
    // Also by the name of a Tenant.
    let third = scene.tenant("a-b-c", &tier, json!({})).await?;
    third.not_ready(&["Conflict"], &[&shared]).await?;
    second.delete().await?;
    second.gone().await?;
    ensure!(
        namespace(&scene, &shared).await? == before,
        "it was changed by the second one's deletion"
    );
    first.ready().await?;
    Ok(())
}

#[tokio::test]
async fn an_object_of_the_tenants_own_is_left_alone() -> Result<()> {
    let scene = Scene::new("ownsvc").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant("", &tier, json!({"workloads": [server_workload("web")]}))
        .await?;
    tenant.ready().await?;
    let running = tenant.pods("web", 1).await?;
    let own =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}, "spec": {"ports": [{"port": 7}]}});
    scene
        .cluster
        .create(&path("services", &tenant.name, ""), &own)
        .await
        .context("a Service of the tenant's own")?;
    scene
        .cluster
        .create(&path("deployments", &tenant.name, ""), &pods::deployment("api", 0))
        .await
        .context("a Deployment of the tenant's own")?;
    tenant
        .patch(json!({"workloads": [server_workload("web"), server_workload("api")]}))
        .await?;
    let both = ["Service ", "Deployment ", "api", "2 objects in all are in the way"];
    tenant.not_ready(&["Conflict"], &both).await?;
    scene
        .cluster
        .delete(&path("deployments", &tenant.name, "api"))
        .await
        .context("remove the Deployment")?;
    tenant.not_ready(&["Conflict"], &["Service ", "api"]).await?;
    let service = scene.cluster.get(&path("services", &tenant.name, "api")).await?;
    ensure!(service["spec"]["ports"][0]["port"] == 7, "it was taken over: {service}");
    ensure!(tenant.pods("web", 1).await? == running, "what ran was disturbed");
    scene
        .cluster
        .delete(&path("services", &tenant.name, "api"))
        .await
        .context("remove the Service")?;
    tenant.ready().await?;
    Ok(())
}

/// The time for which names are taken: a tenant that failed for so long tries again by itself after half a minute, later after five.
const TAKEN: u64 = 25;
/// The time in which the operator notices a free name, and makes what was missing.
const NOTICED: u64 = 8;

/// A namespace, a Service and a Deployment of others are in the way of three tenants.
#[tokio::test]
async fn a_name_that_becomes_free_is_taken_at_once() -> Result<()> {
    let scene = &Scene::new("freed").await?;
    let tier = scene.tier(json!({})).await?;
    let taken = scene.namespace_called(&format!("{}-a-more", scene.name)).await?;
    let first = scene
        .tenant("a", &tier, json!({"namespaces": [{"name": "more"}]}))
        .await?;
    let second = scene.tenant("b", &tier, json!({})).await?;
    let third = scene.tenant("c", &tier, json!({})).await?;
    let (service, deployment) = (
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}, "spec": {"ports": [{"port": 7}]}}),
        pods::deployment("api", 0),
    );
    for (tenant, resource, body) in [(&second, "services", &service), (&third, "deployments", &deployment)] {
        tenant.ready().await?;
        let made = scene.cluster.create(&path(resource, &tenant.name, ""), body).await;
        made.with_context(|| format!("{resource} of others"))?;
        tenant.patch(json!({"workloads": [server_workload("api")]})).await?;
    }
    for (tenant, word) in [(&first, taken.as_str()), (&second, "api"), (&third, "api")] {
        tenant.not_ready(&["Conflict"], &[word]).await?;
    }
    tokio::time::sleep(secs(TAKEN)).await;
    let namespace = path("namespaces", "", &taken);
    scene.cluster.delete(&namespace).await.context("delete the namespace")?;
    eventually("the namespace to be another", secs(60), async || {
        let now = scene.cluster.get(&namespace).await;
        ensure!(now.is_err() || now?["metadata"]["labels"]["tenant-operator.io/tenant"] == first.name.as_str());
        Ok(())
    })
    .await?;
    let (services, deployments) = (
        path("services", &second.name, "api"),
        path("deployments", &third.name, "api"),
    );
    for at in [&services, &deployments] {
        scene.cluster.delete(at).await.with_context(|| format!("delete {at}"))?;
    }
    eventually("all names to be taken", secs(NOTICED), async || {
        for at in [&namespace, &services, &deployments] {
            let labels = scene.cluster.get(at).await?["metadata"]["labels"].clone();
            ensure!(labels["tenant-operator.io/tenant"].is_string(), "{at} has {labels}");
        }
        Ok(())
    })
    .await?;
    for tenant in [&first, &second, &third] {
        tenant.ready().await?;
    }
    Ok(())
}
