//! Losing the CRDs loses no customer: they are taken away, then they and every Tenant are put back.

use crate::fleet::{Fleet, Inventory, bare, is_ready, name, rounds, surely_create};
use crate::support::{
    Cluster, Scene, TestTenant, eventually, operator, path, secs, server_workload, steadily, summary, text,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const TENANTS: &str = "tenants.tenant-operator.io";
const TIERS: &str = "tenanttiers.tenant-operator.io";
/// The number of Tenants that are restored late.
const MISSED: usize = 3;

/// CRDs, Tenants and tiers as they were, fit to be created again.
struct Kept {
    crds: Vec<Value>,
    tiers: Vec<Value>,
    tenants: Vec<Value>,
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
        let stays = |item: &Value| item["metadata"]["deletionTimestamp"].is_null();
        for item in cluster.list(&path("tenanttiers", "", "")).await? {
            kept.tiers.push(bare(&with_kind("TenantTier", item)));
        }
        for item in cluster.list(&path("tenants", "", "")).await?.into_iter().filter(stays) {
            let mut tenant = bare(&with_kind("Tenant", item.clone()));
            // Only its id reclaims what a tenant had; the status of one without a tier has none.
            if let Some(id) = item["status"]["id"].as_str() {
                tenant["spec"]["id"] = json!(id);
            }
            kept.tenants.push(tenant);
        }
        Ok(kept)
    }

    async fn put_back(&self, cluster: &Cluster) -> Result<()> {
        for crd in &self.crds {
            let name = name(crd);
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
        for tier in &self.tiers {
            surely_create(cluster, "tenanttiers", tier).await?;
        }
        for tenant in &self.tenants {
            surely_create(cluster, "tenants", tenant).await?;
        }
        Ok(())
    }

    /// Waits until all these Tenants are Ready.
    async fn ready(&self, cluster: &Cluster) -> Result<()> {
        eventually("every Tenant that was put back to be Ready", secs(60), async || {
            let now = cluster.list(&path("tenants", "", "")).await?;
            let is_ours = |one: &&Value| self.tenants.iter().any(|tenant| name(tenant) == name(one));
            let ours: Vec<&Value> = now.iter().filter(is_ours).collect();
            let behind: Vec<String> = ours
                .iter()
                .filter(|one| !is_ready(one))
                .map(|one| summary(one))
                .collect();
            let (count, all) = (behind.len(), self.tenants.len());
            ensure!(ours.len() == all, "there are {} of {all}", ours.len());
            ensure!(count == 0, "{count} of {all} are not, such as {}", behind[0]);
            Ok(())
        })
        .await
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

/// Takes the definitions away and puts them back, with other tenants, tiers and servers than before. `round` counts from 1.
async fn play(scene: &Scene, fleet: &Fleet<'_>, tenants: &[TestTenant], round: usize) -> Result<()> {
    let cluster = &scene.cluster;
    let mut kept = Kept::of(cluster).await?;
    let watched = remove_and_watch(scene, tenants).await;
    let missed: Vec<String> = fleet
        .tenants(round - 1)
        .iter()
        .take(MISSED)
        .map(|t| t.name.clone())
        .collect();
    let is_missed = |tenant: &mut Value| missed.contains(&name(tenant));
    let late = kept.tenants.extract_if(.., is_missed).collect();
    kept.tiers.retain(|tier| name(tier) != fleet.flag());
    let late = Kept {
        crds: Vec::new(),
        tiers: Vec::new(),
        tenants: late,
    };
    let (back, made, turned) = tokio::join!(kept.put_back(cluster), fleet.make(round), fleet.turn(round));
    back.and(made).and(turned)?;
    let flagged = fleet.flagged();
    kept.tenants.retain(|tenant| name(tenant) != flagged);
    let ready = kept.ready(cluster).await;
    // The Tenants come back whatever the outcome.
    late.put_back(cluster).await?;
    watched.and(ready)?;
    late.ready(cluster).await?;
    fleet.delete(round - 1).await?;
    fleet.settled(round).await
}

async fn again_and_again(scene: &Scene) -> Result<()> {
    let before = Inventory::settled(&scene.cluster).await?;
    let tier = scene.tier(json!({})).await?;
    let workloads = json!([server_workload("web")]);
    let mut tenants = Vec::new();
    for (suffix, policy) in [("retain", "Retain"), ("delete", "Delete")] {
        let spec = json!({"workloads": workloads, "deletionPolicy": policy});
        tenants.push(scene.tenant(suffix, &tier, spec).await?);
    }
    let fleet = Fleet::new(scene, "crd_removal").await?;
    for tenant in &tenants {
        tenant.ready().await?;
    }
    let rounds = rounds();
    for round in 1..=rounds {
        play(scene, &fleet, &tenants, round).await?;
    }
    operator::available(&scene.cluster).await?;
    for tenant in &tenants {
        tenant.patch(json!({"deletionPolicy": "Delete"})).await?;
        tenant.delete().await?;
    }
    fleet.remove(rounds).await?;
    for tenant in &tenants {
        tenant.gone().await?;
    }
    scene.cluster.delete(&path("tenanttiers", "", &tier)).await?;
    before.is_as_before(&scene.cluster).await
}

#[tokio::test]
async fn removing_the_crds_removes_no_namespace() -> Result<()> {
    let scene = Scene::new("crds").await?;
    again_and_again(&scene).await
}
