//! Reconciles the keys that a tenant's workloads use themselves: the one that they sign tokens with, those that they encrypt data with.

mod encryption_key;
mod observed_keys;
pub mod signing_key;

use super::ValidCredentials;
use super::encryption::MOST;
use crate::api::CredentialsStatus;
use crate::capability::jwks::PublicKeys;
use crate::capability::{Note, Pass, State, ValidTenant};
use crate::cluster::{Error, Memo};
use crate::conditions::reason;
use crate::rotation::Rotation;
use encryption_key::Encryption;
use k8s_openapi::jiff::Timestamp;
use signing_key::Signed;
use std::collections::BTreeSet;
use std::time::Duration;

/// A tenant's own keys, as they were found.
#[derive(Clone, Debug, Default)]
pub struct AppliedKeys {
    pub status: CredentialsStatus,
    pub state: State,
    /// None where the tenant signs nothing.
    pub keys: Option<PublicKeys>,
    /// The time until the clock changes something.
    pub again: Option<Duration>,
}

/// What earlier passes know of tenants' Secrets.
#[derive(Default)]
pub struct Memos {
    signing: Memo<Rotation, Signed>,
    encryption: Memo<(Rotation, BTreeSet<String>), Encryption>,
}

impl Memos {
    /// Forgets a tenant.
    pub fn forget(&self, tenant: &str) {
        self.signing.forget(tenant);
        self.encryption.forget(tenant);
    }
}

/// Brings a tenant's own keys to what they should be now.
///
/// # Errors
/// The first read or write that was refused.
pub async fn reconcile(
    pass: &Pass<'_>,
    tenant: &ValidTenant,
    asked: &ValidCredentials,
    memos: &Memos,
) -> Result<AppliedKeys, Error> {
    let mut outcome = AppliedKeys::default();
    let now = Timestamp::now();
    let mut due = Vec::new();
    if asked.signing_key {
        let (status, keys, next) = signing_key::reconcile(pass, tenant, &memos.signing, now).await?;
        outcome.status.signing_key = Some(status);
        outcome.keys = Some(keys);
        due.push(next);
    }
    // Those that are not asked for any more are still there.
    outcome.status.encryption_key.clone_from(&asked.reported.encryption_key);
    if asked.encryption_key {
        match encryption_key::reconcile(pass.writer, tenant, asked, &memos.encryption, now).await? {
            Ok((status, next)) => {
                if next.is_none() {
                    let message = format!(
                        "there are {MOST} encryption keys, which is the maximum: workloads continue to encrypt with key {}. Give up keys that no data needs",
                        status.key_id
                    );
                    outcome.state.remark(Note::new(reason::ROTATION_STOPPED, message));
                }
                outcome.status.encryption_key = Some(status);
                due.extend(next);
            }
            Err(lost) => outcome.state = State::Stalled(Note::new(reason::ENCRYPTION_KEY_LOST, lost)),
        }
    }
    let left = due.into_iter().min().map(|next| next.duration_since(now));
    outcome.again = left.map(|left| Duration::try_from(left).unwrap_or_default());
    Ok(outcome)
}

#[cfg(test)]
#[path = "own_keys_test.rs"]
mod tests;
