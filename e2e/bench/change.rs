//! A change of one tenant's spec, and how long it takes until its status shows it.

use crate::cluster::Cluster;
use crate::timing::until;
use crate::{fleet, spec, watches};
use anyhow::Result;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tenant_operator::api::Tenant;
use tokio_util::task::AbortOnDropHandle;

const TIMEOUT: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(2);

/// Generations that were seen Ready, and when first.
type Seen = Arc<Mutex<HashMap<String, (i64, Instant)>>>;

/// Watches a run's tenants.
pub struct Observer {
    cluster: Cluster,
    seen: Seen,
    _watching: AbortOnDropHandle<()>,
}

impl Observer {
    pub async fn of(cluster: &Cluster, run: &str) -> Result<Self> {
        let seen = Seen::default();
        let kept = seen.clone();
        let labels = format!("{}={run}", spec::LABEL);
        let watching = watches::each(cluster.tenants(), &labels, move |tenant| see(&kept, &tenant)).await?;
        Ok(Self {
            cluster: cluster.clone(),
            seen,
            _watching: watching,
        })
    }

    /// Lays something over a Tenant's spec. Returns how long it takes until that is Ready.
    pub async fn change(&self, tenant: &str, patch: &Value) -> Result<Duration> {
        let begun = Instant::now();
        let changed = self
            .cluster
            .tenants()
            .patch(tenant, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        let generation = changed.metadata.generation.unwrap_or_default();
        until("its status to show the change", TIMEOUT, GLANCE, async || {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let at = seen.get(tenant).filter(|(shown, _)| *shown >= generation);
            Ok(at.map(|(_, at)| at.duration_since(begun)))
        })
        .await
    }
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

/// Returns at most this number of tenants, evenly distributed, without the first.
pub fn spread(tenants: usize, most: usize) -> Vec<usize> {
    let others = tenants.saturating_sub(1);
    let taken = others.min(most);
    (0..taken).map(|number| 1 + number * others / taken).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_are_spread_and_the_first_is_not_among_them() {
        assert!(spread(0, 20).is_empty() && spread(1, 20).is_empty());
        assert_eq!(spread(4, 20), [1, 2, 3]);
        let of_many = spread(1000, 20);
        assert_eq!((of_many.len(), of_many[0], of_many[1]), (20, 1, 50));
        assert!(of_many.last().is_some_and(|last| (900..1000).contains(last)));
    }
}
