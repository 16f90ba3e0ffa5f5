//! What is watched, and whom a change wakes.

use super::{Context, Queue};
use crate::api::{DatabaseServer, Tenant, TenantTier};
use crate::cluster::client::watch_config;
use crate::cluster::{Kind, Store};
use crate::database::{Databases, agent};
use crate::names;
use crate::tenant::observe::names_peer;
use crate::tenant::status::{condition, kind, reason};
use futures::{Stream, StreamExt, TryStreamExt};
use kube::api::{Api, DynamicObject};
use kube::runtime::reflector;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// Watches one kind of object of ours into the store, for ever. What is gone may be what other tenants wait for.
pub async fn objects(client: Client, kind: Kind, store: Arc<Store>, tenants: reflector::Store<Tenant>, queue: Queue) {
    let api: Api<DynamicObject> = Api::all_with(client, &kind.resource());
    let mut stream = std::pin::pin!(watch(api, watch_config().labels(&ours())).default_backoff());
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => {
                if matches!(&event, Event::Delete(gone) if is_contested(kind, &gone.name_any())) {
                    let waiting = tenants.state().into_iter().filter(|tenant| is_in_conflict(tenant));
                    waiting.for_each(|tenant| queue.wake(&tenant.name_any()));
                }
                for tenant in store.observe(kind, event) {
                    queue.wake(&tenant);
                }
            }
            Err(error) => tracing::warn!(%kind, %error, "a watch failed and is begun anew"),
        }
    }
}

/// Whether two tenants can want an object of this name.
fn is_contested(kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Namespace => true,
        Kind::ConfigMap => names::is_claim(name),
        _ => false,
    }
}

/// Whether a tenant was told that another has what it wants.
fn is_in_conflict(tenant: &Tenant) -> bool {
    condition(tenant, kind::READY).is_some_and(|ready| ready.status == "False" && ready.reason == reason::CONFLICT)
}

/// The selector of what bears our marks.
pub fn ours() -> String {
    format!("{},{}={}", names::TENANT_ID, names::MANAGED_BY, names::MANAGER)
}

/// Watches the tiers into their store, for ever; a change wakes the tenants of the tier.
pub async fn tiers(
    client: Client,
    writer: reflector::store::Writer<TenantTier>,
    tenants: reflector::Store<Tenant>,
    queue: Queue,
) {
    let mut stream = std::pin::pin!(reflected(Api::all(client), watch_config(), writer));
    while let Some(event) = stream.next().await {
        let tier = match event {
            Ok(Event::Apply(tier) | Event::Delete(tier) | Event::InitApply(tier)) => tier,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "the watch of tiers failed and is begun anew");
                continue;
            }
        };
        let name = tier.metadata.name.unwrap_or_default();
        for tenant in tenants.state().into_iter().filter(|tenant| tenant.spec.tier == name) {
            queue.wake(tenant.metadata.name.as_deref().unwrap_or_default());
        }
    }
}

/// Watches the DatabaseServers into their store, and has each looked after while it exists, for ever.
pub async fn servers(client: Client, writer: reflector::store::Writer<DatabaseServer>, databases: Arc<Databases>) {
    let mut agents = HashMap::new();
    let mut stream = std::pin::pin!(reflected(Api::all(client), watch_config(), writer));
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Apply(server) | Event::InitApply(server)) => {
                let name = server.name_any();
                let generation = server.metadata.generation;
                let (known, _) = agents.entry(name.clone()).or_insert_with(|| {
                    let tending = agent::look_after(databases.clone(), name.clone());
                    (None, AbortOnDropHandle::new(tokio::spawn(tending)))
                });
                let spec_changed = std::mem::replace(known, generation) != generation;
                if spec_changed || server.metadata.deletion_timestamp.is_some() {
                    databases.shard(&name).nudge.notify_one();
                }
                if spec_changed {
                    databases.wake(&name);
                }
            }
            Ok(Event::Delete(server)) => {
                let name = server.name_any();
                agents.remove(&name);
                databases.wake(&name);
                databases.forget(&name);
                databases.metrics.forget_server(&name);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the watch of database servers failed and is begun anew"),
        }
    }
}

/// The tenants themselves. A change of one wakes those that name it as a peer too: both sides must agree.
pub fn tenants(
    client: Client,
    tenants: reflector::Store<Tenant>,
    writer: reflector::store::Writer<Tenant>,
    queue: Queue,
) -> impl Stream<Item = Result<Tenant, watcher::Error>> {
    reflected(Api::all(client), watch_config(), writer)
        .inspect_ok(move |event| {
            if let Event::Apply(changed) | Event::Delete(changed) = event {
                let changed = changed.metadata.name.as_deref().unwrap_or_default();
                for tenant in tenants.state().iter().filter(|tenant| names_peer(tenant, changed)) {
                    queue.wake(tenant.metadata.name.as_deref().unwrap_or_default());
                }
            }
        })
        .touched_objects()
}

/// A watch into a store, without what nobody reads.
pub fn reflected<K>(
    api: Api<K>,
    config: watcher::Config,
    writer: reflector::store::Writer<K>,
) -> impl Stream<Item = watcher::Result<Event<K>>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    trimmed(api, config, |_| {}).reflect(writer)
}

/// A watch without what nobody reads: what is noted of how objects were written, and what `trim` takes out.
pub fn trimmed<K>(
    api: Api<K>,
    config: watcher::Config,
    trim: fn(&mut K),
) -> impl Stream<Item = watcher::Result<Event<K>>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    watch(api, config).default_backoff().modify(move |object| {
        trim(object);
        object.managed_fields_mut().clear();
        object
            .annotations_mut()
            .remove("kubectl.kubernetes.io/last-applied-configuration");
    })
}

/// Counts tenants by condition, for the metrics.
pub fn count(ctx: &Context) -> Vec<(String, String, i64)> {
    let mut counts = std::collections::BTreeMap::new();
    for tenant in ctx.known.tenants.state() {
        for condition in tenant.status.iter().flat_map(|status| &status.conditions) {
            *counts
                .entry((condition.type_.clone(), condition.status.clone()))
                .or_insert(0) += 1;
        }
    }
    counts
        .into_iter()
        .map(|((kind, status), count)| (kind, status, count))
        .collect()
}
