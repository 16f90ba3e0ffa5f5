//! The operator never takes over an object that is not the tenant's.

use crate::support::{Scene, TestTenant, path, server_workload};
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
    tenant
        .patch(json!({"workloads": [server_workload("web"), server_workload("api")]}))
        .await?;
    tenant.not_ready(&["Conflict"], &["api"]).await?;
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
