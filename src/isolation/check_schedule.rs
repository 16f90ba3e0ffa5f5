//! Turns of each tenant's namespaces, and their last results.

use super::lock;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A namespace's turn. `S` is the subject, on which the finding `F` depends.
#[derive(Clone, Debug)]
pub struct Turn<S, F> {
    pub subject: S,
    pub due: Instant,
    /// None until it was tried in this process's life.
    pub found: Option<F>,
    /// Number of postponements of the first turn.
    put_off: u32,
}

impl<S, F> Turn<S, F> {
    pub fn new(subject: S, due: Instant) -> Self {
        Self {
            subject,
            due,
            found: None,
            put_off: 0,
        }
    }
}

/// Input of the check in one namespace of a tenant.
pub trait Subject: Clone + PartialEq {
    fn tenant(&self) -> &str;
    fn namespace(&self) -> &str;
}

/// All turns, by namespace.
#[derive(Debug)]
pub struct Turns<S, F> {
    period: Duration,
    turns: Mutex<BTreeMap<String, Turn<S, F>>>,
}

impl<S: Subject, F: Clone + PartialEq> Turns<S, F> {
    /// `period` is how often each is tried while nothing changes.
    pub fn new(period: Duration) -> Self {
        Self {
            period,
            turns: Mutex::default(),
        }
    }

    pub fn all(&self) -> MutexGuard<'_, BTreeMap<String, Turn<S, F>>> {
        lock(&self.turns)
    }

    /// Records a tenant's present namespaces, and returns true if any is due. A new or changed namespace is due at once. The first time, if it `was_tried` by a
    /// former process whose finding still stands, it is due at some time within a period.
    pub fn know(&self, tenant: &str, subjects: Vec<S>, was_tried: bool) -> bool {
        let (mut turns, now) = (self.all(), Instant::now());
        let is_one = |namespace: &str| subjects.iter().any(|subject| subject.namespace() == namespace);
        turns.retain(|namespace, turn| turn.subject.tenant() != tenant || is_one(namespace));
        let mut is_due = false;
        for subject in subjects {
            let turn = turns.entry(subject.namespace().to_string()).or_insert_with(|| {
                let due = match was_tried {
                    true => now + self.period.mul_f64(fastrand::f64()),
                    false => now,
                };
                Turn::new(subject.clone(), due)
            });
            // A former process's finding does not hold any more.
            let is_awaited = turn.found.is_none() && turn.put_off == 0 && !was_tried;
            if turn.subject != subject || is_awaited {
                turn.subject = subject;
                turn.due = turn.due.min(now);
            }
            is_due |= turn.due <= now;
        }
        is_due
    }

    /// Returns the tenant's namespaces as last learned.
    pub fn of(&self, tenant: &str) -> Vec<S> {
        let turns = self.all();
        let theirs = turns.values().filter(|turn| turn.subject.tenant() == tenant);
        theirs.map(|turn| turn.subject.clone()).collect()
    }

    /// Returns the finding of its last turn.
    pub fn found(&self, subject: &S) -> Option<F> {
        self.all().get(subject.namespace())?.found.clone()
    }

    /// The tenant has no turns any more.
    pub fn forget(&self, tenant: &str) {
        self.know(tenant, Vec::new(), false);
    }

    /// Puts a first turn off that came too early, at most so often; whether it did.
    pub fn put_off(&self, subject: &S, by: Duration, most: u32) -> bool {
        let mut turns = self.all();
        let turn = turns
            .get_mut(subject.namespace())
            .filter(|turn| turn.subject == *subject);
        let Some(turn) = turn.filter(|turn| turn.found.is_none() && turn.put_off < most) else {
            return false;
        };
        turn.put_off += 1;
        turn.due = Instant::now() + by;
        true
    }

    /// Records a finding, unless the subject has changed meanwhile. Returns true if it differs from before.
    pub fn learn(&self, subject: &S, found: F, again: Duration) -> bool {
        let mut turns = self.all();
        let Some(turn) = turns
            .get_mut(subject.namespace())
            .filter(|turn| turn.subject == *subject)
        else {
            return false;
        };
        turn.put_off = 0;
        turn.due = Instant::now() + again;
        let is_new = turn.found.as_ref() != Some(&found);
        turn.found = Some(found);
        is_new
    }
}

/// A period, give or take a tenth. `dice` is from 0 to 1.
pub fn about(period: Duration, dice: f64) -> Duration {
    period.mul_f64(0.9 + 0.2 * dice)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A tenant's namespace, and its variant.
    #[derive(Clone, Debug, PartialEq)]
    struct Room(&'static str, &'static str, u8);

    impl Subject for Room {
        fn tenant(&self) -> &str {
            self.0
        }

        fn namespace(&self) -> &str {
            self.1
        }
    }

    fn a(like: u8) -> Room {
        Room("a", "a", like)
    }

    fn is_due(turns: &Turns<Room, u8>) -> bool {
        turns.all()["a"].due <= Instant::now()
    }

    #[test]
    fn whoever_is_new_or_another_comes_at_once() {
        let turns = Turns::new(HOUR);
        assert!(turns.know("a", vec![a(1)], false) && is_due(&turns));
        assert!(turns.learn(&a(1), 7, HOUR) && !is_due(&turns));
        assert!(!turns.know("a", vec![a(1)], false));
        assert!(turns.know("a", vec![a(2)], false) && is_due(&turns));
        // The former tenant's finding does not carry over to this one.
        assert!(!turns.learn(&a(1), 8, HOUR));
        assert_eq!(turns.found(&a(2)), Some(7));
        assert!(turns.learn(&a(2), 8, HOUR) && !turns.learn(&a(2), 8, HOUR));
        turns.forget("a");
        assert_eq!(turns.found(&a(2)), None);
    }

    #[test]
    fn namespaces_come_and_go_with_their_tenant() {
        let turns = Turns::new(HOUR);
        let (more, other) = (Room("a", "a-more", 1), Room("b", "b", 1));
        turns.know("a", vec![a(1), more.clone()], false);
        turns.know("b", vec![other.clone()], false);
        for room in [&a(1), &more, &other] {
            turns.learn(room, 7, HOUR);
        }
        assert!(!turns.know("a", vec![a(1)], false));
        assert_eq!((turns.of("a"), turns.found(&more)), (vec![a(1)], None));
        turns.forget("a");
        assert_eq!((turns.of("a"), turns.of("b")), (vec![], vec![other]));
    }

    #[test]
    fn what_a_former_process_found_may_stand_and_then_stand_no_more() {
        let turns: Turns<Room, u8> = Turns::new(HOUR * 1000);
        assert!(!turns.know("a", vec![a(1)], true));
        assert!(!turns.know("a", vec![a(1)], true));
        assert!(turns.know("a", vec![a(1)], false) && is_due(&turns));
    }

    #[test]
    fn only_a_first_turn_is_put_off_and_only_so_often() {
        let turns = Turns::new(HOUR);
        turns.know("a", vec![a(1)], false);
        for _ in 0..2 {
            assert!(turns.put_off(&a(1), HOUR, 2) && !is_due(&turns));
            assert!(!turns.know("a", vec![a(1)], false), "it was put off");
        }
        assert!(!turns.put_off(&a(1), HOUR, 2));
        turns.learn(&a(1), 7, HOUR);
        assert!(!turns.put_off(&a(1), HOUR, 9));
    }
}
