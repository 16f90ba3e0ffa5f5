//! Keys that a tenant's workloads use themselves: one to sign tokens with, one to encrypt data with. Which there should be follows from what their
//! Secrets say, the spec and the clock. Pure but for randomness, which is an argument.

mod binding;
mod capability;
pub mod encryption;
pub mod key_pair;
mod own_keys;
pub mod signing;
pub mod trust;
mod validate;

pub use capability::{OwnKeys, ValidCredentials};

use crate::cluster::secret;
use crate::names;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The gateway takes a moment to take up a key.
const SHORTEST_HEAD_START: Duration = Duration::from_secs(5);
/// Verifiers of tokens refetch keys at least this often; the kubelet updates a pod's files sooner.
const LONGEST_HEAD_START: Duration = Duration::from_mins(10);

/// The time for which a key is known before it is used: verifiers have it by then.
fn head_start(overlap: Duration) -> Duration {
    overlap.clamp(SHORTEST_HEAD_START, LONGEST_HEAD_START)
}

/// Reads the record of keys from a Secret's annotation.
fn record<T: DeserializeOwned>(secret: &Secret) -> Option<T> {
    secret::annotation(secret, names::KEYS)
}

/// One entry of a Secret, as text.
fn text<'a>(secret: &'a Secret, entry: &str) -> Option<&'a str> {
    str::from_utf8(&secret.data.as_ref()?.get(entry)?.0).ok()
}

fn bytes(text: impl Into<String>) -> ByteString {
    ByteString(text.into().into_bytes())
}
