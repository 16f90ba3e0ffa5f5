//! The Tenants of the cluster, kept as compressed text: as values, a thousand of them would take a quarter of the operator's memory.

use super::family::{Link, Links};
use super::peers::named_peers;
use crate::api::{Tenant, Unread};
use crate::cluster::compression::{Packed, Sample};
use crate::cluster::watch::{Cache, Change, Reflected};
use kube::ResourceExt;
use kube::api::{ObjectMeta, PartialObjectMeta, PartialObjectMetaExt};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::Event;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A Tenant's name and version.
pub type Named = PartialObjectMeta<Tenant>;

/// One Tenant.
enum Kept {
    Packed {
        text: Packed,
        unread: Vec<Unread>,
    },
    /// One that its text does not give back as it was.
    Whole(Arc<Tenant>),
}

#[derive(Default)]
struct Inner {
    sample: Sample,
    all: HashMap<String, Kept>,
    /// The peers that each Tenant names, if any.
    peers: BTreeMap<String, BTreeSet<String>>,
    /// Parents and children.
    links: Links,
}

impl Inner {
    fn put(&mut self, tenant: &Tenant) {
        let name = tenant.name_any();
        let peers = named_peers(tenant);
        match peers.is_empty() {
            true => self.peers.remove(&name),
            false => self.peers.insert(name.clone(), peers),
        };
        self.links.put(tenant);
        let packed = serde_json::to_string(tenant)
            .ok()
            .filter(|text| decode(text, &tenant.spec.unread).is_some_and(|again| is_same(&again, tenant)))
            .map(|text| Kept::Packed {
                text: self.sample.pack(&text),
                unread: tenant.spec.unread.clone(),
            });
        let kept = packed.unwrap_or_else(|| Kept::Whole(Arc::new(tenant.clone())));
        self.all.insert(name, kept);
    }

    fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.all.retain(|name, _| is_there(name));
        self.links.retain(&is_there);
        self.peers.retain(|name, _| is_there(name));
    }
}

fn decode(text: &str, unread: &[Unread]) -> Option<Tenant> {
    let mut tenant: Tenant = serde_json::from_str(text).ok()?;
    tenant.spec.unread = unread.to_vec();
    Some(tenant)
}

fn is_same(a: &Tenant, b: &Tenant) -> bool {
    a.metadata == b.metadata && a.spec == b.spec && a.status == b.status
}

/// The Tenants of the cluster, as far as a watch has shown them. Clones share them.
#[derive(Clone)]
pub struct Tenants {
    names: reflector::Store<Named>,
    inner: Arc<Mutex<Inner>>,
}

impl Default for Tenants {
    fn default() -> Self {
        Self::new().0
    }
}

impl Tenants {
    /// None yet, and the cache that a watch fills.
    pub fn new() -> (Self, TenantCache) {
        let (names, writer) = reflector::store();
        let tenants = Self {
            names,
            inner: Arc::default(),
        };
        let cache = TenantCache {
            names: Reflected::new(writer),
            tenants: tenants.clone(),
        };
        (tenants, cache)
    }

    /// These, as a list showed them.
    #[cfg(test)]
    pub fn of(all: impl IntoIterator<Item = Tenant>) -> Self {
        use futures::FutureExt;
        let (tenants, mut cache) = Self::new();
        let listed = all.into_iter().map(Event::InitApply);
        for event in [Event::Init].into_iter().chain(listed).chain([Event::InitDone]) {
            let update = cache.update(event).now_or_never();
            update.expect("a cache never waits");
        }
        tenants
    }

    /// The names and versions alone.
    pub fn names(&self) -> &reflector::Store<Named> {
        &self.names
    }

