//! Versions of the operator's own Secrets, by watches of their metadata. The operator never keeps the content of a Secret, and no watch asks for it.

use super::Store;
use super::store::version;
use super::watch::Cache;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// One version of one Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    uid: Box<str>,
    resource_version: u64,
}

impl Version {
    /// The version of this Secret.
    pub fn of(secret: &impl ResourceExt) -> Self {
        Self {
            uid: secret.uid().unwrap_or_default().into(),
            resource_version: secret.resource_version().as_deref().map_or(0, version),
        }
    }
}

/// The Secrets of one name.
#[derive(Default)]
struct Named {
    /// By namespace.
    versions: HashMap<String, Version>,
    /// True while a watch shows every change.
    is_followed: bool,
    /// True once a watch has listed them.
    was_listed: bool,
    /// Namespaces seen since a list began anew; None: none is under way.
    relisting: Option<HashSet<String>>,
}

impl Named {
    /// Takes in a version. Returns true where others made it.
    fn put(&mut self, namespace: &str, version: Version) -> bool {
        if let Some(seen) = &mut self.relisting {
            seen.insert(namespace.to_string());
        }
        let known = self.versions.get(namespace);
        // An event may be older than a read or write that this process has noted.
        if known.is_some_and(|known| known.resource_version >= version.resource_version) {
            return false;
        }
        // The first list shows Secrets that no pass has read yet.
        let is_change = known.is_some() || self.was_listed;
        self.versions.insert(namespace.to_string(), version);
        is_change
    }

    /// Removes a Secret that was deleted in this version. Returns true where it was there.
    fn remove(&mut self, namespace: &str, version: &Version) -> bool {
        let is_newer = |known: &Version| known.resource_version > version.resource_version;
        match self.versions.get(namespace) {
            Some(known) if !is_newer(known) => self.versions.remove(namespace).is_some(),
            _ => false,
        }
    }

    /// Removes all Secrets that a whole list does not have, and returns their namespaces.
    fn retain_listed(&mut self) -> Vec<String> {
        let seen = self.relisting.take().unwrap_or_default();
        let gone = self.versions.extract_if(|namespace, _| !seen.contains(namespace));
        gone.map(|(namespace, _)| namespace).collect()
    }
}

/// Versions of the operator's own Secrets, by name and namespace.
pub struct SecretVersions {
    named: Mutex<HashMap<String, Named>>,
    /// Names that some pass has asked for: a name that no tenant uses needs no watch.
    used: watch::Sender<HashSet<String>>,
}

impl Default for SecretVersions {
    fn default() -> Self {
        Self {
            named: Mutex::default(),
            used: watch::Sender::new(HashSet::new()),
        }
    }
}

impl SecretVersions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Named>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when a pass has asked for a Secret of this name.
    pub async fn used(&self, name: &str) {
        let mut used = self.used.subscribe();
        // The sender lives as long as self.
        let _ = used.wait_for(|names| names.contains(name)).await;
    }

    /// Takes in the answer to a read or write, which may be newer than the watch.
    pub fn note(&self, namespace: &str, name: &str, found: Option<Version>) {
        self.used.send_if_modified(|names| names.insert(name.to_string()));
        if let Some(version) = found {
            self.lock().entry(name.to_string()).or_default().put(namespace, version);
        }
    }

    /// Returns true where a Secret is known to have this version; None: where there is known to be none. False is no evidence of a change.
    pub fn shows(&self, namespace: &str, name: &str, version: Option<&Version>) -> bool {
        let named = self.lock();
        let followed = named.get(name).filter(|named| named.is_followed);
        followed.is_some_and(|named| named.versions.get(namespace) == version)
    }

    /// Stops relying on the watch of a name until it has listed anew.
    pub fn doubt(&self, name: &str) {
        if let Some(named) = self.lock().get_mut(name) {
            named.is_followed = false;
        }
    }

    /// Takes in an event of the watch of a name. Returns the namespaces in which others changed the Secret.
    fn observe(&self, name: &str, event: &Event<DynamicObject>) -> Vec<String> {
        let mut all = self.lock();
        let named = all.entry(name.to_string()).or_default();
        match event {
            Event::Init => {
                named.relisting = Some(HashSet::new());
                Vec::new()
            }
            Event::InitDone => {
                let gone = named.retain_listed();
                (named.is_followed, named.was_listed) = (true, true);
                gone
            }
            Event::InitApply(secret) | Event::Apply(secret) => {
                let namespace = secret.namespace().unwrap_or_default();
                let is_change = named.put(&namespace, Version::of(secret));
                is_change.then_some(namespace).into_iter().collect()
            }
            Event::Delete(secret) => {
                let namespace = secret.namespace().unwrap_or_default();
                let was_there = named.remove(&namespace, &Version::of(secret));
                was_there.then_some(namespace).into_iter().collect()
            }
        }
    }
}

/// The operator's Secrets of one name, in the [`Store`] of all objects.
pub struct SecretsNamed {
    pub name: String,
    pub store: Arc<Store>,
}

impl Cache<DynamicObject> for SecretsNamed {
    /// The namespace of a Secret that others changed.
    type Change = String;

    async fn update(&mut self, event: Event<DynamicObject>) -> Vec<String> {
        self.store.secrets.observe(&self.name, &event)
    }
}

#[cfg(test)]
#[path = "secret_versions_test.rs"]
mod tests;
