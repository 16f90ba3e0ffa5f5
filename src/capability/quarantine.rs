//! The quarantine of a tenant: who is in it, since when, and until when.

use crate::api::TenantTier;
use crate::cluster::Live;
use crate::names;
use crate::time::after;
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The default time for which nothing must have been found.
const PERIOD: Duration = Duration::from_secs(600);

/// The reason why checks that act as the tenant are not tried.
pub const UNTRIED: &str = "the tenant is in quarantine, without network access and database logins";

/// A tenant's quarantine, as recorded in its namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    pub since: Timestamp,
    /// The check that last found that the tenant reaches another.
    pub found_by: String,
    /// Since when nothing is found of it; None while something is.
    pub clean_since: Option<Timestamp>,
}

impl Quarantine {
    /// Reads it from the annotations of a namespace.
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

    /// Returns it as annotations of a namespace.
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

    /// Returns the time at which it ends if nothing more is found; None while something is.
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

    /// Returns the message for people, the tenant's own among them: it names no other tenant.
    pub fn message(&self) -> String {
        let found = match self.clean_since {
            Some(since) => format!("the check finds nothing since {since}, and the quarantine will end automatically"),
            None => "the quarantine lasts as long as the check finds this".into(),
        };
        format!(
            "in quarantine since {}: check {} found that the tenant reaches another tenant; the operator closed its network and its database logins; {found}",
            self.since, self.found_by
        )
    }
}
