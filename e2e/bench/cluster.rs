//! The plain client, and where things are.

use crate::operator;
use anyhow::{Context, Result};
use kube::api::{Api, DynamicObject};
use kube::{Client, Config};
use std::time::Duration;
use tenant_operator::api::{Tenant, TenantTier};
use tenant_operator::cluster::Kind;

/// The most concurrent requests of the bench.
pub const WORKERS: usize = 16;

#[derive(Clone)]
pub struct Cluster {
    pub client: Client,
    /// The client for objects that only the operator may write.
    as_operator: Client,
}

impl Cluster {
    pub async fn connect() -> Result<Self> {
        let mut config = Config::infer()
            .await
            .context("no cluster: set KUBECONFIG, or run make bench")?;
        config.read_timeout = Some(Duration::from_secs(60));
        let client = Client::try_from(config.clone())?;
        config.auth_info.impersonate = Some(operator::USER.into());
        let as_operator = Client::try_from(config)?;
        client
            .apiserver_version()
            .await
            .context("the cluster does not answer")?;
        Ok(Self { client, as_operator })
    }

    /// The kind's API in a namespace; cluster-wide where that is empty.
    pub fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        match namespace {
            "" => Api::all_with(self.client.clone(), &kind.resource()),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &kind.resource()),
        }
    }

    /// The same for the operator.
    pub fn operators(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.as_operator.clone(), namespace, &kind.resource())
    }

    pub fn tenants(&self) -> Api<Tenant> {
        Api::all(self.client.clone())
    }

    pub fn tiers(&self) -> Api<TenantTier> {
        Api::all(self.client.clone())
    }
}

/// Accepts that an object is already gone.
pub fn gone<T>(result: Result<T, kube::Error>) -> Result<()> {
    match result {
        Err(error) if !has_code(&error, 404) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Returns true if the API server answered with this status code.
pub fn has_code(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
