//! A tenant's API keys, in one Secret, and in one each where the gateway wants such.

use super::config::Key;
use super::keys;
use super::single_keys::{self, Slots};
use crate::api::{ApiKey, ApiKeyStatus, Tenant};
use crate::capability::ValidTenant;
use crate::cluster::{Error, Identity, Writer, secret};
use crate::names;
use crate::postgres::secret::Password;
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

/// Draws a key's value from 190 random bits.
fn fresh() -> String {
    Password::random().reveal().to_string()
}

/// Reconciles the Secret with all API keys of a tenant and, where the gateway needs them, one Secret for each key.
///
/// # Errors
/// The API server's.
pub async fn reconcile(
    writer: &Writer,
    tenant: &ValidTenant,
    wanted: &[Key],
    are_single: bool,
) -> Result<ApiKeys, Error> {
    let owner = &tenant.core.owner;
    if wanted.is_empty() {
        if tenant.part::<ReportedKeys>().is_some_and(|reported| reported.0) {
            withdraw_keys(writer, owner).await?;
        }
        return Ok(ApiKeys::default());
    }
    let found = secret::read(writer, owner, names::API_KEYS_SECRET).await?;
    let now = Timestamp::now();
    let mut ring = keys::turn(owner, wanted, found.as_ref(), &tenant.core.rotation, now, fresh);
    let before = single_keys::told(found.as_ref());
    let slots = match are_single {
        true => single_keys::slots(wanted, &before),
        false => Slots::new(),
    };
    let opens = ring.secret.data.clone().unwrap_or_default();
    for (key, slot) in &slots {
        let clients = names::api_key_clients(key);
        for (client, name) in clients.iter().zip(names::api_key_secrets(*slot)) {
            let found = secret::read(writer, owner, &name).await?;
            let wanted = single_keys::secret(owner, &name, opens.get(client), found.as_ref(), fresh);
            secret::put(writer, owner, found.as_ref(), wanted).await?;
        }
    }
    let freed = before.values().filter(|slot| !slots.values().any(|used| used == *slot));
    withdraw_single(writer, owner, freed).await?;
    // Last, so that an interrupted pass starts again from the former state.
    single_keys::tell(&mut ring.secret, &slots);
    secret::put(writer, owner, found.as_ref(), ring.secret).await?;
    let left = ring.next.map(|next| next.duration_since(now));
    Ok(ApiKeys {
        status: ring.status,
        slots,
        again: left.map(|left| Duration::try_from(left).unwrap_or_default()),
    })
}

async fn withdraw_single(
    writer: &Writer,
    owner: &Identity,
    slots: impl Iterator<Item = &usize> + Send,
) -> Result<(), Error> {
    for name in slots.flat_map(|slot| names::api_key_secrets(*slot)) {
        secret::withdraw(writer, owner, &name).await?;
    }
    Ok(())
}

/// Removes every API key of a tenant.
///
/// # Errors
/// The first removal that was refused.
pub async fn withdraw_keys(writer: &Writer, owner: &Identity) -> Result<(), Error> {
    let found = secret::read(writer, owner, names::API_KEYS_SECRET).await?;
    withdraw_single(writer, owner, single_keys::told(found.as_ref()).values()).await?;
    secret::withdraw(writer, owner, names::API_KEYS_SECRET).await
}

/// Removes from the Secret the keys that the spec does not name any more, and those that have expired according to the status. It makes no new keys.
///
/// # Errors
/// The API server's.
pub async fn revoke_keys(writer: &Writer, tenant: &Tenant, owner: &Identity) -> Result<(), Error> {
    let told = tenant.status.as_ref().and_then(|status| status.gateway.as_ref());
    let told = told.map_or(&[][..], |told| &told.api_keys);
    let asked = tenant
        .spec
        .gateway
        .as_ref()
        .and_then(|gateway| gateway.authentication.as_ref());
    let now = Timestamp::now();
    let is_over = |key: &ApiKey| {
        let end = key.expires_at.as_ref().and_then(|end| end.parse::<Timestamp>().ok());
        end.is_some_and(|end| end <= now)
    };
    let keys = asked
        .into_iter()
        .flat_map(|asked| &asked.api_keys)
        .filter(|key| !is_over(key));
    let named: BTreeSet<&str> = keys.map(|key| key.name.as_str()).collect();
    let mut alive = told.iter().filter(|key| key.issued_at.is_some());
    if alive.all(|key| named.contains(key.name.as_str())) {
        return Ok(());
    }
    let Some(found) = secret::read(writer, owner, names::API_KEYS_SECRET).await? else {
        return Ok(());
    };
    let named: Vec<String> = named.into_iter().map(String::from).collect();
    match keys::without(&found, &named, fresh) {
        Some(left) => secret::put(writer, owner, Some(&found), left).await,
        None => Ok(()),
    }
}

/// Removes former keys whose overlap is over, of a tenant whose spec is invalid. Renews no key.
///
/// # Errors
/// The API server's.
pub async fn lapse_keys(writer: &Writer, tenant: &Tenant, owner: &Identity) -> Result<(), Error> {
    let told = tenant.status.as_ref().and_then(|status| status.gateway.as_ref());
    if !told.is_some_and(|told| told.api_keys.iter().any(|key| key.issued_at.is_some())) {
        return Ok(());
    }
    let Some(found) = secret::read(writer, owner, names::API_KEYS_SECRET).await? else {
        return Ok(());
    };
    match keys::lapsed(&found, Timestamp::now()) {
        Some(left) => secret::put(writer, owner, Some(&found), left).await,
        None => Ok(()),
    }
}
