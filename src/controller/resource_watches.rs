//! Watches of tenants, tiers and servers, and the tenants that a change wakes.

use super::Context;
use super::events::Events;
use crate::api::{DatabaseServer, MAX_DEPTH, Tenant, TenantTier};
use crate::capability::family::Link;
use crate::capability::tenants::{TenantCache, Tenants};
use crate::cluster::{
    Queue,
    client::watch_config,
    watch::{self, Change, Reflected},
};
use crate::database::{Databases, server_loop};
use crate::tenant::tier_change;
use futures::{Stream, StreamExt};
use kube::api::Api;
use kube::runtime::reflector::{ObjectRef, store::Writer};
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use serde::Deserialize;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// Watches the tiers into their store, for ever; a change wakes the tenants of the tier. One that takes something from them is published.
pub async fn tiers(client: Client, writer: Writer<TenantTier>, tenants: Tenants, queue: Queue, publisher: Arc<Events>) {
    let events = watch::noted(watch::trimmed(Api::all(client), watch_config(), |_| {}));
    let publish = move |tier: Arc<TenantTier>, note: String| {
        tracing::warn!(tier = tier.name_any(), "{note}");
        let publisher = publisher.clone();
        tokio::spawn(async move { publisher.reduced(&tier, note).await });
    };
    follow_tiers(events, writer, &tenants, &queue, publish).await;
}

async fn follow_tiers(
    events: impl Stream<Item = watcher::Result<Event<TenantTier>>> + Send,
    writer: Writer<TenantTier>,
    tenants: &Tenants,
    queue: &Queue,
    publish: impl Fn(Arc<TenantTier>, String) + Send,
) {
    let tiers = writer.as_reader();
    let mut former: HashMap<String, Arc<TenantTier>> = HashMap::new();
    let mut changes = pin!(watch::changes(events, Reflected::new(writer)));
    while let Some(change) = changes.next().await {
        match change {
            Ok(Change::Changed(name) | Change::Deleted(name)) => {
                let tier = tiers.get(&ObjectRef::new(&name));
                let known = match &tier {
                    Some(tier) => former.insert(name.clone(), tier.clone()),
                    None => former.remove(&name),
                };
                if let (Some(known), Some(tier)) = (known, tier)
                    && let Some(note) = reduction(&known, &tier, tenants)
                {
                    publish(tier, note);
                }
                for tenant in tenants.matching(|tenant| tenant.spec.tier == name) {
                    queue.wake(&tenant);
                    wake_family(tenants, queue, &tenant, tenants.link(&tenant).as_ref());
                }
            }
            Ok(Change::Listed) => {}
            Err(error) => tracing::warn!(%error, "the watch of tiers failed and is begun anew"),
        }
    }
}

/// Returns what a change of a tier takes from its tenants; None where it takes nothing, or nobody has the tier.
fn reduction(known: &TenantTier, tier: &TenantTier, tenants: &Tenants) -> Option<String> {
    let name = tier.name_any();
    let count = tenants.matching(|tenant| tenant.spec.tier == name).len();
    let removals = tier_change::removals(&known.spec, &tier.spec);
    if count == 0 || removals.is_empty() || tier.spec.unread != known.spec.unread {
        return None;
    }
    let whose = if count == 1 {
        "1 tenant"
    } else {
        &format!("{count} tenants")
    };
    Some(format!("the change takes from {whose}: {}", removals.join(", ")))
}

/// Watches the DatabaseServers into their store, and has each looked after while it exists, for ever.
pub async fn servers(client: Client, writer: Writer<DatabaseServer>, databases: Arc<Databases>) {
    let events = watch::noted(watch::trimmed(Api::all(client), watch_config(), |_| {}));
    let run_server_loop =
        |name| AbortOnDropHandle::new(tokio::spawn(server_loop::run_server_loop(databases.clone(), name)));
    follow_servers(events, writer, &databases, run_server_loop).await;
}

