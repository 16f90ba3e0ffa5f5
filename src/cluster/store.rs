//! Store of the operator's objects in the cluster, by tenant, as trimmed and compressed text.
//!
//! A thousand tenants have some twenty thousand objects. As parsed values, or as plain text, these would exceed the operator's memory limit.

use super::compression::{Packed, Sample};
use super::object::{Key, Live, is_exceeded, trim};
use super::secret_versions::SecretVersions;
use super::{Kind, digest};
use crate::names;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use uuid::Uuid;

/// A key whose texts are shared with other keys: most names are the same in every tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Short {
    kind: Kind,
    namespace: Arc<str>,
    name: Arc<str>,
}

impl Short {
    fn whole(&self) -> Key {
        Key {
            kind: self.kind,
            namespace: self.namespace.to_string(),
            name: self.name.to_string(),
        }
    }
}

/// A uid, which is a UUID where the API server itself gives it.
#[derive(PartialEq, Eq)]
enum Uid {
    Uuid(Uuid),
    Text(Box<str>),
}

impl Uid {
    fn of(text: &str) -> Self {
        let uuid = Uuid::try_parse(text).ok().filter(|uuid| uuid.to_string() == text);
        uuid.map_or_else(|| Self::Text(text.into()), Self::Uuid)
    }

    fn text(&self) -> String {
        match self {
            Self::Uuid(uuid) => uuid.to_string(),
            Self::Text(text) => text.to_string(),
        }
    }
}

/// One object, as small as it can be kept.
struct Stored {
    /// The tenant under which it is stored, since an event may come after the label was stripped.
    tenant: Arc<str>,
    uid: Uid,
    resource_version: u64,
    /// A digest of the fields that reconciliation depends on; a change of any other wakes no tenant.
    relevant: u64,
    json: Packed,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<Short, Stored>,
    tenants: HashMap<Arc<str>, Vec<Short>>,
    /// The texts of keys, and the names of tenants.
    texts: HashSet<Arc<str>>,
    samples: HashMap<Kind, Sample>,
    /// Keys seen since a kind's list began anew.
    relisting: HashMap<Kind, HashSet<Short>>,
}

impl Inner {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    fn short(&mut self, key: &Key) -> Short {
        Short {
            kind: key.kind,
            namespace: self.text(&key.namespace),
            name: self.text(&key.name),
        }
    }

    /// Returns the short form of a key that may be stored.
    fn known(&self, key: &Key) -> Option<Short> {
        Some(Short {
            kind: key.kind,
            namespace: self.texts.get(&*key.namespace)?.clone(),
            name: self.texts.get(&*key.name)?.clone(),
        })
    }

    fn get(&self, key: &Key) -> Option<&Stored> {
        self.objects.get(&self.known(key)?)
    }

    fn insert(&mut self, key: Short, stored: Stored) {
        let tenant = stored.tenant.clone();
        let former = self.objects.insert(key.clone(), stored);
        if former.as_ref().is_some_and(|former| former.tenant == tenant) {
            return;
        }
        if let Some(former) = former {
            self.release(&former.tenant, &key);
        }
        self.tenants.entry(tenant).or_default().push(key);
    }

    fn remove(&mut self, key: &Short) -> Option<Stored> {
        let stored = self.objects.remove(key)?;
        self.release(&stored.tenant, key);
        Some(stored)
    }

    /// Takes a key from a tenant; a tenant with nothing left is none.
    fn release(&mut self, tenant: &Arc<str>, key: &Short) {
        if let Some(keys) = self.tenants.get_mut(tenant) {
            keys.retain(|one| one != key);
            if keys.is_empty() {
                self.tenants.remove(tenant);
            }
        }
    }

    /// Forgets texts that nothing uses any more.
    fn sweep(&mut self) {
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&Short, &Stored)> {
        let first = Short {
            kind,
            namespace: "".into(),
            name: "".into(),
        };
        let from = self.objects.range(first..);
        from.take_while(move |(key, _)| key.kind == kind)
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
                let mut inner = self.lock();
                let key = inner.short(&key);
                if let Some(seen) = inner.relisting.get_mut(&kind) {
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

    /// Everything of one tenant.
    pub fn of(&self, tenant: &str) -> HashMap<Key, Live> {
        let inner = self.lock();
        let keys = inner.tenants.get(tenant).into_iter().flatten();
        let objects = keys.filter_map(|key| live(&inner, key, inner.objects.get(key)?));
        objects.map(|live| (live.key.clone(), live)).collect()
    }

    /// The names of a tenant's namespaces.
    pub fn namespaces_of(&self, tenant: &str) -> Vec<String> {
        let inner = self.lock();
        let keys = inner.tenants.get(tenant).into_iter().flatten();
        let namespaces = keys.filter(|key| key.kind == Kind::Namespace);
        namespaces.map(|key| key.name.to_string()).collect()
    }

    /// Returns every object of a kind whose namespace and name match, of any tenant.
    pub fn matching(&self, kind: Kind, matches: impl Fn(&str, &str) -> bool) -> Vec<Live> {
        let inner = self.lock();
        let all = inner
            .of_kind(kind)
            .filter(|(key, _)| matches(&key.namespace, &key.name));
        all.filter_map(|(key, stored)| live(&inner, key, stored)).collect()
    }

    /// One object of a tenant.
    pub fn get(&self, tenant: &str, key: &Key) -> Option<Live> {
        let inner = self.lock();
        let key = inner.known(key)?;
        let stored = inner.objects.get(&key).filter(|stored| *stored.tenant == *tenant)?;
        live(&inner, &key, stored)
    }

    /// Returns one object, of any tenant.
    pub fn find(&self, key: &Key) -> Option<Live> {
        let inner = self.lock();
        let key = inner.known(key)?;
        live(&inner, &key, inner.objects.get(&key)?)
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
        let inner = self.lock();
        let all = inner.of_kind(kind);
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
        let old = inner.get(&key);
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
            tenant: inner.text(&tenant),
            uid,
            resource_version,
            relevant,
            json: inner.samples.entry(kind).or_default().pack(&json),
        };
        let short = inner.short(&key);
        inner.insert(short, stored);
        if kind == Kind::Namespace && moved {
            self.namespaces.send_replace(());
        }
        let former = before.filter(|_| moved).map(|before| before.to_string());
        let concerned = former.into_iter().chain(changed.then_some(tenant));
        (key, concerned.collect())
    }

    fn remove_if(&self, key: &Key, condition: impl Fn(&Stored) -> bool) -> Option<String> {
        let mut inner = self.lock();
        let short = inner.known(key)?;
        if !inner.objects.get(&short).is_some_and(condition) {
            return None;
        }
        let removed = inner.remove(&short)?;
        if key.kind == Kind::Namespace {
            self.namespaces.send_replace(());
            // With its namespaces goes most of what was named for a tenant.
            inner.sweep();
        }
        Some(removed.tenant.to_string())
    }

    fn forget_unseen(&self, kind: Kind) -> Vec<String> {
        let gone: Vec<Key> = {
            let mut inner = self.lock();
            let seen = inner.relisting.remove(&kind).unwrap_or_default();
            let all = inner.of_kind(kind).map(|(key, _)| key);
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

fn live(inner: &Inner, key: &Short, stored: &Stored) -> Option<Live> {
    Some(Live {
        key: key.whole(),
        uid: stored.uid.text(),
        resource_version: stored.resource_version.to_string(),
        value: serde_json::from_str(&inner.samples.get(&key.kind)?.unpack(&stored.json)?).ok()?,
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
