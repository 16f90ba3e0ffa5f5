//! Whether a tenant that was found to reach another is cut off, where its tier asks for it. Pure; the clock is an argument.

use super::status::{kind, seconds};
use crate::api::{Direction, Opener, TenantStatus, TenantTier, ViolationResponse};
use crate::cluster::Live;
use crate::isolation::check::Severity;
use crate::names;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// How long nothing must have been found, where the tier does not say.
const PERIOD: Duration = Duration::from_secs(600);

/// Why what would be tried as the tenant is not.
pub const UNTRIED: &str = "the tenant is in quarantine, and closed to itself";

/// A tenant's quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarantine {
    pub since: Timestamp,
    /// When it ends if nothing more is found; None while something is.
    pub until: Option<Timestamp>,
}

/// Since when it is in quarantine, as its first namespace says.
pub fn since(namespace: Option<&Live>) -> Option<Timestamp> {
    namespace?.annotation(names::QUARANTINED_SINCE)?.parse().ok()
}

/// Whether the tenant is to be cut off, by what was last found of it; `since` says that it is already. What it does itself counts:
/// whoever is reached by another is no danger to anybody.
pub fn decide(
    tier: Option<&TenantTier>,
    status: Option<&TenantStatus>,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Option<Quarantine> {
    let isolation = tier.and_then(|tier| tier.spec.isolation.as_ref());
    // Without its tier it stays as it is.
    if tier.is_some() && isolation.and_then(|isolation| isolation.on_violation) != Some(ViolationResponse::Quarantine) {
        return None;
    }
    let condition = status.and_then(|status| status.conditions.iter().find(|c| c.type_ == kind::ISOLATED));
    let violated = condition.is_some_and(|condition| condition.status == "False");
    let reaches = violated && status.is_some_and(reaches_others);
    match since {
        None => (reaches && tier.is_some()).then(|| Quarantine {
            since: seconds(now),
            until: None,
        }),
        Some(since) if reaches => Some(Quarantine { since, until: None }),
        Some(since) => {
            let period = isolation
                .and_then(|isolation| {
                    isolation
                        .quarantine_period
                        .as_ref()?
                        .parse::<kube::core::Duration>()
                        .ok()
                })
                .filter(|period| !period.is_negative())
                .map_or(PERIOD, Duration::from);
            // From when on nothing was found, or nothing could be tried any more.
            let clean = condition.map_or(since, |condition| condition.last_transition_time.0);
            let until = clean
                .max(since)
                .checked_add(SignedDuration::try_from(period).ok()?)
                .ok();
            until.filter(|until| now < *until).map(|until| Quarantine {
                since,
                until: Some(until),
            })
        }
    }
}

fn reaches_others(status: &TenantStatus) -> bool {
    let violations = status.isolation.iter().flat_map(|isolation| &isolation.violations);
    // What another tenant can give it must not be a way to have it cut off.
    let mut own = violations.filter(|violation| {
        (violation.direction, violation.opened_by) == (Some(Direction::Outward), Some(Opener::Platform))
    });
    own.any(|violation| violation.severity == Severity::Critical.as_str())
}

/// What to tell people.
pub fn message(quarantine: Quarantine) -> String {
    let end = match quarantine.until {
        Some(until) => format!("it ends at {until} if nothing more is found"),
        None => "a check finds that it reaches another (status.isolation)".into(),
    };
    format!(
        "in quarantine since {}: its network and its database logins are closed; {end}",
        quarantine.since
    )
}

#[cfg(test)]
#[path = "quarantine_test.rs"]
mod tests;
