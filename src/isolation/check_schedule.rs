//! Schedule of the checks in each tenant's namespaces, and their last results.

use super::lock;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The next check of a namespace. `S` is the subject, on which the finding `F` depends.
#[derive(Clone, Debug)]
pub struct ScheduledCheck<S, F> {
    pub subject: S,
    pub due: Instant,
    /// None until it was tried in this process's life.
    pub found: Option<F>,
    /// Number of postponements of the first check.
    postponed: u32,
}

impl<S, F> ScheduledCheck<S, F> {
    pub fn new(subject: S, due: Instant) -> Self {
        Self {
            subject,
            due,
            found: None,
            postponed: 0,
        }
    }
}

/// Input of the check in one namespace of a tenant.
pub trait CheckSubject: Clone + PartialEq {
    fn tenant(&self) -> &str;
    fn namespace(&self) -> &str;
}

/// All checks, by namespace.
#[derive(Debug)]
pub struct CheckSchedule<S, F> {
    period: Duration,
    checks: Mutex<BTreeMap<String, ScheduledCheck<S, F>>>,
}

impl<S: CheckSubject, F: Clone + PartialEq> CheckSchedule<S, F> {
    /// `period` is how often each is tried while nothing changes.
    pub fn new(period: Duration) -> Self {
        Self {
            period,
            checks: Mutex::default(),
        }
    }

    pub fn all(&self) -> MutexGuard<'_, BTreeMap<String, ScheduledCheck<S, F>>> {
        lock(&self.checks)
    }

    /// Records a tenant's present namespaces, and returns true if any is due. A new or changed namespace is due at once. The first time, if it `was_tried` by a
    /// former process whose finding still stands, it is due at some time within a period.
    pub fn update(&self, tenant: &str, subjects: Vec<S>, was_tried: bool) -> bool {
        let (mut checks, now) = (self.all(), Instant::now());
        let is_one = |namespace: &str| subjects.iter().any(|subject| subject.namespace() == namespace);
        checks.retain(|namespace, check| check.subject.tenant() != tenant || is_one(namespace));
        let mut is_due = false;
        for subject in subjects {
            let check = checks.entry(subject.namespace().to_string()).or_insert_with(|| {
                let due = match was_tried {
                    true => now + self.period.mul_f64(fastrand::f64()),
                    false => now,
                };
                ScheduledCheck::new(subject.clone(), due)
            });
            // A former process's finding does not hold any more.
            let is_awaited = check.found.is_none() && check.postponed == 0 && !was_tried;
            if check.subject != subject || is_awaited {
                check.subject = subject;
                check.due = check.due.min(now);
            }
            is_due |= check.due <= now;
        }
        is_due
    }

    /// Returns the tenant's namespaces as last learned.
    pub fn of(&self, tenant: &str) -> Vec<S> {
        let checks = self.all();
        let theirs = checks.values().filter(|check| check.subject.tenant() == tenant);
        theirs.map(|check| check.subject.clone()).collect()
    }

    /// Returns the finding of its last check.
    pub fn found(&self, subject: &S) -> Option<F> {
        self.all().get(subject.namespace())?.found.clone()
    }

    /// The tenant has no checks any more.
    pub fn forget(&self, tenant: &str) {
        self.update(tenant, Vec::new(), false);
    }

    /// Puts a first check off that came too early, at most so often; whether it did.
    pub fn postpone(&self, subject: &S, by: Duration, most: u32) -> bool {
        let mut checks = self.all();
        let check = checks
            .get_mut(subject.namespace())
            .filter(|check| check.subject == *subject);
        let Some(check) = check.filter(|check| check.found.is_none() && check.postponed < most) else {
            return false;
        };
        check.postponed += 1;
        check.due = Instant::now() + by;
        true
    }

    /// Records a finding, unless the subject has changed meanwhile. Returns true if it differs from before.
    pub fn record(&self, subject: &S, found: F, again: Duration) -> bool {
        let mut checks = self.all();
        let Some(check) = checks
            .get_mut(subject.namespace())
            .filter(|check| check.subject == *subject)
        else {
            return false;
        };
        check.postponed = 0;
        check.due = Instant::now() + again;
        let is_new = check.found.as_ref() != Some(&found);
        check.found = Some(found);
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
    struct TestNamespace(&'static str, &'static str, u8);

    impl CheckSubject for TestNamespace {
        fn tenant(&self) -> &str {
            self.0
        }

        fn namespace(&self) -> &str {
            self.1
        }
    }

    fn a(like: u8) -> TestNamespace {
        TestNamespace("a", "a", like)
    }

    fn is_due(checks: &CheckSchedule<TestNamespace, u8>) -> bool {
        checks.all()["a"].due <= Instant::now()
    }

    #[test]
    fn whoever_is_new_or_another_comes_at_once() {
        let checks = CheckSchedule::new(HOUR);
        assert!(checks.update("a", vec![a(1)], false) && is_due(&checks));
        assert!(checks.record(&a(1), 7, HOUR) && !is_due(&checks));
        assert!(!checks.update("a", vec![a(1)], false));
        assert!(checks.update("a", vec![a(2)], false) && is_due(&checks));
        // The former tenant's finding does not carry over to this one.
        assert!(!checks.record(&a(1), 8, HOUR));
        assert_eq!(checks.found(&a(2)), Some(7));
        assert!(checks.record(&a(2), 8, HOUR) && !checks.record(&a(2), 8, HOUR));
        checks.forget("a");
        assert_eq!(checks.found(&a(2)), None);
    }

    #[test]
    fn namespaces_come_and_go_with_their_tenant() {
        let checks = CheckSchedule::new(HOUR);
        let (more, other) = (TestNamespace("a", "a-more", 1), TestNamespace("b", "b", 1));
        checks.update("a", vec![a(1), more.clone()], false);
        checks.update("b", vec![other.clone()], false);
        for subject in [&a(1), &more, &other] {
            checks.record(subject, 7, HOUR);
        }
        assert!(!checks.update("a", vec![a(1)], false));
        assert_eq!((checks.of("a"), checks.found(&more)), (vec![a(1)], None));
        checks.forget("a");
        assert_eq!((checks.of("a"), checks.of("b")), (vec![], vec![other]));
    }

    #[test]
    fn what_a_former_process_found_may_stand_and_then_stand_no_more() {
        let checks: CheckSchedule<TestNamespace, u8> = CheckSchedule::new(HOUR * 1000);
        assert!(!checks.update("a", vec![a(1)], true));
        assert!(!checks.update("a", vec![a(1)], true));
        assert!(checks.update("a", vec![a(1)], false) && is_due(&checks));
    }

    #[test]
    fn only_a_first_turn_is_put_off_and_only_so_often() {
        let checks = CheckSchedule::new(HOUR);
        checks.update("a", vec![a(1)], false);
        for _ in 0..2 {
            assert!(checks.postpone(&a(1), HOUR, 2) && !is_due(&checks));
            assert!(!checks.update("a", vec![a(1)], false), "it was put off");
        }
        assert!(!checks.postpone(&a(1), HOUR, 2));
        checks.record(&a(1), 7, HOUR);
        assert!(!checks.postpone(&a(1), HOUR, 9));
    }
}
