//! Fairness: the duration of other tenants' changes, alone and beside a tenant at its limit.

use crate::change::{Observer, spread};
use crate::cluster::Cluster;
use crate::noise::{self, Noise};
use crate::timing::{percentile, until};
use crate::{fleet, say, spec};
use anyhow::{Context, Result};
use serde_json::json;
use std::time::Duration;

/// The number of other tenants to change, and of changes to each: even, so that each ends as it began.
const OTHERS: usize = 20;
const ROUNDS: usize = 4;
/// The time for which the Admin is active before the first measurement.
const UNREST: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(100);

/// Time from the change of a Tenant until its status was Ready at that generation, the shortest first.
#[derive(Clone, Debug)]
pub struct Fairness {
    pub alone: Vec<Duration>,
    pub beside: Vec<Duration>,
    /// Changes by the noisy tenant's Admin in a second.
    pub rate: f64,
}

impl Fairness {
    /// Returns the slow-down beside the noisy tenant: of the median, and of the 95th percentile.
    pub fn ratios(&self) -> [f64; 2] {
        [0.50, 0.95].map(|share| {
            let [beside, alone] = [&self.beside, &self.alone].map(|times| percentile(times, share).as_secs_f64());
            beside / alone
        })
    }
}

/// Measures with the settled tenants of a run, the first of which is the noisy one; None where there is no other.
pub async fn run(cluster: &Cluster, run: &str, count: usize) -> Result<Option<Fairness>> {
    let others = spread(count, OTHERS);
    if others.is_empty() {
        return Ok(None);
    }
    let others: Vec<String> = others.into_iter().map(|index| spec::name(run, index)).collect();
    let noisy = spec::name(run, 0);
    let observer = Observer::of(cluster, run).await?;

    say(format_args!("changes of {} tenants, alone", others.len()));
    let alone = change_all(&observer, &others).await?;
    say("the same beside a tenant at its limit");
    let noise = Noise::begin(cluster, &noisy, &spec::admins(&noisy)).await?;
    tokio::time::sleep(UNREST).await;
    let beside = change_all(&observer, &others).await?;
    let rate = noise.rate()?;
    drop(noise);
    noise::remove(cluster, &noisy).await?;
    until("the noisy tenant to be Ready again", TIMEOUT * 2, GLANCE, async || {
        Ok(fleet::is_ready(&cluster.tenants().get(&noisy).await?).then_some(()))
    })
    .await?;
    Ok(Some(Fairness { alone, beside, rate }))
}

/// Changes one tenant after the other, so that they wait for nobody but the noisy one.
async fn change_all(observer: &Observer, tenants: &[String]) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for round in 1..=ROUNDS {
        let destination = spec::DESTINATIONS[round % spec::DESTINATIONS.len()];
        // The operator replaces a NetworkPolicy and reports.
        let patch = json!({"spec": {"network": {"egress": spec::egress(destination)}}});
        for tenant in tenants {
            times.push(observer.change(tenant, &patch).await.with_context(|| tenant.clone())?);
        }
    }
    times.sort();
    Ok(times)
}
