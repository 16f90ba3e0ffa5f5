//! The Secret with the keys that a tenant encrypts data with.

use crate::api::EncryptionKeyStatus;
use crate::capability::ValidTenant;
use crate::cluster::{Error, Memo, MemoEntry, Version, Writer, secret};
use crate::credentials::{ValidCredentials, encryption};
use crate::names;
use crate::rotation::Rotation;
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeSet;

/// The state of encryption keys, and the time of the next look; else the loss.
pub type Encrypted = Result<(EncryptionKeyStatus, Option<Timestamp>), String>;

/// The state of encryption keys, of a status that reported these.
#[derive(Clone)]
pub struct Encryption {
    reported: Vec<String>,
    pub encrypted: Encrypted,
}

impl Encryption {
    /// Returns true where it would be the same for a status that reports these keys.
    fn holds_for(&self, reported: &[String], given_up: &BTreeSet<String>) -> bool {
        match &self.encrypted {
            Ok((status, _)) => {
                let mut reported = reported.iter();
                reported.all(|id| status.key_ids.contains(id) || given_up.contains(id))
            }
            Err(_) => self.reported == reported,
        }
    }
}

/// Brings the encryption keys to what they should be now.
///
/// # Errors
/// The first read or write that was refused.
pub async fn reconcile(
    writer: &Writer,
    tenant: &ValidTenant,
    asked: &ValidCredentials,
    memo: &Memo<(Rotation, BTreeSet<String>), Encryption>,
    now: Timestamp,
) -> Result<Encrypted, Error> {
    let owner = &tenant.core.owner;
    let reported = asked.reported.encryption_key.clone().unwrap_or_default().key_ids;
    let inputs = (tenant.core.rotation.clone(), asked.abandoned_keys.clone());
    let recalled = memo.recall(writer.secrets(), owner, &inputs, now);
    if let Some(known) = recalled.filter(|known| known.holds_for(&reported, &asked.abandoned_keys)) {
        return Ok(known.encrypted);
    }
    let found = secret::read(writer, owner, names::ENCRYPTION_KEY_SECRET).await?;
    let rotated = encryption::rotate(
        owner,
        found.as_ref(),
        &reported,
        &asked.abandoned_keys,
        &tenant.core.rotation,
        now,
        encryption::EncryptionKey::random,
    );
    let (version, encrypted) = match rotated {
        Ok(rotated) => {
            let version = secret::put(writer, owner, found.as_ref(), rotated.secret).await?;
            (Some(version), Ok((rotated.status, rotated.next)))
        }
        Err(lost) => (found.as_ref().map(Version::of), Err(lost)),
    };
    let until = encrypted.as_ref().ok().and_then(|(_, next)| *next);
    let facts = Encryption {
        reported,
        encrypted: encrypted.clone(),
    };
    let entry = MemoEntry {
        until,
        ..MemoEntry::of_secret(names::ENCRYPTION_KEY_SECRET, version, inputs, now, facts)
    };
    memo.keep(owner, entry);
    Ok(encrypted)
}
