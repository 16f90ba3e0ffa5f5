//! The times of an election.

use std::time::Duration;

/// Candidates wait up to this much longer than the retry period, so that they do not all come at once.
pub(super) const JITTER: f64 = 1.2;

/// The times of an election. All candidates for a Lease should have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Duration of a lease without renewal, written into it in whole seconds.
    pub lease_duration: Duration,
    /// Time without a successful renewal after which the leader gives up.
    pub renew_deadline: Duration,
    /// Time between two attempts to renew or acquire the lease.
    pub retry_period: Duration,
}

/// The times of an election would allow two leaders, or none.
#[derive(thiserror::Error, Debug)]
#[error("{timing:?}: {reason}")]
pub struct InvalidTiming {
    timing: Timing,
    reason: &'static str,
}

impl Timing {
    /// The timeout of one attempt: a request that nobody answers leaves time for another.
    pub(super) fn attempt(self) -> Duration {
        self.renew_deadline / 2
    }

    /// Checks that never two candidates can lead, and that one can.
    pub(super) fn check(self) -> Result<(), InvalidTiming> {
        let reason = if self.lease_duration <= self.renew_deadline {
            "a leader must give up before its lease runs out"
        } else if self.renew_deadline <= self.retry_period.mul_f64(JITTER) {
            "a leader must have time for a second attempt"
        } else if self.retry_period.is_zero() || self.lease_duration.as_secs() == 0 {
            "the lease must last at least a second, and the retry period must not be zero"
        } else if self.lease_duration.subsec_nanos() != 0 {
            "a lease's duration is in whole seconds"
        } else {
            return Ok(());
        };
        Err(InvalidTiming { timing: self, reason })
    }
}
