//! Traffic between tenants, with the same probe where it must get through.

use crate::support::probe::{From, closed, open};
use crate::support::{Scene, TestTenant, path, pods, server_workload, text};
use anyhow::{Context, Result};
use serde_json::json;

/// A tenant with a server, its pod, and the addresses of pod and Service.
pub struct Reachable {
    pub tenant: TestTenant,
    pub pod: String,
    pub address: String,
    pub service: String,
}

impl Reachable {
    pub fn from(&self) -> From<'_> {
        From(&self.tenant.name, &self.pod)
    }

    pub async fn new(tenant: TestTenant) -> Result<Self> {
        tenant.ready().await?;
        let pod = tenant.pods("web", 1).await?.remove(0);
        let address = format!("{}:8080", pods::address(&tenant.cluster, &tenant.name, &pod).await?);
        let service = tenant
            .cluster
            .get(&path("services", &tenant.name, "web"))
            .await
            .context("the Service")?;
        let service = format!("{}:8080", text(&service["spec"]["clusterIP"]));
        Ok(Self {
            tenant,
            pod,
            address,
            service,
        })
    }
}

#[tokio::test]
async fn a_tenant_reaches_itself_and_no_other() -> Result<()> {
    let scene = Scene::new("traffic").await?;
    let tier = scene.tier(json!({})).await?;
    let spec = json!({"workloads": [server_workload("web")], "namespaces": [{"name": "more"}]});
    let a = scene.tenant("a", &tier, spec.clone()).await?;
    let b = scene.tenant("b", &tier, spec).await?;
    let (a, b) = tokio::try_join!(Reachable::new(a), Reachable::new(b))?;
    let more = format!("{}-more", a.tenant.name);
    let second = format!("{}:8080", pods::run(&scene.cluster, &more, "second").await?);

    open(
        "its own Service, by DNS",
        a.from(),
        &format!("web.{}.svc.cluster.local:8080", a.tenant.name),
    )
    .await?;
    open("its own Service, by a short name", a.from(), "web:8080").await?;
    open("its own second namespace", a.from(), &second).await?;
    open("its first namespace from the second", From(&more, "second"), &a.service).await?;

    open("control: B reaches its own pod", b.from(), &b.address).await?;
    open("control: B reaches its own Service", b.from(), &b.service).await?;
    closed("another tenant's pod", a.from(), &b.address).await?;
    closed("another tenant's Service", a.from(), &b.service).await?;
    closed(
        "another tenant's pod, from the second namespace",
        From(&more, "second"),
        &b.address,
    )
    .await?;
    closed("the second namespace, from another tenant", b.from(), &second).await
}

#[tokio::test]
async fn a_namespace_of_nobody_neither_reaches_a_tenant_nor_is_reached() -> Result<()> {
    let scene = Scene::new("nobody").await?;
    let tier = scene.tier(json!({})).await?;
    let a = Reachable::new(
        scene
            .tenant("", &tier, json!({"workloads": [server_workload("web")]}))
            .await?,
    )
    .await?;
    let plain = scene.namespace("plain").await?;
    let target = format!("{}:8080", pods::run(&scene.cluster, &plain, "target").await?);
    pods::run(&scene.cluster, &plain, "prober").await?;
    let prober = From(&plain, "prober");

    open("control: the target answers", prober, &target).await?;
    closed("a namespace of nobody", a.from(), &target).await?;
    open("control: the tenant answers itself", a.from(), &a.address).await?;
    closed("a tenant, from a namespace of nobody", prober, &a.address).await?;
    closed("a tenant's Service, from a namespace of nobody", prober, &a.service).await
}

#[tokio::test]
async fn a_label_does_not_open_a_tenant() -> Result<()> {
    let scene = Scene::new("label").await?;
    let tier = scene.tier(json!({})).await?;
    let a = Reachable::new(
        scene
            .tenant("", &tier, json!({"workloads": [server_workload("web")]}))
            .await?,
    )
    .await?;
    let plain = scene.namespace("plain").await?;
    // The policies refuse our own labels to others, but not to the administrator of this test.
    let labels = json!({"metadata": {"labels": {"team": a.tenant.name, "name": a.tenant.name}}});
    scene.cluster.patch(&path("namespaces", "", &plain), &labels).await?;
    let mut pod = pods::server("prober");
    pod["metadata"]["labels"] =
        json!({"tenant-operator.io/tenant": a.tenant.name, "tenant-operator.io/workload": "web"});
    scene
        .cluster
        .create(&path("pods", &plain, ""), &pod)
        .await
        .context("a pod with false labels")?;
    pods::address(&scene.cluster, &plain, "prober").await?;
    open("control: the tenant answers itself", a.from(), &a.address).await?;
    closed("a tenant, by false labels", From(&plain, "prober"), &a.address).await
}
