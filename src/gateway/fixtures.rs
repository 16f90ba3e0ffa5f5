//! Fixtures for tests of the gateway.

use super::config::ValidApiKey;

/// An API key of this name that never expires.
pub fn key(name: &str) -> ValidApiKey {
    ValidApiKey {
        name: name.into(),
        roles: Vec::new(),
        expires_at: None,
        slot: 0,
    }
}
