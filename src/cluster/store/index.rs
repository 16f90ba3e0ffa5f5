//! The stored objects by key and by tenant, as small as they can be kept.

use crate::cluster::Kind;
use crate::cluster::compression::{Packed, Sample};
use crate::cluster::object::{Key, Live};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// A key whose texts are shared with other keys: most names are the same in every tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Short {
    pub(super) kind: Kind,
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
}

impl Short {
    pub(super) fn whole(&self) -> Key {
        Key {
            kind: self.kind,
            namespace: self.namespace.to_string(),
            name: self.name.to_string(),
        }
    }
}

/// A uid, which is a UUID where the API server itself gives it.
#[derive(PartialEq, Eq)]
pub(super) enum Uid {
    Uuid(Uuid),
    Text(Box<str>),
}

impl Uid {
    pub(super) fn of(text: &str) -> Self {
        let uuid = Uuid::try_parse(text).ok().filter(|uuid| uuid.to_string() == text);
        uuid.map_or_else(|| Self::Text(text.into()), Self::Uuid)
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Uuid(uuid) => uuid.to_string(),
            Self::Text(text) => text.to_string(),
        }
    }
}

/// One object, as small as it can be kept.
pub(super) struct Stored {
    /// The tenant under which it is stored, since an event may come after the label was stripped.
    pub(super) tenant: Arc<str>,
    pub(super) uid: Uid,
    pub(super) resource_version: u64,
    /// A digest of the fields that reconciliation depends on; a change of any other wakes no tenant.
    pub(super) relevant: u64,
    pub(super) json: Packed,
}

/// The objects, by key and by tenant.
#[derive(Default)]
pub(super) struct Index {
    pub(super) objects: BTreeMap<Short, Stored>,
    pub(super) tenants: HashMap<Arc<str>, Vec<Short>>,
    /// The texts of keys, and the names of tenants.
    texts: HashSet<Arc<str>>,
    pub(super) samples: HashMap<Kind, Sample>,
    /// Keys seen since a kind's list began anew.
    pub(super) relisting: HashMap<Kind, HashSet<Short>>,
}

impl Index {
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    pub(super) fn short(&mut self, key: &Key) -> Short {
        Short {
            kind: key.kind,
            namespace: self.text(&key.namespace),
            name: self.text(&key.name),
        }
    }

    /// Returns the short form of a key that may be stored.
    pub(super) fn known(&self, key: &Key) -> Option<Short> {
        Some(Short {
            kind: key.kind,
            namespace: self.texts.get(&*key.namespace)?.clone(),
            name: self.texts.get(&*key.name)?.clone(),
        })
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Stored> {
        self.objects.get(&self.known(key)?)
    }

    pub(super) fn insert(&mut self, key: Short, stored: Stored) {
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

    pub(super) fn remove(&mut self, key: &Short) -> Option<Stored> {
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
    pub(super) fn sweep(&mut self) {
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }

    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&Short, &Stored)> {
        let first = Short {
            kind,
            namespace: "".into(),
            name: "".into(),
        };
        let from = self.objects.range(first..);
        from.take_while(move |(key, _)| key.kind == kind)
    }

    /// Returns a stored object as it was observed.
    pub(super) fn live(&self, key: &Short, stored: &Stored) -> Option<Live> {
        Some(Live {
            key: key.whole(),
            uid: stored.uid.text(),
            resource_version: stored.resource_version.to_string(),
            value: serde_json::from_str(&self.samples.get(&key.kind)?.unpack(&stored.json)?).ok()?,
        })
    }
}
