//! Two credentials take turns: a database's two logins, an API key and the one before it. Each change follows from the published Secret, the spec and the
//! clock; there is no other state. Pure.

use crate::time::after;
use k8s_openapi::jiff::Timestamp;
use std::time::Duration;

/// Rotation of credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    pub interval: Duration,
    /// Time for which the former credentials keep working.
    pub overlap: Duration,
    /// Value of the annotation: a new value requests new credentials.
    pub request: Option<String>,
}

/// State of the published Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Index of its login.
    pub login: usize,
    pub issued_at: Timestamp,
    /// The time until which the other login works too.
    pub previous_until: Option<Timestamp>,
    /// The request it answers.
    pub rotated_for: Option<String>,
}

/// Next action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The published credentials stay.
    Keep {
        /// True if the other login works still.
        other_open: bool,
        /// The time of the next check.
        next: Timestamp,
        /// A request for new credentials waits for the other login to be free.
        waits: bool,
    },
    /// This login gets a new password and is published; the other one works until then.
    Issue {
        login: usize,
        previous_until: Option<Timestamp>,
    },
}

/// Decides which login gets credentials next, if any. `open` says which logins the server lets in now; it matters where nothing is published.
pub fn decide(published: Option<&Published>, open: [bool; 2], rotation: &Rotation, now: Timestamp) -> Decision {
    let Some(published) = published else {
        // Clients of the other login, if any, keep their access for a while.
        let login = usize::from(open[0] && !open[1]);
        let previous_until = open[1 - login].then(|| after(now, rotation.overlap));
        return Decision::Issue { login, previous_until };
    };
    // A clock that was ahead must not keep the former credentials alive.
    let previous_until = published
        .previous_until
        .map(|until| until.min(after(published.issued_at.min(now), rotation.overlap)));
    let other_open = previous_until.is_some_and(|until| now < until);
    let due = after(published.issued_at.min(now), rotation.interval);
    let asked = rotation.request.is_some() && rotation.request != published.rotated_for;
    if (asked || now >= due) && !other_open {
        return Decision::Issue {
            login: 1 - published.login,
            previous_until: Some(after(now, rotation.overlap)),
        };
    }
    Decision::Keep {
        other_open,
        // While both work nothing else can be done.
        next: previous_until.filter(|_| other_open).unwrap_or(due),
        waits: (asked || now >= due) && other_open,
    }
}

#[cfg(test)]
pub(crate) mod fixtures;

#[cfg(test)]
mod tests {
    use super::fixtures::{at, rotation};
    use super::*;

    fn published(login: usize, issued: &str, until: Option<&str>) -> Published {
        Published {
            login,
            issued_at: at(issued),
            previous_until: until.map(at),
            rotated_for: None,
        }
    }

    #[test]
    fn the_first_credentials_are_the_first_logins() {
        let decision = decide(None, [false, false], &rotation(None), at("01T00:00:00"));
        assert_eq!(
            decision,
            Decision::Issue {
                login: 0,
                previous_until: None
            }
        );
    }

    #[test]
    fn a_lost_secret_is_made_anew_with_the_login_that_nobody_uses() {
        for (open, login) in [([true, false], 1), ([false, true], 0)] {
            let decision = decide(None, open, &rotation(None), at("01T00:00:00"));
            let until = Some(at("02T00:00:00"));
            assert_eq!(
                decision,
                Decision::Issue {
                    login,
                    previous_until: until
                }
            );
        }
    }

    #[test]
    fn the_interval_ends_a_turn_and_the_overlap_the_other_ones() {
        let first = published(0, "01T00:00:00", None);
        let due = at("11T00:00:00");
        let keep = Decision::Keep {
            other_open: false,
            next: due,
            waits: false,
        };
        assert_eq!(
            decide(Some(&first), [true, false], &rotation(None), at("10T23:59:59")),
            keep
        );
        let issue = Decision::Issue {
            login: 1,
            previous_until: Some(at("12T00:00:00")),
        };
        assert_eq!(decide(Some(&first), [true, false], &rotation(None), due), issue);

        let second = published(1, "11T00:00:00", Some("12T00:00:00"));
        let keep = |other_open, next| Decision::Keep {
            other_open,
            next,
            waits: false,
        };
        let decided = |now| decide(Some(&second), [true, true], &rotation(None), at(now));
        assert_eq!(decided("11T12:00:00"), keep(true, at("12T00:00:00")));
        assert_eq!(decided("12T00:00:00"), keep(false, at("21T00:00:00")));
    }

    #[test]
    fn a_request_is_answered_once_and_never_cuts_an_overlap_short() {
        let mut current = published(0, "01T00:00:00", None);
        let asked = rotation(Some("now"));
        let decision = decide(Some(&current), [true, false], &asked, at("02T00:00:00"));
        assert!(matches!(decision, Decision::Issue { login: 1, .. }));
        current = Published {
            rotated_for: Some("now".into()),
            ..published(1, "02T00:00:00", Some("03T00:00:00"))
        };
        let decision = decide(Some(&current), [true, true], &asked, at("02T00:00:01"));
        assert!(matches!(decision, Decision::Keep { waits: false, .. }));
        let again = rotation(Some("again"));
        let decision = decide(Some(&current), [true, true], &again, at("02T12:00:00"));
        assert_eq!(
            decision,
            Decision::Keep {
                other_open: true,
                next: at("03T00:00:00"),
                waits: true
            }
        );
        let decision = decide(Some(&current), [true, true], &again, at("03T00:00:00"));
        assert!(matches!(decision, Decision::Issue { login: 0, .. }));
    }

    #[test]
    fn without_an_overlap_the_former_login_closes_at_once() {
        let rotation = Rotation {
            overlap: Duration::ZERO,
            ..rotation(Some("now"))
        };
        let current = published(0, "01T00:00:00", None);
        let now = at("02T00:00:00");
        let decision = decide(Some(&current), [true, false], &rotation, now);
        assert_eq!(
            decision,
            Decision::Issue {
                login: 1,
                previous_until: Some(now)
            }
        );
        let next = Published {
            rotated_for: Some("now".into()),
            ..published(1, "02T00:00:00", Some("02T00:00:00"))
        };
        let decision = decide(Some(&next), [true, true], &rotation, now);
        assert!(matches!(decision, Decision::Keep { other_open: false, .. }));
    }
}
