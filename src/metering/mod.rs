//! Usage of tenants that neither Kubernetes nor PostgreSQL counts: requests at their gateway.

mod capability;
pub mod envoy_stats;
pub mod ledger;
pub mod meter;
pub mod metrics;
pub mod settings;

pub use capability::Metering;

use std::ops::{Add, AddAssign};

/// Counts of requests: since the start of an Envoy, or in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Answered requests, by the gateway or a workload.
    pub requests: u64,
    /// Those of them that were over the tenant's limit.
    pub limited: u64,
    /// Bytes from clients, as forwarded to workloads.
    pub received_bytes: u64,
    /// Bytes in the workloads' answers.
    pub sent_bytes: u64,
}

impl Counted {
    /// Returns the counts since `before`. Lower counts mean that counting restarted.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let each = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        Self {
            requests: each(self.requests, before.requests),
            limited: each(self.limited, before.limited),
            received_bytes: each(self.received_bytes, before.received_bytes),
            sent_bytes: each(self.sent_bytes, before.sent_bytes),
        }
    }
}

impl Add for Counted {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            limited: self.limited.saturating_add(other.limited),
            received_bytes: self.received_bytes.saturating_add(other.received_bytes),
            sent_bytes: self.sent_bytes.saturating_add(other.sent_bytes),
        }
    }
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
