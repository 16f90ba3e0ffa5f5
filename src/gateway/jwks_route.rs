//! A tenant's public keys, published at its hosts (RFC 7517, RFC 8615). Pure.

use super::config::{Entry, GatewayConfig};

/// The path of the public keys.
pub const PATH: &str = "/.well-known/jwks.json";

/// Returns the path of the public keys at this entry. None where the tenant signs nothing, has its own route there, or has an entry by header, which needs
/// credentials.
pub fn path(way: &GatewayConfig, entry: &Entry) -> Option<String> {
    way.key_set.as_ref()?;
    let is_taken = way.gateway.routes.iter().any(|route| route.path.value == PATH);
    match entry {
        _ if is_taken => None,
        Entry::Hosts(_) | Entry::SecureHosts(_) => Some(PATH.into()),
        Entry::Path { prefix, .. } => Some(format!("{prefix}{PATH}")),
        Entry::Header { .. } => None,
    }
}
