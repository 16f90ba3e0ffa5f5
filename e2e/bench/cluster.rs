//! The plain client, and where things are.

use anyhow::{Context, Result};
use kube::api::{Api, DynamicObject};
use kube::{Client, Config};
use std::time::Duration;
use tenant_operator::api::{Tenant, TenantTier};
use tenant_operator::cluster::Kind;

/// How many requests the bench has under way at most.
pub const WORKERS: usize = 16;

#[derive(Clone)]
pub struct Cluster {
    pub client: Client,
}

impl Cluster {
    pub async fn connect() -> Result<Self> {
        let mut config = Config::infer()
            .await
            .context("no cluster: set KUBECONFIG, or run make bench")?;
        config.read_timeout = Some(Duration::from_secs(60));
        let client = Client::try_from(config)?;
        client
            .apiserver_version()
            .await
            .context("the cluster does not answer")?;
        Ok(Self { client })
    }

    /// The kind's API in a namespace; cluster-wide where that is empty.
    pub fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        match namespace {
            "" => Api::all_with(self.client.clone(), &kind.resource()),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &kind.resource()),
        }
    }

    pub fn tenants(&self) -> Api<Tenant> {
        Api::all(self.client.clone())
    }

    pub fn tiers(&self) -> Api<TenantTier> {
        Api::all(self.client.clone())
    }
}

/// Whether the API server answered with this status code.
pub fn has_code(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
