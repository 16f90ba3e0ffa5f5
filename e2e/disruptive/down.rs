//! Without the operator, tenants run and the cluster works.

use crate::support::{Scene, TestTenant, eventually, path, pods, secs, server_workload};
use anyhow::{Context, Result, ensure};
use serde_json::json;

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// Tenants while there is no operator.
pub struct Down<'a> {
    scene: &'a Scene,
    tenants: &'a [TestTenant],
    late: TestTenant,
}

impl<'a> Down<'a> {
    /// Shows that tenants run on, breaks the first of them, deletes the second, and asks for one more.
    pub async fn meanwhile(scene: &'a Scene, tenants: &'a [TestTenant]) -> Result<Self> {
        for tenant in tenants {
            tenant.pods("web", 1).await?;
        }
        let name = &tenants[0].name;
        // The operator later reverts an administrator's change.
        let (namespace, policy) = broken(name);
        let lowered =
            json!({"metadata": {"labels": {ENFORCE: "baseline", "tenant-operator.io/isolation": "SharedData"}}});
        scene
            .cluster
            .patch(&namespace, &lowered)
            .await
            .context("lower Pod Security")?;
        scene.cluster.delete(&policy).await.context("delete a policy")?;
        let owner = scene.cluster.impersonate(&scene.name, &["system:authenticated"])?;
        let own = pods::deployment("own", 1);
        owner
            .create(&path("deployments", name, ""), &own)
            .await
            .context("an owner's Deployment")?;
        let web = scene.cluster.names(&path("pods", name, "")).await?;
        scene
            .cluster
            .delete(&path("pods", name, &web[0]))
            .await
            .context("delete a pod")?;
        let plain = scene.namespace("plain").await?;
        pods::run(&scene.cluster, &plain, "pod").await?;
        let (_, cells) = scene.cluster.table(&path("tenants", "", ""), name).await?;
        ensure!(cells[3] == "True", "{cells:?}");
        // The operator later applies a change that it missed.
        let tier = scene.tier(json!({})).await?;
        let late = scene
            .tenant("late", &tier, json!({"workloads": [server_workload("web")]}))
            .await?;
        tenants[1].delete().await?;
        Ok(Self { scene, tenants, late })
    }

    /// Waits until the operator, which is back, has made up for it.
    pub async fn make_up_for(self) -> Result<()> {
        self.late.ready().await?;
        self.tenants[1].gone().await?;
        self.tenants[0].pods("web", 1).await?;
        let (namespace, policy) = broken(&self.tenants[0].name);
        eventually("what was broken to be put right", secs(30), async || {
            let labels = self.scene.cluster.get(&namespace).await?["metadata"]["labels"].clone();
            let is = |key: &str, value: &str| labels[key] == value;
            ensure!(
                is(ENFORCE, "restricted") && is("tenant-operator.io/isolation", "DedicatedApplication"),
                "{labels}"
            );
            ensure!(self.scene.cluster.exists(&policy).await?, "the policy is not back");
            Ok(())
        })
        .await
    }
}

/// The namespace and the policy of a tenant's that are broken.
fn broken(name: &str) -> (String, String) {
    let policy = path("networkpolicies", name, "tenant-operator-deny-all");
    (path("namespaces", "", name), policy)
}