    /// Returns true if there is a Tenant of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.names.get(&ObjectRef::new(name)).is_some()
    }

    /// Returns the Tenant of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Tenant>> {
        if !self.contains(name) {
            return None;
        }
        let inner = self.lock();
        match inner.all.get(name)? {
            Kept::Packed { text, unread } => decode(&inner.sample.unpack(text)?, unread).map(Arc::new),
            Kept::Whole(tenant) => Some(tenant.clone()),
        }
    }

    /// Returns the names of all Tenants that match. One after the other is decoded, which takes some 50 µs for each.
    pub fn matching(&self, matches: impl Fn(&Tenant) -> bool) -> Vec<String> {
        let mut names = self.all_names();
        names.retain(|name| self.get(name).is_some_and(|tenant| matches(&tenant)));
        names
    }

    /// Returns a part of each Tenant, by its name. Decodes nothing else.
    pub fn parts<T: DeserializeOwned>(&self) -> Vec<(String, T)> {
        let part = |name: String| {
            let inner = self.lock();
            let part = match inner.all.get(&name)? {
                Kept::Packed { text, .. } => serde_json::from_str(&inner.sample.unpack(text)?).ok()?,
                Kept::Whole(tenant) => T::deserialize(serde_json::to_value(&**tenant).ok()?).ok()?,
            };
            Some((name, part))
        };
        self.all_names().into_iter().filter_map(part).collect()
    }

    /// The names of all Tenants.
    pub fn all_names(&self) -> Vec<String> {
        self.names.state().iter().map(|named| named.name_any()).collect()
    }

    /// Returns the Tenants that name this one as a peer.
    pub fn naming(&self, peer: &str) -> Vec<String> {
        let inner = self.lock();
        let naming = inner.peers.iter().filter(|(_, peers)| peers.contains(peer));
        naming.map(|(name, _)| name.clone()).collect()
    }

    /// Returns the names of a Tenant's children, by creation, then by name. Decodes nothing.
    pub fn children(&self, parent: &str) -> Vec<String> {
        self.lock().links.children(parent)
    }

    /// Returns the names of all Tenants below this one. Decodes nothing.
    pub fn below(&self, name: &str) -> BTreeSet<String> {
        self.lock().links.below(name)
    }

    /// Returns the part of a Tenant on which its relatives depend. Decodes nothing.
    pub fn link(&self, name: &str) -> Option<Link> {
        self.lock().links.get(name).cloned()
    }

    /// Pairs of Tenants that name each other.
    pub fn agreed(&self) -> BTreeSet<(String, String)> {
        let inner = self.lock();
        let is_named = |by: &str, name: &str| inner.peers.get(by).is_some_and(|peers| peers.contains(name));
        let pairs = inner
            .peers
            .iter()
            .flat_map(|(name, peers)| peers.iter().map(move |peer| (name, peer)));
        let agreed = pairs.filter(|(name, peer)| is_named(peer, name));
        agreed.map(|(a, b)| (a.clone(), b.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot leave a map half-changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fills [`Tenants`] from a watch.
pub struct TenantCache {
    names: Reflected<Named>,
    tenants: Tenants,
}

impl Cache<Tenant> for TenantCache {
    type Change = Change;

    async fn update(&mut self, event: Event<Tenant>) -> Vec<Change> {
        // The Tenant comes before its name, so that a reader of the names finds it.
        if let Event::Apply(tenant) | Event::InitApply(tenant) = &event {
            self.tenants.lock().put(tenant);
        }
        let is_removal = matches!(event, Event::Delete(_) | Event::InitDone);
        let changes = self.names.update(named(event)).await;
        if is_removal {
            let names = &self.tenants.names;
            self.tenants
                .lock()
                .retain(|name| names.get(&ObjectRef::new(name)).is_some());
        }
        changes
    }
}

fn named(event: Event<Tenant>) -> Event<Named> {
    let named = |tenant: Tenant| {
        let metadata = ObjectMeta {
            name: tenant.metadata.name,
            uid: tenant.metadata.uid,
            resource_version: tenant.metadata.resource_version,
            ..ObjectMeta::default()
        };
        Named {
            types: None,
            ..metadata.into_response_partial()
        }
    };
    match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(tenant) => Event::InitApply(named(tenant)),
        Event::Apply(tenant) => Event::Apply(named(tenant)),
        Event::Delete(tenant) => Event::Delete(named(tenant)),
    }
}

#[cfg(test)]
#[path = "tenants_test.rs"]
mod tests;
