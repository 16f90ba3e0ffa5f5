//! Outcomes of the checks of one tenant.

pub mod check;

use crate::api::{Direction, Opener};
use check::Check;

/// Something that lets one tenant reach another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub direction: Direction,
    pub opened_by: Opener,
    /// The other tenant; empty is every one.
    pub counterpart: String,
    /// Description of the opening.
    pub message: String,
}

/// Outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// Not empty.
    Violated(Vec<Violation>),
    /// Reason why it could not run.
    Untried(String),
    /// It will be tried soon for the first time in this process's life.
    Pending,
}

impl Outcome {
    /// Passed where nothing was found.
    pub fn of(violations: Vec<Violation>) -> Self {
        match violations.is_empty() {
            true => Self::Passed,
            false => Self::Violated(violations),
        }
    }

    /// Combines several outcomes of one check: all findings, otherwise that one could not run, or not yet.
    pub fn together(outcomes: impl IntoIterator<Item = Self>) -> Self {
        let (mut violations, mut untried, mut is_pending) = (Vec::new(), None, false);
        for outcome in outcomes {
            match outcome {
                Self::Passed => {}
                Self::Violated(found) => {
                    for violation in found {
                        if !violations.contains(&violation) {
                            violations.push(violation);
                        }
                    }
                }
                Self::Untried(why) => untried = untried.or(Some(why)),
                Self::Pending => is_pending = true,
            }
        }
        match (Self::of(violations), untried, is_pending) {
            (Self::Passed, Some(why), _) => Self::Untried(why),
            (Self::Passed, None, true) => Self::Pending,
            (outcome, ..) => outcome,
        }
    }

    /// Returns the number of findings.
    pub fn violations(&self) -> &[Violation] {
        match self {
            Self::Violated(found) => found,
            _ => &[],
        }
    }

    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Violated(_) => "violated",
            Self::Untried(_) => "untried",
            Self::Pending => "pending",
        }
    }
}

/// Outcomes of all checks of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub outcomes: Vec<(&'static Check, Outcome)>,
    /// Checks that the platform does not want to be tried.
    pub switched_off: Vec<&'static Check>,
}

impl Proof {
    /// Returns the findings, the worst first.
    pub fn violations(&self) -> impl Iterator<Item = (&'static Check, &Violation)> {
        let mut found = Vec::new();
        for (check, outcome) in &self.outcomes {
            found.extend(outcome.violations().iter().map(|violation| (*check, violation)));
        }
        // Violations that tenants can cause for each other must not crowd out the others.
        found.sort_by_key(|(check, violation)| (check.severity, violation.opened_by, violation.direction));
        found.into_iter()
    }

    pub fn untried(&self) -> impl Iterator<Item = (&'static Check, &str)> {
        self.outcomes.iter().filter_map(|(check, outcome)| match outcome {
            Outcome::Untried(why) => Some((*check, why.as_str())),
            Outcome::Pending => Some((*check, "its turn has not come yet")),
            Outcome::Passed | Outcome::Violated(_) => None,
        })
    }

    /// Returns true if nothing is wrong, as far as it was tried in this process's life, and something is still to be tried.
    pub fn is_pending(&self) -> bool {
        let pending = self
            .outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Pending)
            .count();
        pending > 0 && pending + self.passed().count() == self.outcomes.len()
    }

    pub fn passed(&self) -> impl Iterator<Item = &'static Check> {
        let passed = |(check, outcome): &(&'static Check, Outcome)| (*outcome == Outcome::Passed).then_some(*check);
        self.outcomes.iter().filter_map(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Passed, Pending, Untried, Violated};
    use super::*;

    #[test]
    fn several_outcomes_are_never_better_than_the_worst() {
        let found = |message: &str| Violation {
            direction: Direction::Outward,
            opened_by: Opener::Platform,
            counterpart: String::new(),
            message: message.into(),
        };
        let (one, other) = (Violated(vec![found("one")]), Violated(vec![found("other")]));
        let untried = || Untried("no room".into());
        assert_eq!(Outcome::together([]), Passed);
        assert_eq!(Outcome::together([Passed, Passed]), Passed);
        assert_eq!(Outcome::together([Passed, Pending]), Pending);
        assert_eq!(Outcome::together([Pending, untried(), Passed]), untried());
        assert_eq!(
            Outcome::together([Pending, one, untried(), other]),
            Violated(vec![found("one"), found("other")])
        );
    }
}
