//! What is watched, and whom a change wakes.

use super::Context;
use crate::api::{DatabaseServer, Tenant, TenantTier};
use crate::capability::peers::names_peer;
use crate::cluster::{
    Kind, Queue, Store,
    client::watch_config,
    decode::Read,
    metadata::managed_selector,
    watch::{self, Change, ObjectChange, Objects, Reflected},
};
use crate::conditions::{condition, kind, reason};
use crate::database::{Databases, agent};
use crate::names;
use futures::{Stream, StreamExt};
use kube::api::{Api, DynamicObject};
use kube::runtime::reflector::{self, store::Writer};
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// Watches one kind of object of ours into the store, for ever.
pub async fn objects(client: Client, kind: Kind, store: Arc<Store>, tenants: reflector::Store<Tenant>, queue: Queue) {
    follow_objects(events(client, kind), kind, store, &tenants, &queue).await;
}

/// The same of a kind that a cluster may lack, until the API server says that it does not serve it.
pub async fn objects_while_served(
    client: Client,
    kind: Kind,
    store: &Arc<Store>,
    tenants: &reflector::Store<Tenant>,
    queue: &Queue,
) {
    let is_served = |event: &watcher::Result<_>| !event.as_ref().is_err_and(watch::is_unserved);
    let events = events(client, kind).take_while(|event| std::future::ready(is_served(event)));
    follow_objects(events, kind, store.clone(), tenants, queue).await;
}

fn events(client: Client, kind: Kind) -> impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Send {
    let api: Api<Read<DynamicObject>> = Api::all_with(client, &kind.resource());
    watch::alone(watch::events(api, watch_config().labels(&managed_selector())))
}

/// Wakes the tenants whose objects change. What is gone may be what other tenants wait for.
async fn follow_objects(
    events: impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Send,
    kind: Kind,
    store: Arc<Store>,
    tenants: &reflector::Store<Tenant>,
    queue: &Queue,
) {
    let mut changes = pin!(watch::changes(events, Objects { kind, store }));
    while let Some(change) = changes.next().await {
        match change {
            Ok(ObjectChange::Of(tenant)) => queue.wake(&tenant),
            Ok(ObjectChange::Deleted(name)) if is_contested(kind, &name) => wake_all(tenants, queue, is_in_conflict),
            Ok(ObjectChange::Deleted(_)) => {}
            Ok(ObjectChange::Listed) => match kind {
                // Whatever was gone before the list is in it no more.
                Kind::Namespace | Kind::ConfigMap => wake_all(tenants, queue, is_in_conflict),
                // The cluster may have lacked it.
                kind if !Kind::ALL.contains(&kind) => wake_all(tenants, queue, has_routes),
                _ => {}
            },
            Err(error) => tracing::warn!(%kind, %error, "a watch failed and is begun anew"),
        }
    }
}

/// Wakes all tenants of whom this is so.
pub fn wake_all(tenants: &reflector::Store<Tenant>, queue: &Queue, is_so: impl Fn(&Tenant) -> bool) {
    for tenant in tenants.state_filter(is_so) {
        queue.wake(&tenant.name_any());
    }
}

/// Whether a tenant is reached by a gateway.
pub fn has_routes(tenant: &Tenant) -> bool {
    let gateway = tenant.spec.gateway.as_ref();
    gateway.is_some_and(|gateway| !gateway.routes.is_empty())
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

/// Watches the tiers into their store, for ever; a change wakes the tenants of the tier.
pub async fn tiers(client: Client, writer: Writer<TenantTier>, tenants: reflector::Store<Tenant>, queue: Queue) {
    let events = watch::noted(watch::trimmed(Api::all(client), watch_config(), |_| {}));
    follow_tiers(events, writer, &tenants, &queue).await;
}

async fn follow_tiers(
    events: impl Stream<Item = watcher::Result<Event<TenantTier>>> + Send,
    writer: Writer<TenantTier>,
    tenants: &reflector::Store<Tenant>,
    queue: &Queue,
) {
    let mut changes = pin!(watch::changes(events, Reflected::new(writer)));
    while let Some(change) = changes.next().await {
        match change {
            Ok(Change::Changed(name) | Change::Deleted(name)) => {
                wake_all(tenants, queue, |tenant| tenant.spec.tier == name);
            }
            Ok(Change::Listed) => {}
            Err(error) => tracing::warn!(%error, "the watch of tiers failed and is begun anew"),
        }
    }
}

/// Watches the DatabaseServers into their store, and has each looked after while it exists, for ever.
pub async fn servers(client: Client, writer: Writer<DatabaseServer>, databases: Arc<Databases>) {
    let events = watch::noted(watch::trimmed(Api::all(client), watch_config(), |_| {}));
    let look_after = |name| AbortOnDropHandle::new(tokio::spawn(agent::look_after(databases.clone(), name)));
    follow_servers(events, writer, &databases, look_after).await;
}

async fn follow_servers(
    events: impl Stream<Item = watcher::Result<Event<DatabaseServer>>> + Send,
    writer: Writer<DatabaseServer>,
    databases: &Databases,
    look_after: impl Fn(String) -> AbortOnDropHandle<()>,
) {
    let mut agents: HashMap<String, (Option<i64>, AbortOnDropHandle<()>)> = HashMap::new();
    let mut changes = pin!(watch::changes(events, Reflected::new(writer)));
    while let Some(change) = changes.next().await {
        match change {
            Ok(Change::Changed(name)) => {
                let Some(server) = databases.resource(&name) else {
                    continue;
                };
                let generation = server.metadata.generation;
                let (known, _) = agents
                    .entry(name.clone())
                    .or_insert_with(|| (None, look_after(name.clone())));
                let spec_changed = std::mem::replace(known, generation) != generation;
                if spec_changed || server.metadata.deletion_timestamp.is_some() {
                    databases.shard(&name).nudge.notify_one();
                }
                if spec_changed {
                    databases.wake(&name);
                }
            }
            Ok(Change::Deleted(name)) => {
                if let Some((_, agent)) = agents.remove(&name) {
                    agent.abort();
                    // It would measure once more what is forgotten here.
                    let _ = agent.await;
                }
                databases.forget(&name);
                databases.metrics.forget_server(&name);
                databases.wake(&name);
            }
            Ok(Change::Listed) => {}
            Err(error) => tracing::warn!(%error, "the watch of database servers failed and is begun anew"),
        }
    }
}

/// Watches the tenants into their store, for ever.
pub async fn tenants(client: Client, writer: Writer<Tenant>, queue: Queue) {
    let events = watch::noted(watch::trimmed(Api::all(client), watch_config(), |_| {}));
    follow_tenants(events, writer, &queue).await;
}

/// Wakes a tenant that changes and those that name it as a peer: both sides must agree. Wakes all tenants when they were listed
/// anew: their last reconcile may have failed for want of an API server.
async fn follow_tenants(
    events: impl Stream<Item = watcher::Result<Event<Tenant>>> + Send,
    writer: Writer<Tenant>,
    queue: &Queue,
) {
    let tenants = writer.as_reader();
    let mut changes = pin!(watch::changes(events, Reflected::new(writer)));
    while let Some(change) = changes.next().await {
        match change {
            Ok(Change::Changed(name) | Change::Deleted(name)) => {
                queue.wake(&name);
                wake_all(&tenants, queue, |tenant| names_peer(tenant, &name));
            }
            Ok(Change::Listed) => wake_all(&tenants, queue, |_| true),
            Err(error) => tracing::warn!(%error, "the watch of tenants failed and is begun anew"),
        }
    }
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

#[cfg(test)]
#[path = "watches_test.rs"]
mod tests;
