//! The waits after a term was lost, and after a reconcile that failed.

use crate::cluster::Error;
use crate::conditions::reason;
use crate::time::doubled;
use std::time::Duration;

/// A term that lasted this long did not end for want of what the operator needs to lead.
const LONG: Duration = Duration::from_secs(120);
/// First and longest rest after short terms: each begins with lists of everything.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(16));
/// The longest wait of a tenant whose reconcile failed because the API server was away: all is right soon after its return.
const AWAY: Duration = Duration::from_secs(15);

/// The rests between terms.
#[derive(Debug, Default)]
pub struct Rest {
    /// Short terms in a row.
    short: u32,
}

impl Rest {
    /// Returns the rest after a term of this length. The first short term has none: an API server that went away takes one term.
    pub fn after(&mut self, lasted: Duration) -> Duration {
        if lasted >= LONG {
            self.short = 0;
            return Duration::ZERO;
        }
        let before = self.short;
        self.short = before.saturating_add(1);
        match before {
            0 => Duration::ZERO,
            before => doubled(REST, before - 1),
        }
    }
}

/// Returns the wait before a tenant is tried again that has failed so often that its own wait is `wait`.
pub fn retry_after(error: &Error, wait: Duration) -> Duration {
    match error.reason() {
        // That is the server's failure, and no tenant's.
        reason::API_UNAVAILABLE | reason::API_TIMEOUT => wait.min(AWAY),
        _ => wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Key;

    #[test]
    fn short_terms_in_a_row_are_slowed_down() {
        let mut rest = Rest::default();
        let (short, long) = (Duration::from_secs(15), Duration::from_hours(1));
        for (lasted, seconds) in [
            (long, 0),
            (short, 0),
            (short, 1),
            (short, 2),
            (short, 4),
            (short, 8),
            (short, 16),
            (short, 16),
            (long, 0),
            (short, 0),
            (short, 1),
        ] {
            assert_eq!(rest.after(lasted), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn an_api_server_that_is_away_makes_no_tenant_wait_long() {
        let long = Duration::from_mins(5);
        let unreachable = || kube::Error::Service("connection refused".into());
        for (error, wait) in [
            (Error::from(unreachable()), AWAY),
            (Error::write(&Key::namespace("acme"), unreachable()), AWAY),
            (Error::Internal("a bug".into()), long),
        ] {
            assert_eq!(retry_after(&error, long), wait, "{error:?}");
            assert_eq!(retry_after(&error, AWAY / 2), AWAY / 2, "{error:?}");
        }
    }
}
