//! The metrics of the proof that tenants are apart.

use crate::telemetry::metrics::{Metrics, TENANT};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::time::Duration;

/// The metrics of isolation checks. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct IsolationMetrics {
    checks: Family<CheckLabels, Counter>,
    violations: Family<ViolationLabels, Gauge>,
    survey_period: Gauge,
}

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash)]
struct CheckLabels {
    check: &'static str,
    result: &'static str,
}

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash)]
struct ViolationLabels {
    tenant: String,
    check: &'static str,
}

impl IsolationMetrics {
    /// New metrics, shown among those of the process.
    pub fn register(all: &Metrics) -> Self {
        let metrics = Self::default();
        all.register(TENANT, |tenant| {
            tenant.register(
                "isolation_checks",
                "Isolation checks, by check and result",
                metrics.checks.clone(),
            );
            tenant.register(
                "isolation_violations",
                "Isolation violations, by tenant and check; absent without violations",
                metrics.violations.clone(),
            );
            tenant.register(
                "isolation_survey_period_seconds",
                "Time in which the operator asks the API server once about all forbidden actions of each tenant's users and accounts; 0 if it does not",
                metrics.survey_period.clone(),
            );
        });
        metrics
    }

    /// A check of one tenant came out with this result, and so many violations.
    pub fn checked_isolation(&self, tenant: &str, check: &'static str, result: &'static str, violations: usize) {
        self.checks.get_or_create(&CheckLabels { check, result }).inc();
        let label = ViolationLabels {
            tenant: tenant.to_string(),
            check,
        };
        match violations {
            // Only tenants that have some are shown: they are few.
            0 => drop(self.violations.remove(&label)),
            count => {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.violations.get_or_create(&label).set(count);
            }
        }
    }

    /// Sets the duration of one lap over all identities.
    pub fn set_survey_period(&self, period: Duration) {
        let seconds = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
        self.survey_period.set(seconds);
    }

    /// A tenant is no more.
    pub fn forget_isolation(&self, tenant: &str, check: &'static str) {
        self.violations.remove(&ViolationLabels {
            tenant: tenant.to_string(),
            check,
        });
    }
}
