//! A tenant's API keys, in one Secret, and in one each where the gateway wants such.

use super::api_key_rotation;
use super::api_key_slots::{self, Slots};
use super::config::ValidApiKey;
use crate::api::{ApiKey, ApiKeyStatus, Tenant};
use crate::capability::ValidTenant;
use crate::cluster::{Error, Identity, Memo, MemoEntry, Version, Writer, secret};
use crate::names;
use crate::postgres::password::Password;
use crate::rotation::Rotation;
use crate::time;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// True where the status reports API keys.
#[derive(Clone, Copy, Debug)]
pub struct ReportedKeys(pub bool);

impl ReportedKeys {
    /// Reads the status.
    pub fn of(tenant: &Tenant) -> Self {
        let status = tenant.status.as_ref().and_then(|status| status.gateway.as_ref());
        Self(status.is_some_and(|gateway| !gateway.api_keys.is_empty()))
    }
}

/// State of a tenant's API keys after a pass has rotated them.
#[derive(Default)]
pub struct ApiKeys {
    pub status: Vec<ApiKeyStatus>,
    /// The number of each key's own Secret; empty where the gateway reads all keys from one Secret.
    pub slots: Slots,
    /// Time until the next rotation.
    pub again: Option<Duration>,
}

/// The inputs of a tenant's API keys besides the Secrets: the keys of the spec, the rotation, and whether each has a Secret of its own.
type Inputs = (Vec<ValidApiKey>, Rotation, bool);
/// The state of API keys, the slots of each, and the time of the next change.
type Rotated = (Vec<ApiKeyStatus>, Slots, Option<Timestamp>);

/// What earlier passes know of tenants' Secrets.
#[derive(Default)]
pub struct Memos {
    rotated: Memo<Inputs, Rotated>,
    /// The Secret has no key beyond these of the spec.
    revoked: Memo<Vec<String>, ()>,
    /// The Secret has no key whose time is over.
    expired: Memo<(), ()>,
}

impl Memos {
    /// Forgets a tenant.
    pub fn forget(&self, tenant: &str) {
        self.rotated.forget(tenant);
        self.revoked.forget(tenant);
        self.expired.forget(tenant);
    }
}

/// The names of all Secrets with API keys; those with one each only where the gateway wants such.
pub fn secrets(are_single: bool) -> Vec<String> {
    let slots = (1..=names::MOST_API_KEYS).filter(|_| are_single);
    let single = slots.flat_map(names::api_key_secrets);
    std::iter::once(names::API_KEYS_SECRET.into()).chain(single).collect()
}

/// Draws a key's value from 190 random bits.
fn random_key() -> String {
    Password::random().reveal().to_string()
}

/// Reconciles the Secret with all API keys of a tenant and, where the gateway needs them, one Secret for each key.
///
/// # Errors
/// The API server's.
pub async fn reconcile(
    writer: &Writer,
    tenant: &ValidTenant,
    wanted: &[ValidApiKey],
    are_single: bool,
    memos: &Memos,
) -> Result<ApiKeys, Error> {
    let owner = &tenant.core.owner;
    if wanted.is_empty() {
        if tenant.part::<ReportedKeys>().is_some_and(|reported| reported.0) {
            delete_keys(writer, owner).await?;
        }
        return Ok(ApiKeys::default());
    }
    let now = Timestamp::now();
    let inputs = (wanted.to_vec(), tenant.core.rotation.clone(), are_single);
    if let Some(rotated) = memos.rotated.recall(writer.secrets(), owner, &inputs, now) {
        return Ok(ApiKeys::of(rotated, now));
    }
    let found = secret::read(writer, owner, names::API_KEYS_SECRET).await?;
    let mut ring = api_key_rotation::rotate(owner, wanted, found.as_ref(), &tenant.core.rotation, now, random_key);
    let before = api_key_slots::recorded(found.as_ref());
    let slots = match are_single {
        true => api_key_slots::slots(wanted, &before),
        false => Slots::new(),
    };
    let opens = ring.secret.data.clone().unwrap_or_default();
    let mut written = Vec::new();
    for (key, slot) in &slots {
        let clients = names::api_key_clients(key);
        for (client, name) in clients.iter().zip(names::api_key_secrets(*slot)) {
            let found = secret::read(writer, owner, &name).await?;
            let wanted = api_key_slots::secret(owner, &name, opens.get(client), found.as_ref(), random_key);
            let version = secret::put(writer, owner, found.as_ref(), wanted).await?;
            written.push((name, Some(version)));
        }
    }
    let freed = before.values().filter(|slot| !slots.values().any(|used| used == *slot));
    delete_single(writer, owner, freed).await?;
    // Last, so that an interrupted pass starts again from the former state.
    api_key_slots::record(&mut ring.secret, &slots);
    let version = secret::put(writer, owner, found.as_ref(), ring.secret).await?;
    written.push((names::API_KEYS_SECRET.into(), Some(version)));
    let rotated = (ring.status, slots, ring.next);
    let entry = MemoEntry {
        secrets: written,
        inputs,
        since: now,
        until: ring.next,
        facts: rotated.clone(),
    };
    memos.rotated.keep(owner, entry);
    Ok(ApiKeys::of(rotated, now))
}

