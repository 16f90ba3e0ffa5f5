//! Facts that a pass derived from a tenant's Secrets. Until something changes that they follow from, the next pass takes them and reads no Secret.
//!
//! Facts have no content of a Secret: who needs a password or a key reads it.

use super::Identity;
use super::secret_versions::{SecretVersions, Version};
use k8s_openapi::jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Facts, and all that they follow from.
#[derive(Clone)]
pub struct MemoEntry<I, T> {
    /// The name and version of each Secret; None: there was none.
    pub secrets: Vec<(String, Option<Version>)>,
    /// Everything else: the spec, the tier, the platform.
    pub inputs: I,
    /// The time of the pass. An earlier one is that of a clock which was put back.
    pub since: Timestamp,
    /// The time at which something is due.
    pub until: Option<Timestamp>,
    pub facts: T,
}

impl<I, T> MemoEntry<I, T> {
    /// Facts that follow from one Secret, in the version that a pass read or wrote, and that hold until something changes.
    pub fn of_secret(name: &str, version: Option<Version>, inputs: I, since: Timestamp, facts: T) -> Self {
        Self {
            secrets: vec![(name.to_string(), version)],
            inputs,
            since,
            until: None,
            facts,
        }
    }
}

/// The facts of each tenant.
pub struct Memo<I, T>(Mutex<ByTenant<I, T>>);

type ByTenant<I, T> = HashMap<String, (Identity, MemoEntry<I, T>)>;

impl<I, T> Default for Memo<I, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<I: PartialEq, T: Clone> Memo<I, T> {
    fn lock(&self) -> MutexGuard<'_, ByTenant<I, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a tenant's facts where nothing has changed since. None: they may not hold any more, or there are none.
    pub fn recall(&self, secrets: &SecretVersions, owner: &Identity, inputs: &I, now: Timestamp) -> Option<T> {
        let all = self.lock();
        let (of, entry) = all.get(&owner.tenant)?;
        let is_time = entry.since <= now && entry.until.is_none_or(|until| now < until);
        let is_shown = |(name, version): &(String, Option<Version>)| {
            let version = version.as_ref();
            secrets.shows(&owner.tenant, name, version)
        };
        let holds = of == owner && entry.inputs == *inputs && is_time && entry.secrets.iter().all(is_shown);
        holds.then(|| entry.facts.clone())
    }

    /// Keeps a tenant's facts, in the place of former ones.
    pub fn keep(&self, owner: &Identity, entry: MemoEntry<I, T>) {
        self.lock().insert(owner.tenant.clone(), (owner.clone(), entry));
    }

    /// Forgets a tenant.
    pub fn forget(&self, tenant: &str) {
        self.lock().remove(tenant);
    }
}

#[cfg(test)]
#[path = "memo_test.rs"]
mod tests;