async fn follow_servers(
    events: impl Stream<Item = watcher::Result<Event<DatabaseServer>>> + Send,
    writer: Writer<DatabaseServer>,
    databases: &Databases,
    run_server_loop: impl Fn(String) -> AbortOnDropHandle<()>,
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
                    .or_insert_with(|| (None, run_server_loop(name.clone())));
                let spec_changed = std::mem::replace(known, generation) != generation;
                if spec_changed || server.metadata.deletion_timestamp.is_some() {
                    databases.server_state(&name).notify.notify_one();
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
pub async fn tenants(client: Client, (tenants, cache): (Tenants, TenantCache), queue: Queue) {
    let events = watch::noted(watch::trimmed(Api::all(client), watch_config(), |_| {}));
    follow_tenants(events, (&tenants, cache), &queue).await;
}

/// Wakes a tenant that changes, those that name it as a peer, since both sides must agree, and its family where that depends on the change. Wakes all
/// tenants when they were listed anew: their last reconcile may have failed for want of an API server.
async fn follow_tenants(
    events: impl Stream<Item = watcher::Result<Event<Tenant>>> + Send,
    (tenants, cache): (&Tenants, TenantCache),
    queue: &Queue,
) {
    let wake = |names: Vec<String>| names.iter().for_each(|name| queue.wake(name));
    let mut former: HashMap<String, Link> = HashMap::new();
    let mut changes = pin!(watch::changes(events, cache));
    while let Some(change) = changes.next().await {
        match change {
            Ok(Change::Changed(name) | Change::Deleted(name)) => {
                queue.wake(&name);
                wake(tenants.naming(&name));
                let now = tenants.link(&name);
                let before = match &now {
                    Some(link) => former.insert(name.clone(), link.clone()),
                    None => former.remove(&name),
                };
                let link = now.as_ref().or(before.as_ref());
                // Most changes are of the status, which concerns nobody else.
                if now != before {
                    wake_family(tenants, queue, &name, link);
                }
                // A tenant that comes or goes moves its siblings, of whom the last may be too many.
                if now.is_some() != before.is_some()
                    && let Some(parent) = link.and_then(|link| link.parent.as_ref())
                {
                    wake(tenants.children(parent));
                }
            }
            Ok(Change::Listed) => {
                let names = tenants.all_names().into_iter();
                former = names
                    .filter_map(|name| Some((name.clone(), tenants.link(&name)?)))
                    .collect();
                wake(tenants.all_names());
            }
            Err(error) => tracing::warn!(%error, "the watch of tenants failed and is begun anew"),
        }
    }
}

/// Wakes the tenants below one, and those above it.
fn wake_family(tenants: &Tenants, queue: &Queue, name: &str, link: Option<&Link>) {
    let parent = link.and_then(|link| link.parent.clone());
    let above = std::iter::successors(parent, |name| tenants.link(name)?.parent).take(MAX_DEPTH);
    let above = above.filter(|ancestor| ancestor != name && tenants.contains(ancestor));
    tenants
        .below(name)
        .into_iter()
        .chain(above)
        .for_each(|relative| queue.wake(&relative));
}

/// What is counted of each tenant.
#[derive(Deserialize)]
struct Part {
    status: Option<Conditions>,
}

#[derive(Default, Deserialize)]
struct Conditions {
    #[serde(default)]
    conditions: Vec<Counted>,
}

#[derive(Deserialize)]
struct Counted {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

/// Counts tenants by condition, for the metrics.
pub fn count(ctx: &Context) -> Vec<(String, String, i64)> {
    let mut counts = std::collections::BTreeMap::new();
    for (_, part) in ctx.caches.tenants.parts::<Part>() {
        for condition in part.status.unwrap_or_default().conditions {
            *counts.entry((condition.type_, condition.status)).or_insert(0) += 1;
        }
    }
    counts
        .into_iter()
        .map(|((kind, status), count)| (kind, status, count))
        .collect()
}

#[cfg(test)]
#[path = "resource_watches_test.rs"]
mod tests;
