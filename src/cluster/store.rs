//! Store of the operator's objects in the cluster, by tenant, as trimmed and compressed text.
//!
//! A thousand tenants have some twenty thousand objects. As parsed values, or as plain text, these would exceed the operator's memory limit.

mod index;
mod relevance;

use super::Kind;
use super::object::{Key, Live, trim};
use super::secret_versions::SecretVersions;
use crate::names;
use index::{Index, Short, Stored, Uid};
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use relevance::relevant;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Every object of ours in the cluster.
pub struct Store {
    index: Mutex<Index>,
    synced: watch::Sender<HashSet<Kind>>,
    /// Changes with the namespaces that tenants have, and with whose each is.
    namespaces: watch::Sender<()>,
    lacking: Mutex<HashSet<Kind>>,
    /// Namespaces of the platform in which tenants have NetworkPolicies.
    shared: Vec<String>,
    /// Of Secrets only the versions.
    pub secrets: SecretVersions,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            index: Mutex::default(),
            synced: watch::Sender::new(HashSet::new()),
            namespaces: watch::Sender::new(()),
            lacking: Mutex::default(),
            shared: Vec::new(),
            secrets: SecretVersions::default(),
        }
    }
}

impl Store {
    /// Stores tenants' NetworkPolicies in these namespaces of the platform too.
    pub fn with_shared(namespaces: Vec<String>) -> Self {
        Self {
            shared: namespaces,
            ..Self::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        // A panic while the lock was held cannot leave a map half-changed.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when every kind that is always watched was listed once.
    pub async fn synced(&self) {
        let mut synced = self.synced.subscribe();
        // The sender lives as long as self.
        let _ = synced
            .wait_for(|kinds| Kind::ALL.iter().all(|kind| kinds.contains(kind)))
            .await;
    }

    /// Returns true if all objects of a kind were listed once.
    pub fn has_listed(&self, kind: Kind) -> bool {
        self.synced.borrow().contains(&kind)
    }

    /// Returns true if the cluster lacks a kind.
    pub fn is_lacking(&self, kind: Kind) -> bool {
        let lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        lacking.contains(&kind)
    }

    /// Notes which of these kinds the cluster lacks, and forgets their objects. Returns the tenants that this concerns.
    pub fn note_lacking(&self, kinds: &[Kind], missing: &[Kind]) -> Vec<String> {
        {
            let mut lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
            lacking.retain(|kind| !kinds.contains(kind));
            lacking.extend(missing);
        }
        self.synced
            .send_modify(|kinds| kinds.retain(|kind| !missing.contains(kind)));
        let forget = |kind: &Kind| {
            self.lock().relisting.remove(kind);
            self.forget_unseen(*kind)
        };
        missing.iter().flat_map(forget).collect()
    }

    /// Stores an event of the API server. Returns the tenants that it concerns.
    pub fn observe(&self, kind: Kind, event: Event<DynamicObject>) -> Vec<String> {
        match event {
            Event::Init => {
                self.lock().relisting.insert(kind, HashSet::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                let (key, concerned) = self.put_object(kind, object);
                let mut index = self.lock();
                let key = index.short(&key);
                if let Some(seen) = index.relisting.get_mut(&kind) {
                    seen.insert(key);
                }
                concerned
            }
            Event::InitDone => {
                let concerned = self.forget_unseen(kind);
                self.synced.send_modify(|kinds| {
                    kinds.insert(kind);
                });
                concerned
            }
            Event::Apply(object) => self.put_object(kind, object).1,
            Event::Delete(object) => {
                let key = key_of(kind, &object);
                let version = object.metadata.resource_version.as_deref().map_or(u64::MAX, version);
                self.remove_if(&key, |stored| {
                    stored.resource_version <= version
                        && object.metadata.uid.as_deref().map(Uid::of).as_ref() == Some(&stored.uid)
                })
                .into_iter()
                .collect()
            }
        }
    }

    /// Takes in the answer to a write, so that the next look sees it although its event is still under way.
    pub fn put(&self, kind: Kind, object: DynamicObject) {
        self.put_object(kind, object);
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, key: &Key) {
        self.remove_if(key, |_| true);
    }

    /// Forgets a namespace that is gone, and everything in it.
    pub fn forget_namespace(&self, namespace: &str) {
        let inside: Vec<Key> = {
            let index = self.lock();
            let keys = index.objects.keys().filter(|key| *key.namespace == *namespace);
            keys.map(Short::whole).collect()
        };
        for key in inside.iter().chain([&Key::namespace(namespace)]) {
            self.forget(key);
        }
    }

    /// Everything of one tenant.
    pub fn of(&self, tenant: &str) -> HashMap<Key, Live> {
        let index = self.lock();
        let keys = index.tenants.get(tenant).into_iter().flatten();
        let objects = keys.filter_map(|key| index.live(key, index.objects.get(key)?));
        objects.map(|live| (live.key.clone(), live)).collect()
    }

    /// The names of a tenant's namespaces.
    pub fn namespaces_of(&self, tenant: &str) -> Vec<String> {
        let index = self.lock();
        let keys = index.tenants.get(tenant).into_iter().flatten();
        let namespaces = keys.filter(|key| key.kind == Kind::Namespace);
        namespaces.map(|key| key.name.to_string()).collect()
    }

    /// Returns every object of a kind whose namespace and name match, of any tenant.
    pub fn matching(&self, kind: Kind, matches: impl Fn(&str, &str) -> bool) -> Vec<Live> {
        let index = self.lock();
        let all = index
            .of_kind(kind)
            .filter(|(key, _)| matches(&key.namespace, &key.name));
        all.filter_map(|(key, stored)| index.live(key, stored)).collect()
    }

    /// One object of a tenant.
    pub fn get(&self, tenant: &str, key: &Key) -> Option<Live> {
        let index = self.lock();
        let key = index.known(key)?;
        let stored = index.objects.get(&key).filter(|stored| *stored.tenant == *tenant)?;
        index.live(&key, stored)
    }

    /// Returns one object, of any tenant.
    pub fn find(&self, key: &Key) -> Option<Live> {
        let index = self.lock();
        let key = index.known(key)?;
        index.live(&key, index.objects.get(&key)?)
    }

    /// The tenants that anything is known of.
    pub fn tenants(&self) -> Vec<String> {
        self.lock().tenants.keys().map(ToString::to_string).collect()
    }

    /// The tenant whose namespace this is, if any.
    pub fn holder_of_namespace(&self, namespace: &str) -> Option<String> {
        let key = Key::namespace(namespace);
        self.lock().get(&key).map(|stored| stored.tenant.to_string())
    }

    /// Looks again with each change of namespaces and their tenants, until `look` returns something.
    pub async fn when_namespaces<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let mut changes = self.namespaces.subscribe();
        loop {
            if let Some(found) = look() {
                return found;
            }
            // The sender lives as long as self.
            let _ = changes.changed().await;
        }
    }

    /// Every tenant's namespaces, as `(tenant, namespace)`.
    pub fn namespaces(&self) -> Vec<(String, String)> {
        let all = self.of_kind(Kind::Namespace).into_iter();
        all.map(|(tenant, key)| (tenant, key.name)).collect()
    }

    /// Every tenant's objects of a kind, as `(tenant, key)`.
    pub fn of_kind(&self, kind: Kind) -> Vec<(String, Key)> {
        let index = self.lock();
        let all = index.of_kind(kind);
        all.map(|(key, stored)| (stored.tenant.to_string(), key.whole()))
            .collect()
    }

    fn put_object(&self, kind: Kind, object: DynamicObject) -> (Key, Vec<String>) {
        let key = key_of(kind, &object);
        let resource_version = object.metadata.resource_version.as_deref().map_or(0, version);
        let uid = Uid::of(object.metadata.uid.as_deref().unwrap_or_default());
        let tenant = object
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(names::TENANT))
            .cloned();
        let may_hold = |tenant: &String| match kind {
            Kind::ReferenceGrant => key.name == names::grant(tenant),
            Kind::NetworkPolicy if self.shared.contains(&key.namespace) => {
                key.name.starts_with(&names::application_policy(tenant, ""))
            }
            _ => names::may_hold(tenant, &key.namespace, &key.name),
        };
        let tenant = tenant.filter(may_hold);
        let mut value = serde_json::to_value(object).unwrap_or_default();
        trim(kind, &mut value);
        let relevant = relevant(kind, &value);
        if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
            metadata.remove("uid");
            metadata.remove("resourceVersion");
        }
        let json = value.to_string();

        let mut index = self.lock();
        let old = index.get(&key);
        let before = old.map(|old| old.tenant.clone());
        let Some(tenant) = tenant.or_else(|| before.as_deref().map(str::to_owned)) else {
            return (key, Vec::new());
        };
        // Versions of one resource only ever grow, from an object to its successor of the same name too.
        if old.is_some_and(|old| old.resource_version >= resource_version) {
            return (key, Vec::new());
        }
        let changed = old.is_none_or(|old| old.relevant != relevant || old.uid != uid);
        let moved = before.as_deref() != Some(&*tenant);
        let stored = Stored {
            tenant: index.text(&tenant),
            uid,
            resource_version,
            relevant,
            json: index.samples.entry(kind).or_default().pack(&json),
        };
        let short = index.short(&key);
        index.insert(short, stored);
        if kind == Kind::Namespace && moved {
            self.namespaces.send_replace(());
        }
        let former = before.filter(|_| moved).map(|before| before.to_string());
        let concerned = former.into_iter().chain(changed.then_some(tenant));
        (key, concerned.collect())
    }

