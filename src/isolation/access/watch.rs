//! Keeps roles, bindings and the list of resources as they are.

use super::rbac::{Discovered, Part, Rbac, key};
use crate::cluster::client::watch_config;
use crate::cluster::decode::{Read, Readable};
use crate::cluster::watch::{self, Cache};
use crate::isolation::memory_limit::NamespacedName;
use futures::{Stream, StreamExt};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::Api;
use kube::core::discovery::Scope;
use kube::discovery::Discovery;
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource};
use std::collections::HashSet;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, RwLock as AsyncRwLock, RwLockReadGuard};
use tokio_util::task::AbortOnDropHandle;

/// Time between two lists of resources, and after a failed one.
const DISCOVERY: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(10));
/// Number of watched kinds.
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
            spawn(watch_kind::<Role>(client.clone(), watched.clone())),
            spawn(watch_kind::<ClusterRole>(client.clone(), watched.clone())),
            spawn(watch_kind::<RoleBinding>(client.clone(), watched.clone())),
            spawn(watch_kind::<ClusterRoleBinding>(client.clone(), watched.clone())),
            spawn(discover(client.clone(), watched.clone())),
        ];
        (watched, handles)
    }

    /// Returns true if everything was listed once.
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

    /// Returns everything as it is now, for callers that may block.
    pub fn rbac(&self) -> RwLockReadGuard<'_, Rbac> {
        self.rbac.blocking_read()
    }

    async fn change(&self, change: impl FnOnce(&mut Rbac)) {
        change(&mut *self.rbac.write().await);
        self.revision.fetch_add(1, Ordering::AcqRel);
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

/// Keeps one kind.
async fn watch_kind<K>(client: Client, watched: Arc<Watched>)
where
    K: Part + Readable + Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    follow(watch::events(Api::<Read<K>>::all(client), watch_config()), watched).await;
}

async fn follow<K>(events: impl Stream<Item = watcher::Result<Event<Read<K>>>> + Send, watched: Arc<Watched>)
where
    K: Part + Resource<DynamicType = ()> + Send + Sync,
{
    let keeper = Keeper {
        watched: watched.clone(),
        is_listed: false,
        seen: HashSet::new(),
    };
    let mut changes = pin!(watch::changes(events, keeper));
    while let Some(change) = changes.next().await {
        match change {
            Ok(()) => watched.changed.notify_one(),
            Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "a watch failed; the operator restarts it"),
        }
    }
}

/// Keeps objects of one kind.
struct Keeper {
    watched: Arc<Watched>,
    is_listed: bool,
    /// Those of the list that is under way.
    seen: HashSet<NamespacedName>,
}

impl<K: Part + Resource + Send + Sync> Cache<Read<K>> for Keeper {
    type Change = ();

    async fn update(&mut self, event: Event<Read<K>>) -> Vec<()> {
        let watched = &self.watched;
        let put = |rbac: &mut Rbac, read: Read<K>| {
            read.object.put(rbac);
            read.object.note(rbac, read.unread.is_empty());
        };
        match event {
            Event::Init => {
                self.seen.clear();
                return Vec::new();
            }
            Event::InitApply(read) => {
                self.seen.insert(key(read.meta()));
                watched.change(|rbac| put(rbac, read)).await;
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.seen);
                watched.change(|rbac| K::retain(rbac, &listed)).await;
                if !std::mem::replace(&mut self.is_listed, true) {
                    watched.listed.fetch_add(1, Ordering::AcqRel);
                }
            }
            Event::Apply(read) => watched.change(|rbac| put(rbac, read)).await,
            Event::Delete(read) => watched.change(|rbac| read.object.remove(rbac)).await,
        }
        vec![()]
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
                    watched.changed.notify_one();
                }
                DISCOVERY.0
            }
            Err(error) => {
                tracing::warn!(%error, "the operator could not list the API's resources");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::watch::player::{object, watch as played};
    use futures::FutureExt;
    use serde_json::{Value, json};

    const ROLE: &str = "rbac.authorization.k8s.io";

    fn role(namespace: &Value) -> Value {
        let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
        json!({"metadata": {"namespace": namespace}, "rules": rules})
    }

    fn binding(namespace: &Value) -> Value {
        let role = json!({"apiGroup": ROLE, "kind": "ClusterRole", "name": "stays"});
        json!({"metadata": {"namespace": namespace}, "roleRef": role})
    }

    /// Plays a kind whose list takes long. `names` names its stored objects.
    async fn is_told_when_its_list_is_whole<K>(rest: Value, names: impl Fn(&Rbac) -> Vec<String>)
    where
        K: Part + Readable + Resource<DynamicType = ()> + Send + Sync + 'static,
    {
        let watched = Arc::new(Watched::default());
        let (player, events) = played();
        tokio::spawn(follow::<K>(events, watched.clone()));
        let is_told = || watched.changed.notified().now_or_never().is_some();
        let one = |name: &str, version| object::<Read<K>>(name, name, version, rest.clone());
        player
            .list([one("goes", 1), one("stays", 2)], || {
                assert!(!is_told());
                assert_eq!(watched.listed.load(Ordering::Acquire), 0);
            })
            .await;
        assert!(is_told());
        assert_eq!(watched.listed.load(Ordering::Acquire), 1);
        assert_eq!(names(&*watched.rbac.read().await), ["goes", "stays"]);
        // While there was no watch, one went and one came.
        let revision = watched.revision();
        player
            .list([one("new", 3), one("stays", 2)], || assert!(!is_told()))
            .await;
        assert!(is_told() && watched.revision() > revision);
        assert_eq!(watched.listed.load(Ordering::Acquire), 1, "a kind counts once");
        assert_eq!(names(&*watched.rbac.read().await), ["new", "stays"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_roles_and_bindings_is_told_when_their_list_is_whole() {
        let (none, some) = (Value::Null, json!("acme"));
        is_told_when_its_list_is_whole::<Role>(role(&some), Rbac::role_names).await;
        is_told_when_its_list_is_whole::<ClusterRole>(role(&none), Rbac::role_names).await;
        let bindings = |rbac: &Rbac| rbac.bindings().map(|binding| binding.name.clone()).collect();
        is_told_when_its_list_is_whole::<RoleBinding>(binding(&some), bindings).await;
        is_told_when_its_list_is_whole::<ClusterRoleBinding>(binding(&none), bindings).await;
    }
}
