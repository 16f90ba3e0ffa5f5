//! Shared applications that a tenant's pods reach without the gateway, and no others.

use crate::shared_applications::{NAMESPACE, application};
use crate::support::probe::{From, closed, closes, open};
use crate::support::{Scene, TestTenant, eventually, path, pods, secs, server_workload};
use crate::traffic::Reachable;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// What the platform lets in to an application: nobody.
async fn restrict(scene: &Scene, name: &str) -> Result<()> {
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress"]},
    });
    scene.will_leave(&path("networkpolicies", NAMESPACE, name));
    scene
        .cluster
        .create(&path("networkpolicies", NAMESPACE, ""), &policy)
        .await?;
    Ok(())
}

/// A tier that has these applications, and opens some to pods.
fn spec(services: &[&str], opened: &[&str]) -> Value {
    let one = |name: &&str| json!({"name": name, "namespace": NAMESPACE, "service": name, "port": 80});
    let all: Vec<Value> = services.iter().map(one).collect();
    json!({"gateway": {"applications": all}, "network": {"egress": {"applications": opened}}})
}

async fn reach(scene: &Scene, tier: &str, opened: Value) -> Result<()> {
    let spec = json!({"spec": {"network": {"egress": {"applications": opened}}}});
    scene.cluster.patch(&path("tenanttiers", "", tier), &spec).await?;
    Ok(())
}

fn at(service: &str) -> String {
    format!("{service}.{NAMESPACE}.svc.cluster.local:80")
}

fn policy(tenant: &str, service: &str) -> String {
    path(
        "networkpolicies",
        NAMESPACE,
        &format!("tenant-operator-{tenant}.{service}"),
    )
}

