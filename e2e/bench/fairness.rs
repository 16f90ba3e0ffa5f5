//! Whether a tenant at its limit slows the others: how long their changes take alone, and beside one.

use crate::cluster::Cluster;
use crate::noise::{self, Noise};
use crate::timing::{percentile, until};
use crate::{fleet, say, spec, watches};
use anyhow::{Context, Result};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tenant_operator::api::Tenant;

/// How many of the other tenants are changed, and how often each: an even number, after which they are as before.
const OTHERS: usize = 20;
const ROUNDS: usize = 4;
/// How long the Admin is at it before the others are looked at.
const UNREST: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(2);

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

/// Generations that were seen Ready, and when first.
type Seen = Arc<Mutex<HashMap<String, (i64, Instant)>>>;

/// Measures with the settled tenants of a run, the first of which is the noisy one; None where there is no other.
pub async fn run(cluster: &Cluster, run: &str, count: usize) -> Result<Option<Fairness>> {
    let others = others(count);
    if others.is_empty() {
        return Ok(None);
    }
    let others: Vec<String> = others.into_iter().map(|index| spec::name(run, index)).collect();
    let noisy = spec::name(run, 0);
    let seen = Seen::default();
    let labels = format!("{}={run}", spec::LABEL);
    let kept = seen.clone();
    let _watching = watches::each(cluster.tenants(), &labels, move |tenant| see(&kept, &tenant)).await?;

    say(format_args!("changes of {} tenants, alone", others.len()));
    let alone = change_all(cluster, &others, &seen).await?;
    say("the same beside a tenant at its limit");
    let noise = Noise::begin(cluster, &noisy, &spec::admins(&noisy)).await?;
    tokio::time::sleep(UNREST).await;
    let beside = change_all(cluster, &others, &seen).await?;
    let rate = noise.rate()?;
    drop(noise);
    noise::remove(cluster, &noisy).await?;
    until(
        "the noisy tenant to be Ready again",
        PATIENCE * 2,
        GLANCE * 50,
        async || Ok(fleet::is_ready(&cluster.tenants().get(&noisy).await?).then_some(())),
    )
    .await?;
    Ok(Some(Fairness { alone, beside, rate }))
}

/// Which of so many tenants are changed: evenly distributed, without the first.
fn others(count: usize) -> Vec<usize> {
    let others = count.saturating_sub(1);
    let taken = others.min(OTHERS);
    (0..taken).map(|number| 1 + number * others / taken).collect()
}

fn see(seen: &Seen, tenant: &Tenant) {
    if fleet::is_ready(tenant) {
        let (now, generation) = (Instant::now(), tenant.metadata.generation.unwrap_or_default());
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.entry(tenant.name_any()).or_insert((generation, now));
        if known.0 < generation {
            *known = (generation, now);
        }
    }
}

/// Changes one tenant after the other, so that they wait for nobody but the noisy one.
async fn change_all(cluster: &Cluster, tenants: &[String], seen: &Seen) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for round in 1..=ROUNDS {
        let destination = spec::DESTINATIONS[round % spec::DESTINATIONS.len()];
        for tenant in tenants {
            times.push(
                change(cluster, tenant, destination, seen)
                    .await
                    .with_context(|| tenant.clone())?,
            );
        }
    }
    times.sort();
    Ok(times)
}

/// Opens another destination, for which the operator replaces a NetworkPolicy and reports.
async fn change(cluster: &Cluster, tenant: &str, destination: &str, seen: &Seen) -> Result<Duration> {
    let patch = json!({"spec": {"network": {"egress": spec::egress(destination)}}});
    let begun = Instant::now();
    let changed = cluster
        .tenants()
        .patch(tenant, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    let generation = changed.metadata.generation.unwrap_or_default();
    until("its status to show the change", PATIENCE, GLANCE, async || {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let at = seen.get(tenant).filter(|(shown, _)| *shown >= generation);
        Ok(at.map(|(_, at)| at.duration_since(begun)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_are_spread_and_the_first_is_not_among_them() {
        assert!(others(0).is_empty() && others(1).is_empty());
        assert_eq!(others(4), [1, 2, 3]);
        let of_many = others(1000);
        assert_eq!((of_many.len(), of_many[0], of_many[1]), (OTHERS, 1, 50));
        assert!(of_many.last().is_some_and(|last| (900..1000).contains(last)));
    }
}