impl ApiKeys {
    fn of((status, slots, next): Rotated, now: Timestamp) -> Self {
        let left = next.map(|next| next.duration_since(now));
        Self {
            status,
            slots,
            again: left.map(|left| Duration::try_from(left).unwrap_or_default()),
        }
    }
}

async fn delete_single(
    writer: &Writer,
    owner: &Identity,
    slots: impl Iterator<Item = &usize> + Send,
) -> Result<(), Error> {
    for name in slots.flat_map(|slot| names::api_key_secrets(*slot)) {
        secret::delete(writer, owner, &name).await?;
    }
    Ok(())
}

/// Removes every API key of a tenant.
///
/// # Errors
/// The first removal that was refused.
pub async fn delete_keys(writer: &Writer, owner: &Identity) -> Result<(), Error> {
    let found = secret::read(writer, owner, names::API_KEYS_SECRET).await?;
    delete_single(writer, owner, api_key_slots::recorded(found.as_ref()).values()).await?;
    secret::delete(writer, owner, names::API_KEYS_SECRET).await
}

/// Removes from the Secret the keys that the spec does not name any more, and those that have expired according to the status. It makes no new keys.
///
/// # Errors
/// The API server's.
pub async fn revoke_keys(writer: &Writer, tenant: &Tenant, owner: &Identity, memos: &Memos) -> Result<(), Error> {
    let reported = tenant.status.as_ref().and_then(|status| status.gateway.as_ref());
    let reported = reported.map_or(&[][..], |reported| &reported.api_keys);
    let asked = tenant
        .spec
        .gateway
        .as_ref()
        .and_then(|gateway| gateway.authentication.as_ref());
    let now = Timestamp::now();
    let is_over = |key: &ApiKey| {
        let end = key.expires_at.as_deref().and_then(time::parse);
        end.is_some_and(|end| end <= now)
    };
    let keys = asked
        .into_iter()
        .flat_map(|asked| &asked.api_keys)
        .filter(|key| !is_over(key));
    let named: BTreeSet<&str> = keys.map(|key| key.name.as_str()).collect();
    let mut alive = reported.iter().filter(|key| key.issued_at.is_some());
    if alive.all(|key| named.contains(key.name.as_str())) {
        return Ok(());
    }
    let named: Vec<String> = named.into_iter().map(String::from).collect();
    // A status keeps its keys for as long as the rest of the spec is invalid.
    if memos.revoked.recall(writer.secrets(), owner, &named, now).is_some() {
        return Ok(());
    }
    let found = secret::read(writer, owner, names::API_KEYS_SECRET).await?;
    let left = found
        .as_ref()
        .and_then(|found| api_key_rotation::without(found, &named, random_key));
    let version = replace(writer, owner, found, left).await?;
    memos.revoked.keep(
        owner,
        MemoEntry::of_secret(names::API_KEYS_SECRET, version, named, now, ()),
    );
    Ok(())
}

/// Writes the Secret where something is `left` of it to write. Returns its version; None where there is none.
async fn replace(
    writer: &Writer,
    owner: &Identity,
    found: Option<Secret>,
    left: Option<Secret>,
) -> Result<Option<Version>, Error> {
    match (found, left) {
        (Some(found), Some(left)) => secret::put(writer, owner, Some(&found), left).await.map(Some),
        (found, _) => Ok(found.as_ref().map(Version::of)),
    }
}

/// Removes former keys whose overlap is over, of a tenant whose spec is invalid. Renews no key.
///
/// # Errors
/// The API server's.
pub async fn revoke_expired_keys(
    writer: &Writer,
    tenant: &Tenant,
    owner: &Identity,
    memos: &Memos,
) -> Result<(), Error> {
    let reported = tenant.status.as_ref().and_then(|status| status.gateway.as_ref());
    if !reported.is_some_and(|reported| reported.api_keys.iter().any(|key| key.issued_at.is_some())) {
        return Ok(());
    }
    let now = Timestamp::now();
    if memos.expired.recall(writer.secrets(), owner, &(), now).is_some() {
        return Ok(());
    }
    let found = secret::read(writer, owner, names::API_KEYS_SECRET).await?;
    let until = found
        .as_ref()
        .and_then(|found| api_key_rotation::next_expiry(found, now));
    let left = found
        .as_ref()
        .and_then(|found| api_key_rotation::without_expired(found, now));
    let version = replace(writer, owner, found, left).await?;
    let entry = MemoEntry {
        until,
        ..MemoEntry::of_secret(names::API_KEYS_SECRET, version, (), now, ())
    };
    memos.expired.keep(owner, entry);
    Ok(())
}

#[cfg(test)]
#[path = "api_keys_test.rs"]
mod tests;
