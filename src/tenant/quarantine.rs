//! Whether a tenant that was found to reach another is cut off, where its tier asks for it. Pure; the clock is an argument.

use super::status::kind;
use crate::api::{Direction, Opener, TenantStatus, TenantTier, ViolationResponse};
use crate::cluster::Live;
use crate::isolation::check::{API_ACCESS, Severity};
use crate::names;
use crate::time::{after, seconds};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long nothing must have been found, where the tier does not say.
const PERIOD: Duration = Duration::from_secs(600);

/// Why what would be tried as the tenant is not.
pub const UNTRIED: &str = "the tenant is in quarantine, and closed to itself";

/// A tenant's quarantine, as its namespaces say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    pub since: Timestamp,
    /// The check that last found that the tenant reaches another.
    pub found_by: String,
    /// Since when nothing is found of it; None while something is.
    pub clean_since: Option<Timestamp>,
}

impl Quarantine {
    /// What a namespace of the tenant says.
    pub fn read(namespace: Option<&Live>) -> Option<Self> {
        let namespace = namespace?;
        Some(Self {
            since: namespace.annotation(names::QUARANTINED_SINCE)?.parse().ok()?,
            found_by: namespace.annotation(names::QUARANTINED_BY).unwrap_or_default().into(),
            clean_since: namespace
                .annotation(names::QUARANTINE_CLEAN_SINCE)
                .and_then(|time| time.parse().ok()),
        })
    }

    /// How a namespace says it.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let clean = self.clean_since.map(|time| time.to_string());
        let entries = [
            (names::QUARANTINED_SINCE, Some(self.since.to_string())),
            (names::QUARANTINED_BY, Some(self.found_by.clone())),
            (names::QUARANTINE_CLEAN_SINCE, clean),
        ];
        let entries = entries.into_iter();
        entries
            .filter_map(|(key, value)| Some((key.to_string(), value?)))
            .collect()
    }

    /// When it ends if nothing more is found; None while something is.
    pub fn until(&self, tier: &TenantTier) -> Option<Timestamp> {
        let asked = tier.spec.isolation.as_ref().and_then(|isolation| {
            let asked = isolation.quarantine_period.as_ref()?;
            asked.parse::<kube::core::Duration>().ok()
        });
        let period = asked
            .filter(|period| !period.is_negative())
            .map_or(PERIOD, Duration::from);
        Some(after(self.clean_since?, period))
    }

    /// What to tell people, the tenant's own among them: whom it concerns is not theirs to know.
    pub fn message(&self) -> String {
        let found = match self.clean_since {
            Some(since) => format!("nothing more is found since {since}, and it ends by itself"),
            None => "it goes on for as long as that is found".into(),
        };
        format!(
            "in quarantine since {}: {} found that the tenant reaches another; its network and its database logins are closed; {found}",
            self.since, self.found_by
        )
    }
}

/// Whether tenants of this tier are cut off at all.
pub fn is_asked_for(tier: &TenantTier) -> bool {
    let isolation = tier.spec.isolation.as_ref();
    isolation.and_then(|isolation| isolation.on_violation) == Some(ViolationResponse::Quarantine)
}

/// Whether the tenant is to be cut off, by what was last found of it; `before` is the quarantine it is in. What it does itself
/// counts: whoever is reached by another is no danger to anybody.
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

/// The check that finds that it does. What another tenant can give it must not be a way to have it cut off.
fn reaches_others(status: &TenantStatus) -> Option<String> {
    isolated(status).filter(|condition| condition.status == "False")?;
    let violations = status.isolation.iter().flat_map(|isolation| &isolation.violations);
    let mut own = violations.filter(|violation| {
        (violation.direction, violation.opened_by) == (Some(Direction::Outward), Some(Opener::Platform))
    });
    let worst = own.find(|violation| violation.severity == Severity::Critical.as_str());
    worst.map(|violation| violation.check.clone())
}

/// Whether what could be tried in quarantine too was not. What needs the tenant's own network and logins cannot be.
fn may_reach_others(status: &TenantStatus) -> bool {
    isolated(status)
        .is_some_and(|condition| condition.status == "Unknown" && condition.message.starts_with(API_ACCESS.id))
}

#[cfg(test)]
#[path = "quarantine_test.rs"]
mod tests;
