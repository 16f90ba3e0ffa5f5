//! The keys that a tenant encrypts data with. A key stays as long as there can be data that needs it; a rotation adds one, and once every pod has it, it is
//! the one to encrypt with. What was lost cannot be made anew, since nothing else reads what was written with it.

use super::{bytes, head_start, text};
use crate::api::EncryptionKeyStatus;
use crate::cluster::{Identity, secret};
use crate::names;
use crate::rotation::{Decision, Published, Rotation, decide};
use crate::time::{after, seconds};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The most keys that are kept. A Secret has room for more; ninety days each, these last for sixteen years.
pub const MOST: usize = 64;
/// Bytes of a key.
const LENGTH: usize = 32;
/// The entry with the id of the key to encrypt with.
const CURRENT: &str = "current";
/// The most lost keys that a message names.
const NAMED: usize = 16;

/// A key of 256 bits. Not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionKey([u8; LENGTH]);

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({}, …)", self.id())
    }
}

impl EncryptionKey {
    /// A new one, of the system's randomness.
    pub fn random() -> Self {
        let mut key = [0_u8; LENGTH];
        let filled = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut key);
        // Without randomness no key may be made.
        filled.unwrap_or_else(|_| panic!("the system has no random numbers"));
        Self(key)
    }

    /// Returns a check value of the key. It identifies the key and reveals nothing of it.
    pub fn id(&self) -> String {
        let text = [b"tenant-operator.io/encryption-key:".as_slice(), &self.0].concat();
        let digest = Sha256::digest(&text);
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The record of keys in the Secret.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Record {
    /// The time at which the key to encrypt with was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated_for: Option<String>,
    /// The id of the key that is next, and since when it has been there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<(String, Timestamp)>,
    /// Ids in the order in which the keys were made.
    #[serde(default)]
    order: Vec<String>,
}

/// The Secret as it should be now.
pub struct Encryption {
    pub secret: Secret,
    pub status: EncryptionKeyStatus,
    /// The time of the next look; None: there are as many keys as there can be.
    pub next: Option<Timestamp>,
}

/// Decides which keys there should be. `reported` are the keys in the tenant's status, `given_up` those that nobody needs any more.
///
/// # Errors
/// The reason why nothing is written: keys of the tenant's status are missing.
pub fn rotate(
    owner: &Identity,
    found: Option<&Secret>,
    reported: &[String],
    given_up: &BTreeSet<String>,
    rotation: &Rotation,
    now: Timestamp,
    mut random_key: impl FnMut() -> EncryptionKey,
) -> Result<Encryption, String> {
    let mut keys = stored(found);
    let lost = |id: &&String| !keys.contains_key(*id) && !given_up.contains(*id);
    let lost: Vec<&String> = reported.iter().filter(lost).collect();
    if !lost.is_empty() {
        return Err(loss(&lost));
    }
    let record = found.and_then(super::record::<Record>).unwrap_or_default();
    let named = found.and_then(|found| text(found, CURRENT)).map(String::from);
    let newest = record.order.iter().rev().find(|id| keys.contains_key(*id)).cloned();
    let current = named
        .filter(|id| keys.contains_key(id))
        .or(newest)
        .or_else(|| keys.keys().next().cloned());
    let staged = record.next.clone().filter(|(id, _)| keys.contains_key(id));
    let is_used = |id: &String| Some(id) == current.as_ref() || staged.as_ref().is_some_and(|(next, _)| next == id);
    keys.retain(|id, _| is_used(id) || !given_up.contains(id));
    let published = current.as_ref().map(|_| Published {
        login: 0,
        // Where nobody knows, it is as old as can be said for sure.
        issued_at: record.issued_at.unwrap_or(now),
        previous_until: None,
        rotated_for: record.rotated_for.clone(),
    });
    let mut add = |keys: &mut BTreeMap<String, EncryptionKey>| {
        let key = random_key();
        let id = key.id();
        keys.insert(id.clone(), key);
        id
    };
    let mut order = record.order;
    let issued = published.as_ref().map_or(now, |published| published.issued_at);
    let as_before = (seconds(issued), record.rotated_for);
    let as_of_now = (seconds(now), rotation.request.clone());
    let start = head_start(rotation.overlap);
    let (current, (issued_at, rotated_for), next) =
        match (current, decide(published.as_ref(), [false, false], rotation, now)) {
            (None, _) => (add(&mut keys), as_of_now, None),
            (Some(current), Decision::Keep { .. }) => (current, as_before, None),
            (Some(current), Decision::Issue { .. }) => match staged {
                Some((next, since)) if since <= now && now >= after(since, start) => (next, as_of_now, None),
                Some((next, since)) => (current, as_before, Some((next, since.min(seconds(now))))),
                None if keys.len() >= MOST => (current, as_before, None),
                None => (current, as_before, Some((add(&mut keys), seconds(now)))),
            },
        };
    // In the order in which they were made, as far as that is known.
    order.retain(|id| keys.contains_key(id));
    let unknown = keys.keys().filter(|id| !order.contains(id)).cloned();
    let unknown: Vec<String> = unknown.collect();
    order.extend(unknown);
    let due = after(issued_at, rotation.interval);
    let ripe = next.as_ref().map(|(_, since)| after(*since, start));
    let is_full = keys.len() >= MOST && ripe.is_none();
    let record = Record {
        issued_at: Some(issued_at),
        rotated_for,
        next,
        order: order.clone(),
    };
    Ok(Encryption {
        secret: secret(owner, &keys, &current, &record),
        status: EncryptionKeyStatus {
            key_id: current,
            key_ids: order,
            issued_at: issued_at.to_string(),
            next_rotation_at: due.to_string(),
        },
        next: (!is_full).then(|| ripe.unwrap_or(due)),
    })
}

/// The keys of a Secret: each entry whose name is the id of what is in it.
fn stored(found: Option<&Secret>) -> BTreeMap<String, EncryptionKey> {
    let data = found.and_then(|found| found.data.as_ref()).into_iter().flatten();
    data.filter_map(|(id, bytes)| {
        let key = EncryptionKey(bytes.0.as_slice().try_into().ok()?);
        (key.id() == *id).then(|| (id.clone(), key))
    })
    .collect()
}

fn loss(lost: &[&String]) -> String {
    let more = lost.len().saturating_sub(NAMED);
    let named: Vec<&str> = lost.iter().take(NAMED).map(|id| id.as_str()).collect();
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more of status.credentials.encryptionKey.keyIds"),
    };
    format!(
        "Secret {} lacks keys that workloads may have encrypted data with: {}{more}. Restore the Secret, or give these keys up by the \
         annotation {}",
        names::ENCRYPTION_KEY_SECRET,
        named.join(","),
        names::ABANDON_KEYS,
    )
}

fn secret(owner: &Identity, keys: &BTreeMap<String, EncryptionKey>, current: &str, record: &Record) -> Secret {
    let words = [
        ("type", "encryption-key"),
        ("provider", names::MANAGER),
        ("algorithm", "AES-256"),
        (CURRENT, current),
    ];
    let words = words.map(|(entry, word)| (entry.to_string(), bytes(word)));
    let keys = keys.iter().map(|(id, key)| (id.clone(), ByteString(key.0.to_vec())));
    let data = words.into_iter().chain(keys).collect();
    let mut secret = secret::opaque(owner, names::ENCRYPTION_KEY_SECRET, data);
    secret::annotate(&mut secret, names::KEYS, record);
    secret
}

#[cfg(test)]
#[path = "encryption_test.rs"]
mod tests;
