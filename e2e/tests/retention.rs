//! `deletionPolicy: Retain`, and coming back.

use crate::support::{Scene, TestTenant, eventually, path, pods, secs, server_workload, shell_workload, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

struct Retained {
    scene: Scene,
    tier: String,
    name: String,
    id: String,
    claim: Value,
}

fn spec(scene: &Scene) -> Value {
    let mut shell = shell_workload("shell");
    shell["volumeClaims"] = json!([{"name": "data", "mountPath": "/data", "storage": "16Mi"}]);
    json!({"workloads": [server_workload("web"), shell], "deletionPolicy": "Retain", "namespaces": [{"name": "more"}],
           "owners": [{"kind": "User", "name": scene.name, "role": "Admin"}]})
}

impl Retained {
    async fn new(hint: &str) -> Result<Self> {
        let scene = Scene::new(hint).await?;
        let tier = scene.tier(json!({})).await?;
        let tenant = scene.tenant("", &tier, spec(&scene)).await?;
        tenant.ready().await?;
        let name = tenant.name.clone();
        scene.will_leave_namespace(&name);
        scene.will_leave_namespace(&format!("{name}-more"));
        let id = text(&tenant.get().await?["status"]["id"]);
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "data"}, "data": {"kept": "yes"}});
        scene
            .cluster
            .create(&path("configmaps", &name, ""), &map)
            .await
            .context("data")?;
        scene
            .cluster
            .create(&path("deployments", &name, ""), &pods::deployment("own", 1))
            .await
            .context("a Deployment")?;
        let claim = scene
            .cluster
            .get(&path("persistentvolumeclaims", &name, "shell-data"))
            .await?;
        tenant.delete().await?;
        tenant.gone().await?;
        Ok(Self {
            scene,
            tier,
            name,
            id,
            claim: claim["metadata"]["uid"].clone(),
        })
    }

    async fn namespace(&self) -> Result<Value> {
        Ok(self.scene.cluster.get(&path("namespaces", "", &self.name)).await?)
    }

    async fn data_is_there(&self) -> Result<()> {
        let map = self
            .scene
            .cluster
            .get(&path("configmaps", &self.name, "data"))
            .await
            .context("the data")?;
        ensure!(map["data"]["kept"] == "yes", "{map}");
        let claim = self
            .scene
            .cluster
            .get(&path("persistentvolumeclaims", &self.name, "shell-data"))
            .await?;
        ensure!(
            claim["metadata"]["uid"] == self.claim && claim["metadata"]["deletionTimestamp"].is_null(),
            "{claim}"
        );
        Ok(())
    }

    async fn is_quiet(&self) -> Result<()> {
        for namespace in [self.name.clone(), format!("{}-more", self.name)] {
            let left = self.scene.cluster.names(&path("pods", &namespace, "")).await?;
            ensure!(left.is_empty(), "there are pods in {namespace}: {left:?}");
            let bindings = self.scene.cluster.names(&path("rolebindings", &namespace, "")).await?;
            ensure!(
                !bindings.iter().any(|b| b.starts_with("tenant-operator-tenant-")),
                "owners in {namespace}: {bindings:?}"
            );
            let quota = self
                .scene
                .cluster
                .get(&path("resourcequotas", &namespace, "tenant"))
                .await?;
            ensure!(
                matches!(quota["spec"]["hard"]["pods"].to_string().trim_matches('"'), "0"),
                "{quota}"
            );
        }
        self.data_is_there().await
    }
}

#[tokio::test]
async fn what_is_retained_is_quiet_marked_and_tells_how_to_reclaim_it() -> Result<()> {
    let retained = Retained::new("retain").await?;
    let namespace = retained.namespace().await?;
    let metadata = &namespace["metadata"];
    ensure!(
        metadata["labels"]["tenant-operator.io/retained"] == "true",
        "{metadata}"
    );
    let how = text(&metadata["annotations"]["tenant-operator.io/reclaim"]);
    ensure!(
        how.contains("spec.id") && how.contains(&retained.id),
        "it says: {how:?}"
    );
    retained.is_quiet().await
}

#[tokio::test]
async fn the_name_alone_opens_nothing() -> Result<()> {
    let retained = Retained::new("reuse").await?;
    let before = retained.namespace().await?;
    let again = retained.scene.tenant("", &retained.tier, spec(&retained.scene)).await?;
    again.not_ready(&["Conflict"], &[&retained.name]).await?;
    let id = text(&again.get().await?["status"]["id"]);
    ensure!(id != retained.id, "the former customer's id was given to a new one");
    retained.is_quiet().await?;
    ensure!(
        retained.namespace().await?["metadata"]["labels"] == before["metadata"]["labels"],
        "the labels changed"
    );
    // Nor does its deletion.
    again.patch(json!({"deletionPolicy": "Delete"})).await?;
    again.delete().await?;
    again.gone().await?;
    ensure!(
        retained.namespace().await?["metadata"]["deletionTimestamp"].is_null(),
        "the data was deleted"
    );
    retained.is_quiet().await
}

#[tokio::test]
async fn the_id_reclaims_it() -> Result<()> {
    let retained = Retained::new("reclaim").await?;
    let mut spec = spec(&retained.scene);
    spec["id"] = json!(retained.id);
    let again: TestTenant = retained.scene.tenant("", &retained.tier, spec).await?;
    again.ready().await?;
    retained.data_is_there().await?;
    let metadata = retained.namespace().await?["metadata"].clone();
    ensure!(
        metadata["labels"]["tenant-operator.io/retained"].is_null(),
        "{metadata}"
    );
    ensure!(
        metadata["annotations"]["tenant-operator.io/reclaim"].is_null(),
        "{metadata}"
    );
    again.pods("web", 1).await?;
    again.pods("shell", 1).await?;
    eventually("the owners to be back", secs(10), async || {
        let at = path("rolebindings", &retained.name, "tenant-operator-tenant-admin");
        ensure!(retained.scene.cluster.exists(&at).await?, "they are not");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn another_id_does_not() -> Result<()> {
    let retained = Retained::new("wrongid").await?;
    let mut spec = spec(&retained.scene);
    spec["id"] = json!("00000000-0000-4000-8000-000000000000");
    let again = retained.scene.tenant("", &retained.tier, spec).await?;
    again.not_ready(&["Conflict"], &[&retained.name]).await?;
    retained.is_quiet().await
}
