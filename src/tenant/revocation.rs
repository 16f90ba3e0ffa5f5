//! Rights that the spec takes away go first, whatever else the spec says: a mistake in another field, a tier that
//! is gone, or an object that is refused must keep nobody's former rights alive and let nothing run that is suspended.

use crate::capability::{Pass, Revocation};
use crate::cluster::Error;

/// Takes away what the spec no longer gives. Returns what it waits for, if anything.
///
/// # Errors
/// The first write that was refused; the others are tried all the same.
pub async fn revoke(pass: &Pass<'_>, of: &Revocation<'_>) -> Result<Option<String>, Error> {
    let mut result = Ok(None);
    for capability in pass.capabilities {
        let waiting = capability.revoke(pass, of).await;
        result = match (result, waiting) {
            (Ok(first), Ok(next)) => Ok(first.or(next)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
    }
    result
}

/// Revokes the expired credentials of a Tenant whose spec is invalid.
///
/// # Errors
/// The first write that was refused; the others are tried all the same.
pub async fn revoke_expired(pass: &Pass<'_>, of: &Revocation<'_>) -> Result<(), Error> {
    let mut result = Ok(());
    for capability in pass.capabilities {
        result = result.and(capability.revoke_expired(pass, of).await);
    }
    result
}
