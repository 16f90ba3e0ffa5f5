//! The operator's turn: Tenants are created, and watched until each is Ready.

use crate::cluster::{Cluster, WORKERS};
use crate::spec::{self, FLEET, LABEL, Profile};
use crate::watches;
use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::PostParams;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tenant_operator::api::Tenant;
use tenant_operator::conditions::{condition, kind};

/// The results of the operator's turn.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Time from the first create until the last tenant was Ready.
    pub total: Duration,
    /// Time from each tenant's create until it was Ready, the shortest first.
    pub each: Vec<Duration>,
}

/// Creates `count` tenants and waits until all are Ready.
pub async fn run(cluster: &Cluster, profile: Profile, count: usize) -> Result<Fleet> {
    let ready: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let seen = ready.clone();
    let labels = format!("{LABEL}={FLEET}");
    let _watching = watches::each(cluster.tenants(), &labels, move |tenant| {
        if is_ready(&tenant) {
            let name = tenant.metadata.name.unwrap_or_default();
            seen.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(name)
                .or_insert_with(Instant::now);
        }
    })
    .await?;

    let started = Instant::now();
    let creations = (0..count).map(|index| async move {
        let (name, tenant) = (spec::name(FLEET, index), spec::tenant(profile, FLEET, index)?);
        let begun = Instant::now();
        cluster
            .tenants()
            .create(&PostParams::default(), &tenant)
            .await
            .with_context(|| name.clone())?;
        anyhow::Ok((name, begun))
    });
    let created: HashMap<String, Instant> = stream::iter(creations)
        .buffer_unordered(WORKERS)
        .try_collect()
        .await
        .context("create the tenants")?;

    let end = started + profile.patience(count);
    loop {
        let found = ready.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if found.len() >= count {
            let total = found
                .values()
                .max()
                .map(|last| last.duration_since(started))
                .unwrap_or_default();
            let mut each: Vec<Duration> = created
                .iter()
                .filter_map(|(name, begun)| Some(found.get(name)?.duration_since(*begun)))
                .collect();
            each.sort();
            return Ok(Fleet { total, each });
        }
        if Instant::now() > end {
            let missing = created
                .keys()
                .find(|name| !found.contains_key(*name))
                .cloned()
                .unwrap_or_default();
            let tenant = cluster.tenants().get_opt(&missing).await?;
            let why = tenant
                .as_ref()
                .and_then(|tenant| condition(tenant, kind::READY))
                .map(|ready| ready.message.clone());
            bail!(
                "{} of {count} tenants are Ready; {missing}: {}",
                found.len(),
                why.unwrap_or_else(|| "no status".into())
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns true if it is Ready, its newest spec included.
pub fn is_ready(tenant: &Tenant) -> bool {
    condition(tenant, kind::READY)
        .is_some_and(|ready| ready.status == "True" && ready.observed_generation == tenant.metadata.generation)
}
