//! The leader's background loops: watches of objects, and the tenants that a change wakes.

use super::Tenants;
use crate::api::Tenant;
use crate::cluster::{
    Kind, Queue, Store,
    client::watch_config,
    decode::Read,
    metadata::managed_selector,
    secret_versions::SecretsNamed,
    watch::{self, ObjectChange, Objects},
};
use crate::conditions::{condition, kind, reason};
use crate::names;
use futures::{Stream, StreamExt};
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// The tools of a leader's background loops.
#[derive(Clone)]
pub struct Watching {
    pub client: Client,
    pub store: Arc<Store>,
    pub tenants: Tenants,
    pub queue: Queue,
    /// The period in which the API server is asked for kinds that it lacks.
    pub period: Duration,
}

impl Watching {
    /// Watches the operator's objects of a kind into the store, for ever.
    pub async fn objects(&self, kind: Kind) {
        let events = events(self.client.clone(), kind);
        follow_objects(events, kind, self.store.clone(), &self.tenants, &self.queue).await;
    }

    /// Watches a kind that a cluster may lack, until the API server stops serving it.
    pub async fn objects_while_served(&self, kind: Kind) {
        let is_served = |event: &watcher::Result<_>| !event.as_ref().is_err_and(watch::is_unserved);
        let events = events(self.client.clone(), kind).take_while(|event| std::future::ready(is_served(event)));
        follow_objects(events, kind, self.store.clone(), &self.tenants, &self.queue).await;
    }

    /// Watches the versions of the operator's Secrets of a name, for ever, once a pass has asked for one.
    pub async fn secrets(self, name: String) {
        self.store.secrets.used(&name).await;
        let config = watch_config().fields(&format!("metadata.name={name}"));
        let events = watch::metadata(self.client.clone(), &Kind::Secret.resource(), config);
        follow_secrets(events, name, self.store, &self.tenants, &self.queue).await;
    }

    /// Wakes all tenants that match.
    pub fn wake_all(&self, matches: impl Fn(&Tenant) -> bool) {
        wake_all(&self.tenants, &self.queue, matches);
    }
}

fn events(client: Client, kind: Kind) -> impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Send {
    let api: Api<Read<DynamicObject>> = Api::all_with(client, &kind.resource());
    watch::alone(watch::events(api, watch_config().labels(&managed_selector())))
}

/// Wakes the tenants whose objects change. A deletion also wakes tenants that wait for the name of the object.
pub async fn follow_objects(
    events: impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Send,
    kind: Kind,
    store: Arc<Store>,
    tenants: &Tenants,
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
            Err(error) => tracing::warn!(%kind, %error, "a watch failed; the operator restarts it"),
        }
    }
}

/// Wakes the tenants whose Secret of this name others change.
pub async fn follow_secrets(
    events: impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Send,
    name: String,
    store: Arc<Store>,
    tenants: &Tenants,
    queue: &Queue,
) {
    let cache = SecretsNamed {
        name: name.clone(),
        store: store.clone(),
    };
    let mut changes = pin!(watch::changes(events, cache));
    while let Some(change) = changes.next().await {
        match change {
            // The namespace of a tenant's Secrets has the tenant's name; others may have Secrets of these names elsewhere.
            Ok(tenant) if tenants.contains(&tenant) => queue.wake(&tenant),
            Ok(_) => {}
            Err(error) => {
                store.secrets.doubt(&name);
                tracing::warn!(name, %error, "a watch of Secrets failed; the operator restarts it and reads them meanwhile");
            }
        }
    }
}

/// Wakes all tenants that match.
pub fn wake_all(tenants: &Tenants, queue: &Queue, matches: impl Fn(&Tenant) -> bool) {
    tenants.matching(matches).iter().for_each(|tenant| queue.wake(tenant));
}

/// Returns true where a gateway leads to a tenant.
pub fn has_routes(tenant: &Tenant) -> bool {
    let gateway = tenant.spec.gateway.as_ref();
    gateway.is_some_and(|gateway| !gateway.routes.is_empty())
}

/// Returns true where two tenants can want an object of this name.
fn is_contested(kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Namespace => true,
        Kind::ConfigMap => names::is_claim(name),
        _ => false,
    }
}

/// Returns true where a tenant waits for a name that another holds.
fn is_in_conflict(tenant: &Tenant) -> bool {
    condition(tenant, kind::READY).is_some_and(|ready| ready.status == "False" && ready.reason == reason::CONFLICT)
}
