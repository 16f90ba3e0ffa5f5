//! Delay before the retry of a failed object.

use crate::time::doubled;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// Counts each object's failures in a row. One object's failures never lengthen another's wait.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// Notes a failure of `key` and returns the time to wait. It doubles with each failure, from 1 s to 5 min, times a random factor from 0.5 to 1.
    pub fn failed(&self, key: &str) -> Duration {
        let failures = {
            let mut all = self.lock();
            let failures = all.entry(key.to_owned()).or_default();
            *failures = failures.saturating_add(1);
            *failures
        };
        // Jitter, so that objects that failed together do not all come back together.
        longest_wait(failures).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Notes a success of `key`: its next failure is its first again.
    pub fn succeeded(&self, key: &str) {
        self.lock().remove(key);
    }

    /// Forgets `key`, which no longer exists.
    pub fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        // Nothing that holds the lock can panic half-way.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait after this many failures in a row, before jitter.
fn longest_wait(failures: u32) -> Duration {
    doubled((FIRST, LONGEST), failures.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let seconds: Vec<u64> = (1..12).map(|n| longest_wait(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(longest_wait(u32::MAX), LONGEST);
    }

    #[test]
    fn jitter_stays_between_a_half_and_the_whole() {
        for _ in 0..1000 {
            let wait = Backoff::default().failed("a");
            assert!(wait >= FIRST / 2 && wait <= FIRST, "{wait:?}");
        }
    }

    #[test]
    fn each_key_counts_alone_and_is_reset() {
        let backoff = Backoff::default();
        for _ in 0..20 {
            backoff.failed("a");
        }
        assert!(backoff.failed("a") >= LONGEST / 2);
        assert!(backoff.failed("b") <= FIRST);
        backoff.succeeded("a");
        assert!(backoff.failed("a") <= FIRST);
        backoff.forget("a");
        backoff.forget("b");
        assert!(backoff.lock().is_empty());
    }
}
