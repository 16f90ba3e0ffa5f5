//! Store of the operator's objects in the cluster, by tenant, as trimmed and compressed text.
//!
//! A thousand tenants have some twenty thousand objects. As parsed values, or as plain text, these would exceed the operator's memory limit.

use super::object::{Key, Live, is_exceeded, trim};
use super::packed::{Packed, Samples};
use super::secret_versions::SecretVersions;
use super::{Kind, digest};
use crate::names;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// One object, as small as it can be kept.
struct Stored {
    uid: Box<str>,
    resource_version: u64,
    /// A digest of the fields that reconciliation depends on; a change of any other wakes no tenant.
    relevant: u64,
    json: Packed,
}

#[derive(Default)]
struct Inner {
    tenants: HashMap<String, HashMap<Key, Stored>>,
    samples: Samples,
    /// The tenant under which a key is stored, since an event may come after the label was stripped.
    holders: HashMap<Key, String>,
    /// Keys seen since a kind's list began anew.
    relisting: HashMap<Kind, HashSet<Key>>,
}

impl Inner {
    /// Takes an object from a tenant; a tenant with nothing left is none.
    fn take(&mut self, tenant: &str, key: &Key) {
        if let Some(objects) = self.tenants.get_mut(tenant) {
            objects.remove(key);
            if objects.is_empty() {
                self.tenants.remove(tenant);
            }
        }
    }
}

/// Every object of ours in the cluster.
pub struct Store {
    inner: Mutex<Inner>,
    synced: watch::Sender<HashSet<Kind>>,
    /// Changes with the namespaces that tenants have, and with whose each is.
    namespaces: watch::Sender<()>,
    lacking: Mutex<HashSet<Kind>>,
    /// Of Secrets only the versions.
    pub secrets: SecretVersions,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            synced: watch::Sender::new(HashSet::new()),
            namespaces: watch::Sender::new(()),
            lacking: Mutex::default(),
            secrets: SecretVersions::default(),
        }
    }
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot leave a map half-changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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
                if let Some(seen) = self.lock().relisting.get_mut(&kind) {
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
                    stored.resource_version <= version && object.metadata.uid.as_deref() == Some(&stored.uid)
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

    /// Everything of one tenant.
    pub fn of(&self, tenant: &str) -> HashMap<Key, Live> {
        let inner = self.lock();
        let objects = inner.tenants.get(tenant).into_iter().flatten();
        objects
            .filter_map(|(key, stored)| Some((key.clone(), live(&inner.samples, key, stored)?)))
            .collect()
    }

    /// The names of a tenant's namespaces.
    pub fn namespaces_of(&self, tenant: &str) -> Vec<String> {
        let inner = self.lock();
        let keys = inner.tenants.get(tenant).into_iter().flat_map(HashMap::keys);
        let namespaces = keys.filter(|key| key.kind == Kind::Namespace);
        namespaces.map(|key| key.name.clone()).collect()
    }

    /// Returns every object with a matching key, of any tenant.
    pub fn matching(&self, is_one: impl Fn(&Key) -> bool) -> Vec<Live> {
        let inner = self.lock();
        let all = inner.tenants.values().flatten().filter(|(key, _)| is_one(key));
        all.filter_map(|(key, stored)| live(&inner.samples, key, stored))
            .collect()
    }

    /// One object of a tenant.
    pub fn get(&self, tenant: &str, key: &Key) -> Option<Live> {
        let inner = self.lock();
        live(&inner.samples, key, inner.tenants.get(tenant)?.get(key)?)
    }

    /// Returns one object, of any tenant.
    pub fn find(&self, key: &Key) -> Option<Live> {
        let inner = self.lock();
        let tenant = inner.holders.get(key)?;
        live(&inner.samples, key, inner.tenants.get(tenant)?.get(key)?)
    }

    /// The tenants that anything is known of.
    pub fn tenants(&self) -> Vec<String> {
        self.lock().tenants.keys().cloned().collect()
    }

    /// The tenant whose namespace this is, if any.
    pub fn holder_of_namespace(&self, namespace: &str) -> Option<String> {
        let key = Key::namespace(namespace);
        self.lock().holders.get(&key).cloned()
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
        let inner = self.lock();
        let held = inner.holders.iter().filter(|(key, _)| key.kind == kind);
        held.map(|(key, tenant)| (tenant.clone(), key.clone())).collect()
    }

    fn put_object(&self, kind: Kind, object: DynamicObject) -> (Key, Vec<String>) {
        let key = key_of(kind, &object);
        let resource_version = object.metadata.resource_version.as_deref().map_or(0, version);
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let tenant = object
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(names::TENANT))
            .cloned();
        let may_hold = |tenant: &String| match kind {
            Kind::ReferenceGrant => key.name == names::grant(tenant),
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

        let mut inner = self.lock();
        let before = inner.holders.get(&key).cloned();
        let Some(tenant) = tenant.or_else(|| before.clone()) else {
            return (key, Vec::new());
        };
        let old = before.as_ref().and_then(|before| inner.tenants.get(before)?.get(&key));
        // Versions of one resource only ever grow, from an object to its successor of the same name too.
        if old.is_some_and(|old| old.resource_version >= resource_version) {
            return (key, Vec::new());
        }
        let changed = old.is_none_or(|old| old.relevant != relevant || *old.uid != *uid);
        let mut concerned = Vec::new();
        if let Some(before) = before.filter(|before| *before != tenant) {
            inner.take(&before, &key);
            concerned.push(before);
        }
        if changed {
            concerned.push(tenant.clone());
        }
        let holder = inner.holders.insert(key.clone(), tenant.clone());
        if kind == Kind::Namespace && holder.as_ref() != Some(&tenant) {
            self.namespaces.send_replace(());
        }
        let stored = Stored {
            uid: uid.into(),
            resource_version,
            relevant,
            json: inner.samples.pack(kind, &json),
        };
        inner.tenants.entry(tenant).or_default().insert(key.clone(), stored);
        (key, concerned)
    }

    fn remove_if(&self, key: &Key, condition: impl Fn(&Stored) -> bool) -> Option<String> {
        let mut inner = self.lock();
        let tenant = inner.holders.get(key)?.clone();
        if !inner.tenants.get(&tenant)?.get(key).is_some_and(condition) {
            return None;
        }
        inner.take(&tenant, key);
        inner.holders.remove(key);
        if key.kind == Kind::Namespace {
            self.namespaces.send_replace(());
        }
        Some(tenant)
    }

    fn forget_unseen(&self, kind: Kind) -> Vec<String> {
        let gone: Vec<Key> = {
            let mut inner = self.lock();
            let seen = inner.relisting.remove(&kind).unwrap_or_default();
            inner
                .holders
                .keys()
                .filter(|key| key.kind == kind && !seen.contains(key))
                .cloned()
                .collect()
        };
        gone.iter().filter_map(|key| self.remove_if(key, |_| true)).collect()
    }
}

