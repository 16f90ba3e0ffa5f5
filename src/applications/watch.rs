//! Watches the Services and NetworkPolicies in the namespaces of shared applications.

use crate::capability::applications::{SharedService, restriction};
use crate::capability::{SharedServices, Watching};
use crate::cluster::Queue;
use crate::cluster::client::watch_config;
use crate::cluster::decode::{Read, Readable};
use crate::cluster::watch::{self, Cache};
use crate::names;
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::pin::pin;

/// A kind on which the reach of applications depends.
pub(super) trait Kept: Resource<DynamicType = ()> + Readable + Clone + Debug + Send + Sync + 'static {
    /// Stores an object, or notes that it is gone. Returns true where that changes anything.
    fn put(to: &SharedServices, namespace: &str, name: &str, object: Option<&Read<Self>>) -> bool;

    /// Forgets what a complete list lacks. Returns true where that changes anything.
    fn retain(to: &SharedServices, namespace: &str, listed: &BTreeSet<String>) -> bool;
}

impl Kept for Service {
    fn put(to: &SharedServices, namespace: &str, name: &str, object: Option<&Read<Self>>) -> bool {
        // What cannot be read opens nothing.
        let service = object.map(|read| match read.unread.is_empty() {
            true => SharedService::of(&read.object),
            false => SharedService::default(),
        });
        to.put_service(namespace, name, service)
    }

    fn retain(to: &SharedServices, namespace: &str, listed: &BTreeSet<String>) -> bool {
        to.retain_services(namespace, listed)
    }
}

impl Kept for NetworkPolicy {
    fn put(to: &SharedServices, namespace: &str, name: &str, object: Option<&Read<Self>>) -> bool {
        // The operator's own come and go with the tenants.
        let theirs = object.filter(|read| read.unread.is_empty() && !is_ours(&read.object));
        to.put_restriction(namespace, name, theirs.and_then(|read| restriction(&read.object)))
    }

    fn retain(to: &SharedServices, namespace: &str, listed: &BTreeSet<String>) -> bool {
        to.retain_restrictions(namespace, listed)
    }
}

fn is_ours(policy: &NetworkPolicy) -> bool {
    let metadata = [policy.labels(), policy.annotations()];
    metadata
        .iter()
        .any(|map| map.keys().any(|key| key.starts_with(names::PREFIX)))
}

/// The objects of one kind in one namespace.
struct InNamespace<K> {
    namespace: String,
    services: SharedServices,
    listing: BTreeSet<String>,
    kind: PhantomData<K>,
}

impl<K: Kept> Cache<Read<K>> for InNamespace<K> {
    type Change = ();

    async fn update(&mut self, event: Event<Read<K>>) -> Vec<()> {
        let (services, namespace) = (&self.services, &self.namespace);
        let changed = match event {
            Event::Init => {
                self.listing.clear();
                false
            }
            Event::InitApply(read) => {
                let name = read.name_any();
                let changed = K::put(services, namespace, &name, Some(&read));
                self.listing.insert(name);
                changed
            }
            Event::InitDone => K::retain(services, namespace, &self.listing),
            Event::Apply(read) => K::put(services, namespace, &read.name_any(), Some(&read)),
            Event::Delete(read) => K::put(services, namespace, &read.name_any(), None),
        };
        Vec::from_iter(changed.then_some(()))
    }
}

/// Keeps the objects of a kind in a namespace, for ever. A change wakes the tenants that read the namespace.
pub(super) async fn follow<K>(watching: Watching, services: SharedServices, namespace: String)
where
    K: Kept + Resource<Scope = NamespaceResourceScope>,
{
    let events = events::<K>(watching.client.clone(), &namespace);
    follow_events(events, services, namespace, &watching.queue).await;
}

fn events<K>(client: Client, namespace: &str) -> impl Stream<Item = watcher::Result<Event<Read<K>>>> + Send + use<K>
where
    K: Kept + Resource<Scope = NamespaceResourceScope>,
{
    watch::events(Api::namespaced(client, namespace), watch_config())
}

async fn follow_events<K: Kept>(
    events: impl Stream<Item = watcher::Result<Event<Read<K>>>> + Send,
    services: SharedServices,
    namespace: String,
    queue: &Queue,
) {
    let cache = InNamespace {
        namespace: namespace.clone(),
        services: services.clone(),
        listing: BTreeSet::new(),
        kind: PhantomData,
    };
    let mut changes = pin!(watch::changes(events, cache));
    while let Some(change) = changes.next().await {
        match change {
            Ok(()) => services
                .readers(&namespace)
                .iter()
                .for_each(|tenant| queue.wake(tenant)),
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), namespace, %error, "a watch failed; the operator restarts it");
            }
        }
    }
}

#[cfg(test)]
#[path = "watch_test.rs"]
mod tests;
