//! The TenantNamespaces of the cluster, by tenant, and the loops that keep them.

use super::finalizer;
use crate::api::{Tenant, TenantNamespace};
use crate::capability::Watching;
use crate::cluster::Queue;
use crate::cluster::client::watch_config;
use crate::cluster::watch::{self, Cache};
use futures::{Stream, StreamExt};
use kube::api::Api;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The period in which the operator looks for TenantNamespaces of tenants that are gone.
const SWEEP_PERIOD: Duration = Duration::from_secs(30);

type ByTenant = BTreeMap<String, BTreeMap<String, Arc<TenantNamespace>>>;

/// The TenantNamespaces of the cluster, as far as a watch has shown them. Clones share them.
#[derive(Clone, Default)]
pub struct TenantNamespaces(Arc<Mutex<ByTenant>>);

impl TenantNamespaces {
    /// Those of one tenant, by name.
    pub fn of(&self, tenant: &str) -> BTreeMap<String, Arc<TenantNamespace>> {
        self.lock().get(tenant).cloned().unwrap_or_default()
    }

    /// Takes in the answer to a write of one that is known.
    pub fn refresh(&self, object: TenantNamespace) {
        let mut all = self.lock();
        let of = all.get_mut(&object.namespace().unwrap_or_default());
        let known = of.and_then(|of| of.get_mut(&object.name_any()));
        if let Some(known) = known.filter(|known| known.metadata.uid == object.metadata.uid) {
            *known = Arc::new(object);
        }
    }

    /// These, as a list showed them.
    #[cfg(test)]
    pub fn listed(all: impl IntoIterator<Item = TenantNamespace>) -> Self {
        let known = Self::default();
        all.into_iter().for_each(|object| put(&mut known.lock(), object));
        known
    }

    fn tenants(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, ByTenant> {
        // A panic while the lock was held cannot leave a map half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put(all: &mut ByTenant, object: TenantNamespace) {
    let of = all.entry(object.namespace().unwrap_or_default()).or_default();
    of.insert(object.name_any(), Arc::new(object));
}

/// Returns true where the operator acts on what differs: its own writes of a status wake nobody.
fn differ(a: Option<&Arc<TenantNamespace>>, b: Option<&Arc<TenantNamespace>>) -> bool {
    let part = |object: &Arc<TenantNamespace>| {
        let meta = object.metadata.clone();
        (meta.uid, meta.generation, meta.deletion_timestamp, meta.finalizers)
    };
    a.map(part) != b.map(part)
}

/// Fills [`TenantNamespaces`] from a watch.
struct Filler {
    known: TenantNamespaces,
    listing: ByTenant,
}

impl Cache<TenantNamespace> for Filler {
    /// The tenant of an object that changed.
    type Change = String;

    async fn update(&mut self, event: Event<TenantNamespace>) -> Vec<String> {
        match event {
            Event::Init => {
                self.listing.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                put(&mut self.listing, object);
                Vec::new()
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listing);
                let before = std::mem::replace(&mut *self.known.lock(), listed.clone());
                let tenants: BTreeSet<String> = before.keys().chain(listed.keys()).cloned().collect();
                // Their last reconcile may have failed for want of an API server.
                tenants.into_iter().collect()
            }
            Event::Apply(object) => {
                let (tenant, name) = (object.namespace().unwrap_or_default(), object.name_any());
                let before = self.known.of(&tenant).remove(&name);
                let is_change = differ(before.as_ref(), Some(&Arc::new(object.clone())));
                put(&mut self.known.lock(), object);
                Vec::from_iter(is_change.then_some(tenant))
            }
            Event::Delete(object) => {
                let tenant = object.namespace().unwrap_or_default();
                let mut all = self.known.lock();
                if let Some(of) = all.get_mut(&tenant) {
                    of.remove(&object.name_any());
                    if of.is_empty() {
                        all.remove(&tenant);
                    }
                }
                vec![tenant]
            }
        }
    }
}

/// Watches the TenantNamespaces, for ever. A change wakes the tenant in whose first namespace it is.
pub async fn follow(watching: Watching, known: TenantNamespaces) {
    let api = Api::all(watching.client.clone());
    let events = watch::noted(watch::trimmed(api, watch_config(), |_| {}));
    follow_events(events, known, &watching.queue).await;
}

async fn follow_events(
    events: impl Stream<Item = watcher::Result<Event<TenantNamespace>>> + Send,
    known: TenantNamespaces,
    queue: &Queue,
) {
    let listing = ByTenant::default();
    let mut changes = pin!(watch::changes(events, Filler { known, listing }));
    while let Some(change) = changes.next().await {
        match change {
            Ok(tenant) => queue.wake(&tenant),
            Err(error) => tracing::warn!(%error, "the watch of TenantNamespaces failed and is begun anew"),
        }
    }
}

/// Releases the TenantNamespaces of tenants that are gone, for ever: nothing must hang on them.
pub async fn sweep(watching: Watching, known: TenantNamespaces) {
    loop {
        tokio::time::sleep(SWEEP_PERIOD).await;
        for tenant in known.tenants() {
            let is_held = known.of(&tenant).values().any(|object| finalizer::is_on(object));
            if is_held && !watching.tenants.contains(&tenant) && is_gone(&watching.client, &tenant).await {
                for object in known.of(&tenant).values() {
                    if let Err(error) = finalizer::remove(&watching.client, object).await {
                        tracing::warn!(tenant, %error, "a TenantNamespace of a tenant that is gone could not be released");
                    }
                }
            }
        }
    }
}

async fn is_gone(client: &Client, tenant: &str) -> bool {
    let api: Api<Tenant> = Api::all(client.clone());
    matches!(api.get_metadata_opt(tenant).await, Ok(None))
}

#[cfg(test)]
#[path = "cache_test.rs"]
mod tests;
