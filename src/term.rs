//! A term of leadership: the right to write, for as long as the lease is certainly this process's.
//!
//! All that writes, to Kubernetes and to PostgreSQL, holds a term and asks it before each write. A term that has ended never begins again: whatever is
//! left of its work cannot write in a later one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// This process does not lead, or cannot be certain that it does.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("this process does not hold the lease, so it writes nothing")]
pub struct NotLeading;

/// A moment by two clocks. The steady one stands still while the machine is suspended; the other may be set.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub steady: Instant,
    pub wall: SystemTime,
}

impl Moment {
    pub fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: SystemTime::now(),
        }
    }
}

/// Returns true if less than `limit` has passed since a renewal, by either clock. A clock that was set back says nothing.
fn is_current(renewed: Moment, limit: Duration, now: Moment) -> bool {
    let by_wall = now.wall.duration_since(renewed.wall).unwrap_or_default();
    now.steady.saturating_duration_since(renewed.steady) < limit && by_wall < limit
}

/// One term. Clones share it.
#[derive(Clone, Debug)]
pub struct Term(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The last renewal, and the time for which it holds; None without an election.
    renewed: Option<(Mutex<Moment>, Duration)>,
    ended: CancellationToken,
}

impl Term {
    /// A term that ends only when it is [ended](Self::end): nobody else may lead.
    pub fn unlimited() -> Self {
        Self(Arc::new(Inner {
            renewed: None,
            ended: CancellationToken::new(),
        }))
    }

    /// A term whose lease was written at this moment at the earliest, and which holds for `limit` after each renewal.
    pub fn begun(at: Moment, limit: Duration) -> Self {
        Self(Arc::new(Inner {
            renewed: Some((Mutex::new(at), limit)),
            ended: CancellationToken::new(),
        }))
    }

    /// Notes that the lease was renewed by a write that began at this moment.
    pub fn renew(&self, at: Moment) {
        if let Some((renewed, _)) = &self.0.renewed {
            *renewed.lock().unwrap_or_else(PoisonError::into_inner) = at;
        }
    }

    /// Ends the term for good, and the writes that are under way.
    pub fn end(&self) {
        self.0.ended.cancel();
    }

    /// Checks that this process may write now.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self) -> Result<(), NotLeading> {
        let holds = match &self.0.renewed {
            None => true,
            Some((renewed, limit)) => {
                let renewed = *renewed.lock().unwrap_or_else(PoisonError::into_inner);
                is_current(renewed, *limit, Moment::now())
            }
        };
        match holds && !self.0.ended.is_cancelled() {
            true => Ok(()),
            false => Err(NotLeading),
        }
    }

    /// Completes when the term has ended. Does not hold it.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.ended.clone().cancelled_owned()
    }

    /// Does work that writes: not outside of the term, and no longer than it.
    ///
    /// # Errors
    /// The term does not hold, or ended before the work did.
    pub async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, NotLeading> {
        self.check()?;
        tokio::select! {
            biased;
            () = self.0.ended.cancelled() => Err(NotLeading),
            done = work => Ok(done),
        }
    }

    /// Returns true if others hold this term: clients, connections, or work with one of them.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::future::pending;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_renewal_holds_until_one_clock_says_that_its_time_is_up() {
        let renewed = Moment::now();
        let later = |steady: u64, wall: i64| {
            let passed = Duration::from_secs(wall.unsigned_abs());
            Moment {
                steady: renewed.steady + Duration::from_secs(steady),
                wall: if wall < 0 {
                    renewed.wall - passed
                } else {
                    renewed.wall + passed
                },
            }
        };
        for (what, steady, wall, holds) in [
            ("at once", 0, 0, true),
            ("a little before its end", 9, 9, true),
            ("at its end", 10, 10, false),
            ("long after", 1000, 1000, false),
            ("the machine was suspended", 1, 3600, false),
            ("the clock was set forward", 3, 13, false),
            ("the clock was set back", 3, -3600, true),
            ("the clock was set back, and the time is up", 10, -3600, false),
        ] {
            assert_eq!(is_current(renewed, LIMIT, later(steady, wall)), holds, "{what}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_lasts_as_long_as_it_is_renewed_and_never_begins_again() {
        let term = Term::begun(Moment::now(), LIMIT);
        let copy = term.clone();
        for _ in 0..3 {
            tokio::time::advance(LIMIT / 2).await;
            assert_eq!(copy.check(), Ok(()));
            term.renew(Moment::now());
        }
        // Too late to be sure, and not lost either.
        tokio::time::advance(LIMIT).await;
        assert_eq!(copy.check(), Err(NotLeading));
        assert!(copy.ended().now_or_never().is_none());
        term.renew(Moment::now());
        assert_eq!(copy.check(), Ok(()));
        term.end();
        term.renew(Moment::now());
        assert_eq!(copy.check(), Err(NotLeading));
        copy.ended().await;
    }

    #[tokio::test(start_paused = true)]
    async fn work_begins_and_ends_within_its_term() {
        let term = Term::begun(Moment::now(), LIMIT);
        assert_eq!(term.within(async { 1 }).await, Ok(1));
        let hangs = term.within(pending::<()>());
        let ends = async {
            tokio::time::sleep(LIMIT / 2).await;
            term.end();
        };
        assert_eq!(tokio::join!(hangs, ends).0, Err(NotLeading));
        let never = term.within(async { unreachable!("it has ended") });
        assert_eq!(never.await, Err::<(), _>(NotLeading));
    }

    #[test]
    fn who_waits_for_its_end_does_not_hold_it() {
        let term = Term::unlimited();
        let ended = term.ended();
        assert!(!term.is_shared());
        let client = term.clone();
        assert!(term.is_shared());
        drop(client);
        assert!(!term.is_shared());
        drop(ended);
    }
}
