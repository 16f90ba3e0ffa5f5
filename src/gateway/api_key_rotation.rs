//! A tenant's desired API keys, from the Secret, the spec and the clock. Pure but for randomness, which is an argument.

use super::config::ValidApiKey;
use crate::api::ApiKeyStatus;
use crate::cluster::{Identity, secret};
use crate::names;
use crate::rotation::{Decision, Published, Rotation, decide};
use crate::time::{after, seconds};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One key's record in the Secret, an annotation.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Record {
    issued_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated_for: Option<String>,
    /// The time at which the gateway got the next key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_since: Option<Timestamp>,
}

/// The time that the gateway has a key before its clients see it, since clients may use a new key at once.
const HEAD_START: Duration = Duration::from_secs(5);
/// The client of the placeholder key where there is no other. Nobody knows the key; without any key a gateway may accept those of other routes.
const NOBODY: &str = "nobody.at.all";

/// The Secret as it should be now.
pub struct Keyring {
    pub secret: Secret,
    pub status: Vec<ApiKeyStatus>,
    /// The time of the next change; None where time changes nothing.
    pub next: Option<Timestamp>,
}

/// Returns the keys that should exist now. `random_key` draws a key's value.
pub fn rotate(
    owner: &Identity,
    wanted: &[ValidApiKey],
    found: Option<&Secret>,
    rotation: &Rotation,
    now: Timestamp,
    mut random_key: impl FnMut() -> String,
) -> Keyring {
    let records = found.and_then(|found| secret::annotation(found, names::API_KEYS));
    let records: BTreeMap<String, Record> = records.unwrap_or_default();
    let stored = |client: &str| {
        let data = found.and_then(|found| found.data.as_ref())?;
        data.get(client).filter(|key| !key.0.is_empty()).cloned()
    };
    let (mut data, mut kept) = (BTreeMap::new(), BTreeMap::new());
    let (mut status, mut next): (Vec<ApiKeyStatus>, Option<Timestamp>) = (Vec::new(), None);
    let mut due = |at: Timestamp| next = Some(next.map_or(at, |next| next.min(at)));
    for key in wanted {
        let reported = ApiKeyStatus {
            name: key.name.clone(),
            expires_at: key.expires_at.map(|end| end.to_string()),
            ..ApiKeyStatus::default()
        };
        if key.expires_at.is_some_and(|end| end <= now) {
            status.push(reported);
            continue;
        }
        key.expires_at.into_iter().for_each(&mut due);
        let [client, former] = names::api_key_clients(&key.name);
        let current = stored(&client);
        let record = records.get(&key.name).filter(|_| current.is_some());
        let published = record.map(|record| Published {
            login: 0,
            issued_at: record.issued_at,
            previous_until: record.previous_until,
            rotated_for: record.rotated_for.clone(),
        });
        let record = match decide(published.as_ref(), [false, false], rotation, now) {
            Decision::Issue { previous_until, .. } => {
                let coming = names::api_key_next(&key.name);
                let since = record
                    .and_then(|record| record.next_since)
                    .filter(|since| *since <= now);
                let staged = stored(&coming).zip(since);
                match (current, record, staged) {
                    (Some(current), Some(record), staged)
                        if staged.as_ref().is_none_or(|(_, since)| now < after(*since, HEAD_START)) =>
                    {
                        let (next, since) =
                            staged.unwrap_or_else(|| (ByteString(random_key().into_bytes()), seconds(now)));
                        data.insert(client, current);
                        data.insert(coming, next);
                        due(after(since, HEAD_START));
                        Record {
                            previous_until: None,
                            next_since: Some(since),
                            ..record.clone()
                        }
                    }
                    (current, _, staged) => {
                        let before = current.filter(|_| previous_until.is_some_and(|until| now < until));
                        let until = previous_until.filter(|_| before.is_some());
                        before.map(|before| data.insert(former, before));
                        let next = staged.map(|(next, _)| next);
                        data.insert(client, next.unwrap_or_else(|| ByteString(random_key().into_bytes())));
                        Record {
                            issued_at: seconds(now),
                            previous_until: until,
                            rotated_for: rotation.request.clone(),
                            next_since: None,
                        }
                    }
                }
            }
            Decision::Keep { other_open, .. } => {
                let before = stored(&former).filter(|_| other_open);
                let until = record
                    .and_then(|record| record.previous_until)
                    .filter(|_| before.is_some());
                before.map(|before| data.insert(former, before));
                current.map(|current| data.insert(client, current));
                Record {
                    issued_at: record.map_or(now, |record| record.issued_at),
                    previous_until: until,
                    rotated_for: record.and_then(|record| record.rotated_for.clone()),
                    next_since: None,
                }
            }
        };
        let renewed = after(record.issued_at, rotation.interval);
        if record.next_since.is_none() {
            due(record.previous_until.unwrap_or(renewed));
        }
        status.push(ApiKeyStatus {
            issued_at: Some(record.issued_at.to_string()),
            next_rotation_at: Some(renewed.to_string()),
            ..reported
        });
        kept.insert(key.name.clone(), record);
    }
    if data.is_empty() {
        data.insert(
            NOBODY.into(),
            stored(NOBODY).unwrap_or_else(|| ByteString(random_key().into_bytes())),
        );
    }
    let mut secret = secret::opaque(owner, names::API_KEYS_SECRET, data);
    secret::annotate(&mut secret, names::API_KEYS, &kept);
    Keyring { secret, status, next }
}

/// Returns the Secret without unnamed and expired keys; makes no new ones. None where nothing differs.
pub fn without(found: &Secret, named: &[String], random_key: impl FnOnce() -> String) -> Option<Secret> {
    let is_named = |client: &String| {
        let opens = |name: &String| {
            let [own, former] = names::api_key_clients(name);
            [own, former, names::api_key_next(name)].contains(client)
        };
        client == NOBODY || named.iter().any(opens)
    };
    let stored = found.data.clone().unwrap_or_default();
    let mut data: BTreeMap<String, ByteString> = stored
        .iter()
        .filter(|(client, _)| is_named(client))
        .map(|(c, k)| (c.clone(), k.clone()))
        .collect();
    if data.len() == stored.len() {
        return None;
    }
    if data.is_empty() {
        data.insert(NOBODY.into(), ByteString(random_key().into_bytes()));
    }
    Some(Secret {
        data: Some(data),
        ..found.clone()
    })
}

/// The Secret without the former keys whose time is over; nothing else changes. None where there are none.
pub fn without_expired(found: &Secret, now: Timestamp) -> Option<Secret> {
    let mut left = found.clone();
    let mut records: BTreeMap<String, Record> = secret::annotation(found, names::API_KEYS)?;
    for (name, record) in &mut records {
        if record.previous_until.take_if(|until| *until <= now).is_some() {
            let [_, former] = names::api_key_clients(name);
            left.data.get_or_insert_default().remove(&former);
        }
    }
    secret::annotate(&mut left, names::API_KEYS, &records);
    (left != *found).then_some(left)
}

/// Returns the time at which [`without_expired`] removes a former key next.
pub fn next_expiry(found: &Secret, now: Timestamp) -> Option<Timestamp> {
    let records: BTreeMap<String, Record> = secret::annotation(found, names::API_KEYS)?;
    let ends = records.into_values().filter_map(|record| record.previous_until);
    ends.filter(|until| *until > now).min()
}

#[cfg(test)]
#[path = "api_key_rotation_test.rs"]
mod tests;
