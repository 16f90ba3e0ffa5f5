//! The pace of each tenant's reconciles: a tenant that keeps changing its objects delays itself and nobody else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The turns that a tenant has at once: several times what its whole provisioning or removal takes.
const BURST: u32 = 60;
/// Interval after which a tenant gains one more turn.
const EVERY: Duration = Duration::from_secs(1);

/// Counts each tenant's turns.
#[derive(Debug, Default)]
pub struct Pace {
    /// The time at which all its turns are there again.
    rested: Mutex<HashMap<String, Instant>>,
}

impl Pace {
    /// Takes a turn of this tenant's, or tells how long it has none.
    ///
    /// # Errors
    /// The wait.
    pub fn take(&self, tenant: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let mut all = self.rested.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = after_a_turn(all.get(tenant).copied(), now)?;
        all.insert(tenant.to_owned(), rested);
        Ok(())
    }

    /// Forgets a tenant that no longer exists.
    pub fn forget(&self, tenant: &str) {
        self.rested
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(tenant);
    }
}

/// Takes a turn: returns the time at which all are there again, or the wait for one as an error.
fn after_a_turn(rested: Option<Instant>, now: Instant) -> Result<Instant, Duration> {
    let rested = rested.map_or(now, |rested| rested.max(now)) + EVERY;
    let spent = rested - now;
    match spent.saturating_sub(EVERY * BURST) {
        Duration::ZERO => Ok(rested),
        wait => Err(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_each_second() {
        let begin = Instant::now();
        let mut rested = None;
        for _ in 0..BURST {
            rested = Some(after_a_turn(rested, begin).expect("a turn"));
        }
        assert_eq!(after_a_turn(rested, begin), Err(EVERY));
        let half = begin + EVERY / 2;
        assert_eq!(after_a_turn(rested, half), Err(EVERY / 2));
        let mut taken = 0;
        for tick in 0..1000 {
            if let Ok(after) = after_a_turn(rested, begin + EVERY / 100 * tick) {
                rested = Some(after);
                taken += 1;
            }
        }
        assert_eq!(taken, 9, "in ten seconds of asking all the time");
    }

    #[test]
    fn who_rests_has_all_turns_again() {
        let begin = Instant::now();
        let spent = begin + EVERY * BURST;
        let later = spent + EVERY;
        assert_eq!(after_a_turn(Some(spent), later), Ok(later + EVERY));
    }

    #[test]
    fn one_tenants_turns_are_not_anothers() {
        let pace = Pace::default();
        while pace.take("noisy").is_ok() {}
        assert_eq!(pace.take("other"), Ok(()));
        pace.forget("noisy");
        assert_eq!(pace.take("noisy"), Ok(()));
    }
}