    fn remove_if(&self, key: &Key, condition: impl Fn(&Stored) -> bool) -> Option<String> {
        let mut index = self.lock();
        let short = index.known(key)?;
        if !index.objects.get(&short).is_some_and(condition) {
            return None;
        }
        let removed = index.remove(&short)?;
        if key.kind == Kind::Namespace {
            self.namespaces.send_replace(());
            // With its namespaces goes most of what was named for a tenant.
            index.sweep();
        }
        Some(removed.tenant.to_string())
    }

    fn forget_unseen(&self, kind: Kind) -> Vec<String> {
        let gone: Vec<Key> = {
            let mut index = self.lock();
            let seen = index.relisting.remove(&kind).unwrap_or_default();
            let all = index.of_kind(kind).map(|(key, _)| key);
            all.filter(|key| !seen.contains(*key)).map(Short::whole).collect()
        };
        let concerned = gone.iter().filter_map(|key| self.remove_if(key, |_| true)).collect();
        self.lock().sweep();
        concerned
    }
}

fn key_of(kind: Kind, object: &DynamicObject) -> Key {
    Key {
        kind,
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.metadata.name.clone().unwrap_or_default(),
    }
}

/// Resource versions of one resource are comparable numbers (KEP-5504).
pub(super) fn version(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

#[cfg(test)]
#[path = "store_test.rs"]
mod tests;
