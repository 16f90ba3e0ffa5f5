//! The key that a tenant signs tokens with: one that signs, the one before it while its tokens are still taken, and for a while the one to come, so that
//! whoever verifies never meets a key that it has not heard of.

use super::key_pair::KeyPair;
use super::trust::{Goal, KeyVerifier, Trust};
use super::{bytes, head_start, text};
use crate::api::SigningKeyStatus;
use crate::capability::jwks::{Jwk, JwkSet, PublicKeys};
use crate::cluster::{Identity, secret};
use crate::names;
use crate::rotation::{Decision, Published, Rotation, decide};
use crate::time::{after, seconds};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The entries of the Secret that workloads are given.
pub const ENTRIES: [&str; 6] = ["type", "provider", "algorithm", "kid", PRIVATE_KEY, names::JWKS_FILE];
/// The private key that signs.
pub const PRIVATE_KEY: &str = "private-key.pem";
/// The private key that will sign next; workloads are not given it.
const NEXT: &str = "next-private-key.pem";

/// The record of keys in the Secret.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Record {
    issued_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated_for: Option<String>,
    /// Since when the next one has been published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_since: Option<Timestamp>,
    /// The id of the key before, and until when its tokens are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<(String, Timestamp)>,
    /// The keys that the tenant's gateway verifies with, where those are not the published ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trust: Option<Trust>,
}

/// The Secret as it should be now.
#[derive(Clone)]
pub struct Signing {
    pub secret: Secret,
    pub keys: PublicKeys,
    pub status: SigningKeyStatus,
    /// The time of the next look.
    pub next: Timestamp,
    /// True where until then only the spec can change anything: no key and no gateway is on its way to the next one.
    pub is_settled: bool,
}

/// Decides which keys there should be. `is_known` returns true where every object that names one key names another too.
pub fn rotate(
    owner: &Identity,
    found: Option<&Secret>,
    rotation: &Rotation,
    now: Timestamp,
    is_known: impl FnOnce(&Jwk, &Jwk) -> bool,
    gateway: &impl KeyVerifier,
    mut random_pair: impl FnMut() -> KeyPair,
) -> Signing {
    let pair = |entry: &str| KeyPair::from_pem(text(found?, entry)?);
    let current = pair(PRIVATE_KEY);
    let record = found.filter(|_| current.is_some()).and_then(super::record::<Record>);
    let previous = record.as_ref().and_then(|record| record.previous.clone());
    let published = record.as_ref().map(|record| Published {
        login: 0,
        issued_at: record.issued_at,
        previous_until: previous.as_ref().map(|(_, until)| *until),
        rotated_for: record.rotated_for.clone(),
    });
    let decision = decide(published.as_ref(), [false, false], rotation, now);
    let known = found
        .filter(|_| record.is_some())
        .map(self::published)
        .unwrap_or_default();
    let trust = record.as_ref().and_then(|record| record.trust.clone());
    let trust = trust.unwrap_or_else(|| Trust::of(known.clone()));
    let keys = match (current, record, decision) {
        (Some(current), Some(record), Decision::Keep { other_open, next, .. }) => {
            let previous = previous
                .filter(|_| other_open)
                .and_then(|(kid, until)| Some((known.keys.into_iter().find(|key| key.kid == kid)?, until.min(next))));
            Keys {
                record: Record {
                    next_since: None,
                    previous: previous.as_ref().map(|(key, until)| (key.kid.clone(), *until)),
                    ..record
                },
                current,
                next: None,
                previous: previous.map(|(key, _)| key),
            }
        }
        (Some(current), Some(record), Decision::Issue { previous_until, .. }) => {
            // By a clock that was ahead it would have to wait for longer.
            let staged = pair(NEXT).zip(record.next_since.map(|since| since.min(seconds(now))));
            let is_ripe = |since: &Timestamp| now >= after(*since, head_start(rotation.overlap));
            let trust = trust.clone().step(&Goal::of(known, None, rotation), gateway, now);
            match staged {
                Some((next, since))
                    if is_ripe(&since) && trust.is_settled() && is_known(&current.public, &next.public) =>
                {
                    let until = previous_until.filter(|until| now < *until);
                    Keys {
                        record: Record {
                            previous: until.map(|until| (current.public.kid.clone(), until)),
                            ..Record::of(now, rotation)
                        },
                        previous: until.map(|_| current.public),
                        current: next,
                        next: None,
                    }
                }
                staged => {
                    // Where somebody has not been told of it yet, the time to hear of it begins anew.
                    let staged = staged.map(|(next, since)| {
                        if is_ripe(&since) && trust.is_settled() {
                            (next, seconds(now))
                        } else {
                            (next, since)
                        }
                    });
                    let (next, since) = staged.unwrap_or_else(|| (random_pair(), seconds(now)));
                    Keys {
                        record: Record {
                            next_since: Some(since),
                            previous: None,
                            ..record
                        },
                        current,
                        next: Some(next),
                        previous: None,
                    }
                }
            }
        }
        // Nothing is there, or it is not known what it is.
        _ => Keys {
            record: Record::of(now, rotation),
            current: random_pair(),
            next: None,
            previous: None,
        },
    };
    keys.written(owner, rotation, trust, gateway, now)
}