async fn has_policies(tenant: &TestTenant, service: &str, expected: bool) -> Result<()> {
    let out = path("networkpolicies", &tenant.name, "tenant-operator-allow-applications");
    eventually(
        &format!("policies of {}: {expected}", tenant.name),
        secs(30),
        async || {
            for policy in [&out, &policy(&tenant.name, service)] {
                ensure!(tenant.cluster.exists(policy).await? == expected, "{policy}");
            }
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn pods_reach_what_their_tier_opens_until_it_takes_it_away() -> Result<()> {
    let scene = Scene::new("reach").await?;
    let (models, orders) = tokio::try_join!(application(&scene, "models"), application(&scene, "orders"))?;
    tokio::try_join!(restrict(&scene, &models), restrict(&scene, &orders))?;
    let tier = scene.tier(spec(&[&models, &orders], &[&models])).await?;
    let plain = scene.tier(json!({})).await?;
    let workloads = json!({"workloads": [server_workload("web")], "namespaces": [{"name": "more"}]});
    let (a, b, stranger) = (
        scene.tenant("a", &tier, workloads.clone()).await?,
        scene.tenant("b", &tier, workloads).await?,
        scene
            .tenant("c", &plain, json!({"workloads": [server_workload("web")]}))
            .await?,
    );
    let (a, b, stranger) = tokio::try_join!(Reachable::new(a), Reachable::new(b), Reachable::new(stranger))?;
    let now = a.tenant.condition("ApplicationsReady", "True", &[]).await?;
    ensure!(
        now["status"]["effective"]["network"]["applications"] == json!([models]),
        "{}",
        now["status"]["effective"]
    );
    let more = format!("{}-more", a.tenant.name);
    pods::run(&scene.cluster, &more, "second").await?;
    open("the application", a.from(), &at(&models)).await?;
    open("from its second namespace", From(&more, "second"), &at(&models)).await?;
    open("another tenant of the tier", b.from(), &at(&models)).await?;
    closed("an application that is not opened", a.from(), &at(&orders)).await?;
    closed("another tenant's pod", a.from(), &b.address).await?;
    closed("a tenant of another tier", stranger.from(), &at(&models)).await?;
    let pod = pods::address(&scene.cluster, NAMESPACE, &models).await?;
    open("its pod", a.from(), &format!("{pod}:8080")).await?;
    closed("another port of its pod", a.from(), &format!("{pod}:8081")).await?;

    // The operator mends its policy, and follows the Service.
    let wide = json!({"spec": {"ingress": [{}]}});
    scene.cluster.patch(&policy(&a.tenant.name, &models), &wide).await?;
    eventually("the policy to be mended", secs(30), async || {
        let now = scene.cluster.get(&policy(&a.tenant.name, &models)).await?;
        let ports = &now["spec"]["ingress"][0]["ports"];
        ensure!(*ports == json!([{"port": 8080, "protocol": "TCP"}]), "{}", now["spec"]);
        Ok(())
    })
    .await?;
    let service = path("services", NAMESPACE, &models);
    let to_orders = json!({"spec": {"selector": {"app": orders}}});
    scene.cluster.patch(&service, &to_orders).await?;
    open("the pods of another selector", a.from(), &at(&models)).await?;
    closes("the former pods", a.from(), &format!("{pod}:8080")).await?;
    scene
        .cluster
        .patch(&service, &json!({"spec": {"selector": {"app": models}}}))
        .await?;
    open("the former pods again", a.from(), &at(&models)).await?;

    // A suspended tenant leaves nothing there, and takes nothing from the other.
    a.tenant.patch(json!({"suspend": true})).await?;
    has_policies(&a.tenant, &models, false).await?;
    open("the other tenant goes on", b.from(), &at(&models)).await?;
    a.tenant.patch(json!({"suspend": false})).await?;
    has_policies(&a.tenant, &models, true).await?;

    // What the tier takes away closes on both sides, for all of its tenants.
    reach(&scene, &tier, json!([])).await?;
    closes("taken away", b.from(), &at(&models)).await?;
    for tenant in [&a.tenant, &b.tenant] {
        has_policies(tenant, &models, false).await?;
    }
    reach(&scene, &tier, json!([models])).await?;
    open("given back", b.from(), &at(&models)).await?;
    b.tenant.patch(json!({"deletionPolicy": "Retain"})).await?;
    b.tenant.delete().await?;
    b.tenant.gone().await?;
    scene.will_leave_namespace(&b.tenant.name);
    scene.will_leave_namespace(&format!("{}-more", b.tenant.name));
    ensure!(
        !scene.cluster.exists(&policy(&b.tenant.name, &models)).await?,
        "the policy outlives its tenant"
    );
    Ok(())
}

#[tokio::test]
async fn the_condition_says_what_an_application_lacks() -> Result<()> {
    let scene = Scene::new("unreached").await?;
    let name = format!("{}-models", scene.name);
    let tier = scene.tier(spec(&[&name], &[&name])).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    let lacks = async |reason: &str| {
        tenant
            .condition("ApplicationsReady", "False", &[reason])
            .await
            .map(|_| ())
    };
    lacks("NoSuchService").await?;
    tenant
        .not_ready(&["ApplicationsNotReady"], &[&name, "does not exist"])
        .await?;
    let models = application(&scene, "models").await?;
    lacks("UnrestrictedPods").await?;
    ensure!(
        !scene.cluster.exists(&policy(&tenant.name, &models)).await?,
        "it cuts off the application's other clients"
    );
    restrict(&scene, &models).await?;
    tenant.ready().await?;
    has_policies(&tenant, &models, true).await?;
    let service = path("services", NAMESPACE, &models);
    scene
        .cluster
        .patch(&service, &json!({"spec": {"selector": null}}))
        .await?;
    lacks("UnsuitableService").await?;
    has_policies(&tenant, &models, false).await?;

    // Where the chart lets the operator open nothing, nothing is.
    let mut elsewhere = spec(&[&name], &[&name]);
    elsewhere["gateway"]["applications"][0]["namespace"] = json!("default");
    let tier = scene.tier(elsewhere).await?;
    let misled = scene.tenant("misled", &tier, json!({})).await?;
    misled
        .not_ready(
            &["InvalidSpec"],
            &["network.egress.applications[0]", "gateway.applicationNamespaces"],
        )
        .await
        .map(|_| ())
}
