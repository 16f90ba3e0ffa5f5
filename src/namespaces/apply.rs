//! Applies bounds before access, and lets go of namespaces that the spec no longer names.

use super::drain;
use crate::capability::{Pass, TenantCore};
use crate::cluster::{Desired, Error, Identity, Kind, Live, Store};
use crate::names;
use crate::quantity::Amount;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// The time that one pass waits for the quota controller, before it leaves the rest to the next pass.
const QUOTA_WAIT: Duration = Duration::from_millis(800);
const QUOTA_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Applies quotas, limits and network policies. Returns the quota that is not enforced yet.
pub async fn bounds(pass: &Pass<'_>, owner: &Identity, bounds: Vec<Desired>) -> Result<Option<String>, Error> {
    let (quotas, others): (Vec<_>, Vec<_>) = bounds
        .into_iter()
        .partition(|desired| desired.key.kind == Kind::ResourceQuota);
    let (mut first, raised) = lowered_first(pass.store, owner, &quotas);
    // The `default` ServiceAccount first, before Kubernetes makes it itself; and when this one write found our new right to
    // be known, no other is refused.
    let (scouts, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|desired| desired.takes_over);
    let scouted = pass.apply(owner, &scouts).await;
    first.extend(others);
    pass.apply(owner, &first).await?;
    pass.apply(owner, &raised).await?;
    scouted?;
    Ok(wait_for_quota(pass.store, owner, &quotas).await)
}

/// Quotas that shrink go before those that grow, so that their sum is never above the tenant's; where none shrinks, all go
/// at once.
fn lowered_first(store: &Store, owner: &Identity, quotas: &[Desired]) -> (Vec<Desired>, Vec<Desired>) {
    let (lowered, others): (Vec<_>, Vec<_>) = quotas.iter().cloned().partition(|desired| {
        let Some(live) = store.get(&owner.tenant, &desired.key) else {
            return false;
        };
        let (wanted, found) = (hard(&desired.value, "/spec/hard"), hard(&live.value, "/spec/hard"));
        wanted
            .iter()
            .any(|(key, amount)| found.get(key).is_none_or(|before| amount < before))
    });
    if lowered.is_empty() {
        (others, lowered)
    } else {
        (lowered, others)
    }
}

fn hard(value: &Value, pointer: &str) -> HashMap<String, Amount> {
    let amount = |value: &Value| match value {
        Value::String(text) => Amount::parse(text).ok(),
        other => Amount::parse(&other.to_string()).ok(),
    };
    let entries = value.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.clone(), amount(value)?)))
        .collect()
}

/// Returns true once the quota controller has taken a quota up: until then, quota admission lets everything through.
pub fn is_enforced(quota: &Live) -> bool {
    let (spec, status) = (hard(&quota.value, "/spec/hard"), hard(&quota.value, "/status/hard"));
    !spec.is_empty() && spec == status
}

async fn wait_for_quota(store: &Store, owner: &Identity, quotas: &[Desired]) -> Option<String> {
    let mut waited = Duration::ZERO;
    loop {
        let open = quotas.iter().find(|desired| {
            !store
                .get(&owner.tenant, &desired.key)
                .is_some_and(|live| is_enforced(&live))
        })?;
        if waited >= QUOTA_WAIT {
            return Some(format!(
                "the quota of namespace {} is not enforced yet",
                open.key.namespace
            ));
        }
        tokio::time::sleep(QUOTA_POLL_INTERVAL).await;
        waited += QUOTA_POLL_INTERVAL;
    }
}

/// Lets go of namespaces that the spec no longer names. Returns what it waits for.
pub async fn leave(pass: &Pass<'_>, tenant: &TenantCore) -> Result<Option<String>, Error> {
    let owner = &tenant.owner;
    let mut waiting = Vec::new();
    for namespace in pass.store.of(&owner.tenant).into_values() {
        // What was retained once stays retained: only its Tenant's deletion may end it.
        let leaves = namespace.key.kind == Kind::Namespace
            && namespace.belongs_to(owner)
            && !tenant.namespaces.iter().any(|own| own.name == namespace.key.name)
            && namespace.label(names::RETAINED).is_none();
        if leaves {
            waiting.extend(drain::drain(pass, owner, &namespace, pass.policy).await?);
        }
    }
    Ok((!waiting.is_empty()).then(|| waiting.join("; ")))
}
