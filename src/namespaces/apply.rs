//! Applies bounds before access, and lets go of namespaces that the spec no longer names.

use super::grants::Shortfall;
use super::quotas::{Quotas, amounts};
use super::{drain, quota};
use crate::api::QuotaStatus;
use crate::capability::{Failure, Pass, TenantCore};
use crate::cluster::{Desired, Error, Identity, Kind, Live, Store};
use crate::names;
use std::collections::BTreeSet;
use std::time::Duration;

/// The time that one pass waits for the quota controller, before it leaves the rest to the next pass.
const QUOTA_WAIT: Duration = Duration::from_millis(800);
/// The number of attempts to write quotas that others change meanwhile.
const ATTEMPTS: usize = 4;
const QUOTA_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The outcome for a tenant's bounds.
pub struct Applied {
    /// A quota that is not enforced yet.
    pub unenforced: Option<String>,
    pub shortfalls: Vec<Shortfall>,
    /// The keys of which the subtenants leave namespaces nothing, and these namespaces.
    pub squeezed: Vec<(String, Vec<String>)>,
    /// The quota by key, of a tenant with a book.
    pub quota: Vec<QuotaStatus>,
    /// True where the holders of the quota are still to be counted, so that none grows.
    pub is_sealed: bool,
    /// The bounds that were refused or are being deleted.
    pub failures: Vec<Failure>,
}

/// Applies quotas, limits and network policies. A quota grows only by what the other namespaces have given back. Nothing is written in closed namespaces;
/// one whose bounds do not hold is closed too.
pub async fn bounds(
    pass: &Pass<'_>,
    tenant: &TenantCore,
    bounds: Vec<Desired>,
    closed: &mut BTreeSet<String>,
) -> Result<Applied, Error> {
    let owner = &tenant.owner;
    let (quotas, others): (Vec<_>, Vec<_>) = bounds
        .into_iter()
        .partition(|desired| desired.key.kind == Kind::ResourceQuota);
    // The `default` ServiceAccount first, before Kubernetes makes it itself; and when this one write found our new right to
    // be known, no other is refused.
    let (scouts, others): (Vec<_>, Vec<_>) = super::open(others, closed).partition(|desired| desired.takes_over);
    let mut failures = pass.apply_each(owner, &scouts).await?;
    let planned = Quotas::new(tenant, &quotas, closed);
    let (granted, applied) = futures::join!(planned.grant(pass), pass.apply_each(owner, &others));
    failures.extend(granted?.into_iter().chain(applied?));
    let unbounded = failures.iter().filter(|failure| !failure.is_in_force);
    closed.extend(unbounded.map(|failure| failure.namespace().to_string()));
    let awaited: Vec<Desired> = super::open(quotas.clone(), closed).collect();
    let unenforced = wait_for_quota(pass.store, owner, &awaited).await;
    let planned = Quotas::new(tenant, &quotas, closed);
    let known = planned.observe(pass);
    let mut shortfalls = planned.shortfalls(pass, &known);
    let quota = planned.status(&known, &shortfalls);
    // In a suspended tenant nothing may run, and what still does is ending.
    shortfalls.retain(|shortfall| !tenant.suspend || !quota::ends_in_suspension(&shortfall.key));
    Ok(Applied {
        unenforced,
        shortfalls,
        squeezed: planned.squeezed(),
        quota,
        is_sealed: known.is_sealed(),
        failures,
    })
}

/// Repeats a write that was derived from the known quotas, where others changed them meanwhile.
pub async fn until_uncontended<T, F>(write: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut result = write().await;
    for _ in 1..ATTEMPTS {
        if !matches!(result, Err(Error::Contended(_))) {
            break;
        }
        result = write().await;
    }
    result
}

/// Returns true once the quota controller has taken a quota up: until then, quota admission lets everything through.
pub fn is_enforced(quota: &Live) -> bool {
    let (spec, status) = (
        amounts(&quota.value, "/spec/hard"),
        amounts(&quota.value, "/status/hard"),
    );
    !spec.is_empty() && spec == status
}

pub async fn wait_for_quota(store: &Store, owner: &Identity, quotas: &[Desired]) -> Option<String> {
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

/// Lets go of namespaces that the spec no longer names. Returns what it waits for, and the namespaces in which an object is in the way.
pub async fn leave(pass: &Pass<'_>, tenant: &TenantCore) -> Result<(Option<String>, Vec<Failure>), Error> {
    let owner = &tenant.owner;
    let (mut waiting, mut failures) = (Vec::new(), Vec::new());
    for namespace in pass.store.of(&owner.tenant).into_values() {
        // What was retained once stays retained: only its Tenant's deletion may end it.
        let leaves = namespace.key.kind == Kind::Namespace
            && namespace.belongs_to(owner)
            && !tenant.namespaces.iter().any(|own| own.name == namespace.key.name)
            && namespace.label(names::RETAINED).is_none();
        if leaves {
            match drain::drain(pass, owner, &namespace, pass.policy).await {
                Err(error) if error.is_of_one_object() => failures.push(Failure {
                    key: namespace.key,
                    error,
                    is_in_force: true,
                }),
                result => waiting.extend(result?),
            }
        }
    }
    Ok(((!waiting.is_empty()).then(|| waiting.join("; ")), failures))
}

#[cfg(test)]
#[path = "apply_test.rs"]
mod tests;
