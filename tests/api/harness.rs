//! Dry runs of one Tenant, TenantTier or DatabaseServer after another.

use crate::support::scene::{Scene, lay_over};
use crate::support::{Cluster, admin, cluster::text, eventually, path, refused, secs};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

static INSTALLED: OnceCell<()> = OnceCell::const_new();

/// The administrator of a cluster that has this build's CRDs.
pub async fn cluster() -> Result<Cluster> {
    let cluster = admin().await?;
    INSTALLED.get_or_try_init(|| install(&cluster)).await?;
    Ok(cluster)
}

async fn install(cluster: &Cluster) -> Result<()> {
    for crd in tenant_operator::api::crds() {
        let name = text(&crd["metadata"]["name"]);
        cluster
            .apply(&path("customresourcedefinitions", "", &name), &crd)
            .await
            .with_context(|| name.clone())?;
        let plural = text(&crd["spec"]["names"]["plural"]);
        eventually(&format!("{name} to be served"), secs(30), async || {
            let now = cluster.get(&path("customresourcedefinitions", "", &name)).await?;
            let conditions = now["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let established = conditions
                .iter()
                .any(|c| c["type"] == "Established" && c["status"] == "True");
            ensure!(established, "its conditions are {conditions:?}");
            cluster.list(&path(&plural, "", "")).await
        })
        .await?;
    }
    // The new schema takes effect a moment after the CRD was stored.
    tokio::time::sleep(secs(2)).await;
    Ok(())
}

/// One that is checked and not stored.
pub struct Dry {
    cluster: Cluster,
    resource: &'static str,
    kind: &'static str,
    base: Value,
}

impl Dry {
    pub async fn tenant() -> Result<Self> {
        Ok(Self {
            cluster: cluster().await?,
            resource: "tenants",
            kind: "Tenant",
            base: json!({"tier": "any"}),
        })
    }

    pub async fn tier() -> Result<Self> {
        Ok(Self {
            cluster: cluster().await?,
            resource: "tenanttiers",
            kind: "TenantTier",
            base: json!({}),
        })
    }

    pub async fn server() -> Result<Self> {
        Ok(Self {
            cluster: cluster().await?,
            resource: "databaseservers",
            kind: "DatabaseServer",
            base: json!({"host": "pg.example.com", "database": "tenants", "adminSecretRef": {"name": "pg-admin"}}),
        })
    }

    /// Returns the object that the API server would store for a spec (laid over the least one).
    pub async fn create(&self, name: &str, spec: Value) -> Result<Value, kube::Error> {
        let mut whole = self.base.clone();
        lay_over(&mut whole, spec);
        self.create_whole(name, whole).await
    }

    /// The same for a whole spec, in which a null stays.
    pub async fn create_whole(&self, name: &str, whole: Value) -> Result<Value, kube::Error> {
        let body = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": self.kind,
                          "metadata": {"name": name}, "spec": whole});
        let strict = "?dryRun=All&fieldValidation=Strict";
        self.cluster
            .create(&(path(self.resource, "", "") + strict), &body)
            .await
    }

    pub async fn accepts(&self, what: &str, spec: Value) -> Result<Value> {
        let name = Scene::without_operator("dry").await?.name.clone();
        self.create(&name, spec)
            .await
            .with_context(|| format!("{what} should be accepted"))
    }

    pub async fn refuses(&self, what: &str, spec: Value, words: &[&str]) -> Result<()> {
        let name = Scene::without_operator("dry").await?.name.clone();
        refused(what, self.create(&name, spec).await, words)
    }
}
