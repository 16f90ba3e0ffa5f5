//! What tenants use of what is not counted by Kubernetes or PostgreSQL: what their gateway says of their requests.

mod capability;
pub mod exposition;
pub mod ledger;
pub mod meter;
pub mod metrics;
pub mod scrape;
pub mod settings;

pub use capability::Metering;

use std::ops::{Add, AddAssign};

/// What was counted of requests: since an Envoy began, or in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests that were answered, whoever answered.
    pub requests: u64,
    /// Those of them that were over the tenant's limit.
    pub limited: u64,
    /// What clients sent, in bytes, as it was passed on to workloads.
    pub received_bytes: u64,
    /// What workloads answered, in bytes.
    pub sent_bytes: u64,
}

impl Counted {
    /// What was counted since `before`. Less than before means that counting began anew.
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