fn key_of(kind: Kind, object: &DynamicObject) -> Key {
    Key {
        kind,
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.metadata.name.clone().unwrap_or_default(),
    }
}

fn live(samples: &Samples, key: &Key, stored: &Stored) -> Option<Live> {
    Some(Live {
        key: key.clone(),
        uid: stored.uid.to_string(),
        resource_version: stored.resource_version.to_string(),
        value: serde_json::from_str(&samples.unpack(key.kind, &stored.json)?).ok()?,
    })
}

/// Resource versions of one resource are comparable numbers (KEP-5504).
pub(super) fn version(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// Returns the inputs of reconciliation: all kept fields except versions and a quota's usage, which changes with every pod. Only usage above the quota
/// counts: other namespaces may wait for it.
fn relevant(kind: Kind, value: &Value) -> u64 {
    let mut value = value.clone();
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        metadata.remove("resourceVersion");
    }
    if kind == Kind::ResourceQuota
        && let Some(Value::Object(status)) = value.get_mut("status")
    {
        let hard = status.get("hard").cloned().unwrap_or_default();
        if let Some(Value::Object(used)) = status.get_mut("used") {
            used.retain(|key, used| is_exceeded(hard.get(key), used));
        }
        if status.get("used").and_then(Value::as_object).is_some_and(Map::is_empty) {
            status.remove("used");
        }
    }
    digest(&value)
}

#[cfg(test)]
#[path = "store_test.rs"]
mod tests;
