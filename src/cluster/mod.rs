//! The cluster: its known state, the comparison with the desired state, and the writes between the two.

pub mod api_server;
pub mod backoff;
mod blocked;
pub mod client;
pub mod compression;
pub mod decode;
pub mod diff;
pub mod error;
pub mod fixed;
#[cfg(test)]
pub mod fixtures;
mod futile;
pub mod kind;
pub mod leader;
pub mod memo;
pub mod metadata;
pub mod object;
pub mod pod;
pub mod queue;
pub mod secret;
pub mod secret_versions;
pub mod served;
pub mod store;
pub mod termination;
pub mod watch;
pub mod write;

pub use error::Error;
pub use kind::Kind;
pub use memo::{Memo, MemoEntry};
pub use object::{Desired, Identity, Key, Live};
pub use queue::Queue;
pub use secret_versions::{SecretVersions, Version};
pub use store::Store;
pub use write::Writer;

use serde_json::Value;
use std::hash::{DefaultHasher, Hasher};

/// A digest for comparison within one process only.
fn digest(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(value.to_string().as_bytes());
    hasher.finish()
}
