//! Losing the CRDs loses no customer: they are taken away, then they and every Tenant are put back.

use crate::support::{Cluster, Scene, TestTenant, eventually, operator, path, secs, server_workload, steadily, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const TENANTS: &str = "tenants.tenant-operator.io";
const TIERS: &str = "tenanttiers.tenant-operator.io";

/// CRDs, Tenants and tiers as they were, fit to be created again.
struct Kept {
    crds: Vec<Value>,
    tiers: Vec<Value>,
    tenants: Vec<Value>,
}

fn bare(object: &Value) -> Value {
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "spec": object["spec"],
        "metadata": {"name": object["metadata"]["name"], "labels": object["metadata"]["labels"],
                     "annotations": object["metadata"]["annotations"]}})
}

impl Kept {
    async fn of(cluster: &Cluster) -> Result<Self> {
        let mut kept = Self {
            crds: Vec::new(),
            tiers: Vec::new(),
            tenants: Vec::new(),
        };
        for name in [TENANTS, TIERS] {
            kept.crds
                .push(bare(&cluster.get(&path("customresourcedefinitions", "", name)).await?));
        }
        let with_kind = |kind: &str, mut item: Value| {
            item["apiVersion"] = json!("tenant-operator.io/v1alpha1");
            item["kind"] = json!(kind);
            item
        };
        for item in cluster.list(&path("tenanttiers", "", "")).await? {
            kept.tiers.push(bare(&with_kind("TenantTier", item)));
        }
        for item in cluster.list(&path("tenants", "", "")).await? {
            let mut tenant = bare(&with_kind("Tenant", item.clone()));
            // Only its id reclaims what a tenant had.
            tenant["spec"]["id"] = item["status"]["id"].clone();
            kept.tenants.push(tenant);
        }
        Ok(kept)
    }

    async fn put_back(&self, cluster: &Cluster) -> Result<()> {
        for crd in &self.crds {
            let name = text(&crd["metadata"]["name"]);
            let at = path("customresourcedefinitions", "", &name);
            eventually(&format!("{name} to be back"), secs(60), async || {
                if !cluster.exists(&at).await? {
                    cluster.create(&path("customresourcedefinitions", "", ""), crd).await?;
                }
                let now = cluster.get(&at).await?;
                ensure!(now["metadata"]["deletionTimestamp"].is_null(), "it is still going away");
                let resource = text(&crd["spec"]["names"]["plural"]);
                cluster.list(&path(&resource, "", "")).await
            })
            .await?;
        }
        for (resource, objects) in [("tenanttiers", &self.tiers), ("tenants", &self.tenants)] {
            for object in objects {
                let name = text(&object["metadata"]["name"]);
                eventually(
                    &format!("{resource}/{name} to be back"),
                    secs(30),
                    async || match cluster.create(&path(resource, "", ""), object).await {
                        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
                        other => other.map(|_| ()).context("create"),
                    },
                )
                .await?;
            }
        }
        Ok(())
    }
}

async fn uid(cluster: &Cluster, resource: &str, namespace: &str, name: &str) -> Result<Value> {
    let object = cluster
        .get(&path(resource, namespace, name))
        .await
        .with_context(|| format!("{resource}/{name}"))?;
    ensure!(
        object["metadata"]["deletionTimestamp"].is_null(),
        "{resource}/{name} is going away"
    );
    Ok(object["metadata"]["uid"].clone())
}

async fn remove_and_watch(scene: &Scene, tenants: &[TestTenant]) -> Result<()> {
    let cluster = &scene.cluster;
    let mut before = Vec::new();
    for tenant in tenants {
        let pod = tenant.pods("web", 1).await?.remove(0);
        let namespace = uid(cluster, "namespaces", "", &tenant.name).await?;
        let pod_uid = uid(cluster, "pods", &tenant.name, &pod).await?;
        before.push((tenant.name.clone(), namespace, pod, pod_uid));
    }
    for name in [TENANTS, TIERS] {
        cluster
            .delete(&path("customresourcedefinitions", "", name))
            .await
            .with_context(|| format!("delete {name}"))?;
    }
    steadily("every namespace and pod of the tenants to stay", secs(25), async || {
        for (namespace, id, pod, pod_uid) in &before {
            ensure!(
                uid(cluster, "namespaces", "", namespace).await? == *id,
                "{namespace} is another one"
            );
            ensure!(
                uid(cluster, "pods", namespace, pod).await? == *pod_uid,
                "{pod} is another one"
            );
        }
        Ok(())
    })
    .await?;
    for name in [TENANTS, TIERS] {
        let at = path("customresourcedefinitions", "", name);
        eventually(&format!("{name} to be gone"), secs(60), async || {
            ensure!(
                !cluster.exists(&at).await?,
                "{}",
                cluster.get(&at).await?["status"]["conditions"]
            );
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn removing_the_crds_removes_no_namespace() -> Result<()> {
    let scene = Scene::new("crds").await?;
    let tier = scene.tier(json!({})).await?;
    let workloads = json!([server_workload("web")]);
    let mut tenants = Vec::new();
    for (suffix, policy) in [("retain", "Retain"), ("delete", "Delete")] {
        let spec = json!({"workloads": workloads, "deletionPolicy": policy});
        tenants.push(scene.tenant(suffix, &tier, spec).await?);
    }
    for tenant in &tenants {
        tenant.ready().await?;
    }
    let kept = Kept::of(&scene.cluster).await?;
    let watched = remove_and_watch(&scene, &tenants).await;
    kept.put_back(&scene.cluster).await?;
    watched?;
    operator::available(&scene.cluster).await?;
    for tenant in &tenants {
        tenant.ready().await?;
    }
    Ok(())
}
