//! Whether a tenant at its limit slows the others: how long their changes take alone, and beside one.

use crate::change::{Observer, spread};
use crate::cluster::Cluster;
use crate::noise::{self, Noise};
use crate::timing::{percentile, until};
use crate::{fleet, say, spec};
use anyhow::{Context, Result};
use serde_json::json;
use std::time::Duration;

/// How many of the other tenants are changed, and how often each: an even number, after which they are as before.
const OTHERS: usize = 20;
const ROUNDS: usize = 4;
/// How long the Admin is at it before the others are looked at.
const UNREST: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(100);

/// From the change of a Tenant until its status was seen Ready at that generation, the shortest first.
#[derive(Clone, Debug)]
pub struct Fairness {
    pub alone: Vec<Duration>,
    pub beside: Vec<Duration>,
    /// How many changes the noisy tenant's Admin made in a second.
    pub rate: f64,
}

impl Fairness {
    /// How many times as long it takes beside the noisy tenant: the median, and what one in twenty is above.
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
    until("the noisy tenant to be Ready again", PATIENCE * 2, GLANCE, async || {
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