impl Record {
    fn of(now: Timestamp, rotation: &Rotation) -> Self {
        Self {
            issued_at: seconds(now),
            rotated_for: rotation.request.clone(),
            next_since: None,
            previous: None,
            trust: None,
        }
    }
}

impl Goal {
    fn of(published: JwkSet, leaving: Option<(String, Timestamp)>, rotation: &Rotation) -> Self {
        Self {
            published,
            leaving,
            // So that all is over when the next key begins to sign.
            pause: head_start(rotation.overlap) / 3,
        }
    }
}

struct Keys {
    record: Record,
    current: KeyPair,
    next: Option<KeyPair>,
    previous: Option<Jwk>,
}

impl Keys {
    fn written(
        self,
        owner: &Identity,
        rotation: &Rotation,
        trust: Trust,
        gateway: &impl KeyVerifier,
        now: Timestamp,
    ) -> Signing {
        let Self {
            mut record,
            current,
            next,
            previous,
        } = self;
        let set = JwkSet {
            // In the order in which they were made, so that nothing of it changes when the next one signs.
            keys: [
                previous,
                Some(current.public.clone()),
                next.as_ref().map(|next| next.public.clone()),
            ]
            .into_iter()
            .flatten()
            .collect(),
        };
        let goal = Goal::of(set.clone(), record.previous.clone(), rotation);
        let trust = trust.step(&goal, gateway, now);
        record.trust = (trust != Trust::of(set.clone())).then(|| trust.clone());
        let is_settled = record.trust.is_none() && record.next_since.is_none();
        let kid = current.public.kid.clone();
        let values = [
            "signing-key",
            names::MANAGER,
            "ES256",
            &kid,
            current.reveal(),
            &set.text(),
        ]
        .map(bytes);
        let mut data: BTreeMap<_, _> = ENTRIES.map(String::from).into_iter().zip(values).collect();
        next.map(|next| data.insert(NEXT.into(), bytes(next.reveal())));
        let mut secret = secret::opaque(owner, names::SIGNING_KEY_SECRET, data);
        secret::annotate(&mut secret, names::KEYS, &record);
        let due = after(record.issued_at, rotation.interval);
        let until = record.previous.map(|(_, until)| until);
        let ripe = record
            .next_since
            .map(|since| after(since, head_start(rotation.overlap)));
        let boundaries = [ripe, until, trust.next(&goal)].into_iter().flatten();
        let next = boundaries.filter(|boundary| *boundary > now).min();
        Signing {
            secret,
            keys: PublicKeys {
                published: set,
                preloaded: trust.preloaded(),
                trusted: trust.set,
            },
            status: SigningKeyStatus {
                key_id: kid,
                issued_at: record.issued_at.to_string(),
                next_rotation_at: due.to_string(),
            },
            next: next.unwrap_or(due),
            is_settled,
        }
    }
}

/// The public keys that a Secret tells of.
pub fn published(secret: &Secret) -> JwkSet {
    text(secret, names::JWKS_FILE)
        .and_then(JwkSet::parse)
        .unwrap_or_default()
}

#[cfg(test)]
#[path = "signing_test.rs"]
mod tests;
