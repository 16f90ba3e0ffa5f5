//! Keeps roles, bindings and the list of resources as they are.

use super::rbac::{Discovered, Key, Part, Rbac, key};
use crate::cluster::client::watch_config;
use futures::StreamExt;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::Api;
use kube::core::discovery::Scope;
use kube::discovery::Discovery;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, RwLock as AsyncRwLock, RwLockReadGuard};
use tokio_util::task::AbortOnDropHandle;

/// How often the list of resources is asked for, and how soon again where that failed.
const DISCOVERY: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(10));
/// How many kinds are watched.
const KINDS: usize = 4;

/// Roles, bindings and resources as last seen.
#[derive(Default)]
pub struct Watched {
    /// Waited for without holding up a thread: to resolve all of it can take long.
    rbac: AsyncRwLock<Rbac>,
    discovered: RwLock<Option<Arc<Discovered>>>,
    revision: AtomicU64,
    listed: AtomicUsize,
    /// Told at every change.
    pub changed: Notify,
}

impl Watched {
    /// Begins to watch; it ends with the handles.
    pub fn start(client: &Client) -> (Arc<Self>, Vec<AbortOnDropHandle<()>>) {
        let watched = Arc::new(Self::default());
        let handles = vec![
            spawn(follow::<Role>(client.clone(), watched.clone())),
            spawn(follow::<ClusterRole>(client.clone(), watched.clone())),
            spawn(follow::<RoleBinding>(client.clone(), watched.clone())),
            spawn(follow::<ClusterRoleBinding>(client.clone(), watched.clone())),
            spawn(discover(client.clone(), watched.clone())),
        ];
        (watched, handles)
    }

    /// Whether everything was listed once.
    pub fn is_synced(&self) -> bool {
        self.listed.load(Ordering::Acquire) >= KINDS
    }

    /// Another one after each change.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    pub fn discovered(&self) -> Option<Arc<Discovered>> {
        self.discovered.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything as it is now, for whoever may block.
    pub fn rbac(&self) -> RwLockReadGuard<'_, Rbac> {
        self.rbac.blocking_read()
    }

    async fn change(&self, change: impl FnOnce(&mut Rbac)) {
        change(&mut *self.rbac.write().await);
        self.revision.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

/// Keeps one kind.
async fn follow<K>(client: Client, watched: Arc<Watched>)
where
    K: Part + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let mut stream = std::pin::pin!(watcher(Api::<K>::all(client), watch_config()).default_backoff());
    let mut is_listed = false;
    let mut seen: HashSet<Key> = HashSet::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => seen.clear(),
            Ok(Event::InitApply(object)) => {
                seen.insert(key(object.meta()));
                watched.change(|rbac| object.put(rbac)).await;
            }
            Ok(Event::InitDone) => {
                let listed = std::mem::take(&mut seen);
                watched.change(|rbac| K::retain(rbac, &listed)).await;
                if !std::mem::replace(&mut is_listed, true) {
                    watched.listed.fetch_add(1, Ordering::AcqRel);
                }
            }
            Ok(Event::Apply(object)) => watched.change(|rbac| object.put(rbac)).await,
            Ok(Event::Delete(object)) => watched.change(|rbac| object.remove(rbac)).await,
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), %error, "a watch failed and is begun anew");
            }
        }
    }
}

/// Keeps the list of resources.
async fn discover(client: Client, watched: Arc<Watched>) {
    loop {
        let pause = match Discovery::new(client.clone()).run_aggregated().await {
            Ok(discovery) => {
                let found = Arc::new(resources(&discovery));
                let before = watched.discovered();
                if before.as_ref() != Some(&found) {
                    *watched.discovered.write().unwrap_or_else(PoisonError::into_inner) = Some(found);
                    watched.change(|_| {}).await;
                }
                DISCOVERY.0
            }
            Err(error) => {
                tracing::warn!(%error, "the API's resources could not be listed");
                DISCOVERY.1
            }
        };
        tokio::time::sleep(pause).await;
    }
}

fn resources(discovery: &Discovery) -> Discovered {
    let mut found = Discovered::default();
    for group in discovery.groups() {
        for version in group.versions() {
            for (resource, capabilities) in group.versioned_resources(version) {
                let name = format!("{}/{}", resource.group, resource.plural);
                for (subresource, can) in &capabilities.subresources {
                    let verbs = found.verbs.entry(format!("{name}/{}", subresource.plural));
                    verbs.or_default().extend(can.operations.iter().cloned());
                }
                let verbs = found.verbs.entry(name.clone()).or_default();
                verbs.extend(capabilities.operations.iter().cloned());
                found.resources.insert(name, capabilities.scope == Scope::Namespaced);
            }
        }
    }
    found
}
