//! Quarantine of a tenant that reaches another, where its tier asks for it. Pure; the clock is an argument.

use crate::api::{Direction, Opener, TenantStatus, TenantTier, ViolationResponse};
use crate::capability::Quarantine;
use crate::conditions::kind;
use crate::proof::check::{API_ACCESS, Severity};
use crate::time::seconds;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;

/// Returns true if tenants of this tier are cut off at all.
pub fn is_asked_for(tier: &TenantTier) -> bool {
    let isolation = tier.spec.isolation.as_ref();
    isolation.and_then(|isolation| isolation.on_violation) == Some(ViolationResponse::Quarantine)
}

/// Decides on the tenant's quarantine from its latest findings; `before` is its present quarantine. Only its own access counts: a tenant that another reaches
/// endangers nobody.
pub fn decide(
    tier: Option<&TenantTier>,
    status: Option<&TenantStatus>,
    before: Option<Quarantine>,
    now: Timestamp,
) -> Option<Quarantine> {
    // Without its tier it stays as it is.
    let Some(tier) = tier else { return before };
    if !is_asked_for(tier) {
        return None;
    }
    if let Some(check) = status.and_then(reaches_others) {
        return Some(Quarantine {
            since: before.map_or(seconds(now), |before| before.since),
            found_by: check,
            clean_since: None,
        });
    }
    let before = before?;
    let clean_since = match status.is_some_and(may_reach_others) {
        true => None,
        false => Some(before.clean_since.unwrap_or(seconds(now))),
    };
    let goes_on = Quarantine { clean_since, ..before };
    let is_over = goes_on.until(tier).is_some_and(|until| now >= until);
    (!is_over).then_some(goes_on)
}

fn isolated(status: &TenantStatus) -> Option<&Condition> {
    status.conditions.iter().find(|c| c.type_ == kind::ISOLATED)
}

/// Returns the check that finds that the tenant reaches others. A finding that another tenant can cause must not quarantine this one.
fn reaches_others(status: &TenantStatus) -> Option<String> {
    isolated(status).filter(|condition| condition.status == "False")?;
    let violations = status.isolation.iter().flat_map(|isolation| &isolation.violations);
    let mut own = violations.filter(|violation| {
        (violation.direction, violation.opened_by) == (Some(Direction::Outward), Some(Opener::Platform))
    });
    let worst = own.find(|violation| violation.severity == Severity::Critical.as_str());
    worst.map(|violation| violation.check.clone())
}

/// Returns true if a check that can run in quarantine has not run. Checks that need the tenant's own network and logins cannot.
fn may_reach_others(status: &TenantStatus) -> bool {
    isolated(status)
        .is_some_and(|condition| condition.status == "Unknown" && condition.message.starts_with(API_ACCESS.id))
}

#[cfg(test)]
#[path = "quarantine_test.rs"]
mod tests;
