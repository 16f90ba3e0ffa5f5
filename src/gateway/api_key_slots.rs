//! API keys in a Secret each, for gateways that take no other: the assignment of Secrets to keys, and their content. Pure but for randomness, which is an
//! argument.
//!
//! A key keeps its Secret, and a new one gets a free Secret, where there is one. The gateway may read a Secret before the policy that names its client.

use super::config::ValidApiKey;
use crate::cluster::{Identity, secret};
use crate::names;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use std::collections::BTreeMap;

/// The field that gateways read.
const KEY: &str = "key";

/// The number of each key's own Secret, by the key's name.
pub type Slots = BTreeMap<String, usize>;

/// Reads the numbers from the Secret with all keys.
pub fn recorded(keys: Option<&Secret>) -> Slots {
    keys.and_then(|keys| secret::annotation(keys, names::API_KEY_SLOTS))
        .unwrap_or_default()
}

/// Records the numbers in the Secret with all keys, for the next pass.
pub fn record(keys: &mut Secret, slots: &Slots) {
    if !slots.is_empty() {
        secret::annotate(keys, names::API_KEY_SLOTS, slots);
    }
}

/// Assigns a Secret to each key.
pub fn slots(wanted: &[ValidApiKey], before: &Slots) -> Slots {
    let all = 1..=names::MOST_API_KEYS;
    let mut slots = Slots::new();
    for key in wanted {
        let kept = before.get(&key.name).filter(|slot| all.contains(slot));
        kept.map(|slot| slots.insert(key.name.clone(), *slot));
    }
    for key in wanted {
        let is_free = |slot: &usize| !slots.values().any(|taken| taken == slot);
        let is_new = |slot: &usize| !before.values().any(|former| former == slot);
        let free = all.clone().filter(is_free);
        let best = free.clone().find(is_new).or_else(|| free.clone().next());
        if let (false, Some(slot)) = (slots.contains_key(&key.name), best) {
            slots.insert(key.name.clone(), slot);
        }
    }
    slots
}

/// Returns a Secret with one key; without a valid key it holds a value that nobody knows.
pub fn secret(
    owner: &Identity,
    name: &str,
    key: Option<&ByteString>,
    found: Option<&Secret>,
    random_key: impl FnOnce() -> String,
) -> Secret {
    let value = key.cloned().or_else(|| unknown(found));
    let value = value.unwrap_or_else(|| ByteString(random_key().into_bytes()));
    let mut secret = secret::opaque(owner, name, BTreeMap::from([(KEY.into(), value)]));
    if key.is_none() {
        secret::annotate(&mut secret, names::OPENS_NOTHING, &true);
    }
    secret
}

/// Returns a Secret's value where no client knows it.
fn unknown(found: Option<&Secret>) -> Option<ByteString> {
    let found = found?;
    let opens_nothing = found.metadata.annotations.as_ref()?.contains_key(names::OPENS_NOTHING);
    let key = found.data.as_ref()?.get(KEY)?;
    (opens_nothing && !key.0.is_empty()).then(|| key.clone())
}

#[cfg(test)]
#[path = "api_key_slots_test.rs"]
mod tests;
