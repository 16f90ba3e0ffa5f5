//! Objects that were refused or are being deleted: what depends on them waits, and nothing else.

use super::{Description, Report, State};
use crate::cluster::{Error, Key, Kind};
use crate::conditions::others_in_the_way;
use std::collections::BTreeSet;

/// An object that is not as planned, and the error that names it.
#[derive(Debug)]
pub struct Failure {
    pub key: Key,
    pub error: Error,
    /// True where the object still does what it is for: it is being deleted, and until then as planned.
    pub is_in_force: bool,
}

impl Failure {
    /// The namespace in which everything depends on the object.
    pub fn namespace(&self) -> &str {
        match self.key.kind {
            Kind::Namespace => &self.key.name,
            _ => &self.key.namespace,
        }
    }

    /// Checks that there is no failure.
    ///
    /// # Errors
    /// That of the first object on which somebody must act, else of the first; with other objects in the way.
    pub fn check(mut failures: Vec<Self>) -> Result<(), Error> {
        let stalled = failures.iter().position(|failure| failure.error.is_stalled());
        let Some(first) = failures.get(stalled.unwrap_or(0)) else {
            return Ok(());
        };
        match first.others_in_the_way(&failures).as_str() {
            "" => Err(failures.swap_remove(stalled.unwrap_or(0)).error),
            others => Err(Error::Refused {
                reason: first.error.reason(),
                message: first.error.chain() + others,
            }),
        }
    }

    /// The report of a capability with failures: of the first on which somebody must act, else of the first; with other objects in the way.
    pub fn report<'a>(
        description: &'static Description,
        failures: impl IntoIterator<Item = &'a Self> + Clone,
    ) -> Option<Report> {
        let mut stalled = failures
            .clone()
            .into_iter()
            .filter(|failure| failure.error.is_stalled());
        let first = stalled.next().or_else(|| failures.clone().into_iter().next())?;
        let mut report = Report::refused(description, &first.error);
        if let State::Stalled(note) = &mut report.state {
            note.message.push_str(&first.others_in_the_way(failures));
        }
        Some(report)
    }

    /// Names the other objects that are not the tenant's, where this is one of several.
    fn others_in_the_way<'a>(&self, failures: impl IntoIterator<Item = &'a Self>) -> String {
        let is_foreign = |failure: &Self| matches!(failure.error, Error::Foreign { .. });
        let others = failures
            .into_iter()
            .filter(|failure| is_foreign(failure) && failure.key != self.key);
        let others: BTreeSet<String> = others.map(|failure| failure.key.to_string()).collect();
        match is_foreign(self) {
            true => others_in_the_way("object", &others.into_iter().collect::<Vec<_>>()),
            false => String::new(),
        }
    }
}

/// The namespaces of a tenant in which nothing is written, and why.
#[derive(Debug, Default)]
pub struct Withheld {
    pub failures: Vec<Failure>,
}

impl Withheld {
    /// The namespaces.
    pub fn namespaces(&self) -> BTreeSet<String> {
        let closed = self.failures.iter().filter(|failure| !failure.is_in_force);
        closed.map(|failure| failure.namespace().to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Stage;

    const DESCRIPTION: Description = Description {
        name: "workloads",
        condition: "WorkloadsAvailable",
        stage: Stage::Workloads,
        rank: 0,
        not_ready: "NotReady",
        ready: "",
        suspended: None,
        quarantined: None,
        awaits: "",
        gate: None,
    };

    fn failure(name: &str, is_foreign: bool) -> Failure {
        let key = Key {
            kind: Kind::Service,
            namespace: "acme".into(),
            name: name.into(),
        };
        let error = match is_foreign {
            true => Error::Foreign {
                key: key.clone(),
                tenant: None,
                id: None,
            },
            false => Error::Fixed {
                key: key.clone(),
                remedy: "delete it",
            },
        };
        Failure {
            key,
            error,
            is_in_force: false,
        }
    }

    #[test]
    fn all_objects_in_the_way_are_reported_together() {
        let one = "Service acme/a exists and does not belong to a tenant; the operator leaves it unchanged";
        for (foreign, further) in [
            (&["a"][..], ""),
            (&["a", "a"], ""),
            (
                &["a", "c", "b"],
                "; 3 objects in all are in the way: the others are Service acme/b, Service acme/c",
            ),
        ] {
            let failures = || -> Vec<Failure> { foreign.iter().map(|name| failure(name, true)).collect() };
            let all = failures();
            let report = Failure::report(&DESCRIPTION, &all).expect("a report");
            let note = report.state.problem().expect("a problem");
            assert_eq!((note.reason, &*note.message), ("Conflict", &*format!("{one}{further}")));
            let error = Failure::check(failures()).expect_err("refused");
            assert_eq!((error.reason(), error.chain()), ("Conflict", format!("{one}{further}")));
            assert!(error.is_of_one_object());
        }
    }

    #[test]
    fn another_refusal_is_reported_alone() {
        let failures = [failure("a", false), failure("b", true), failure("c", true)];
        let report = Failure::report(&DESCRIPTION, &failures).expect("a report");
        let message = &report.state.problem().expect("a problem").message;
        assert_eq!(message, "Service acme/a cannot be changed: delete it");
        assert!(Failure::report(&DESCRIPTION, &[]).is_none() && Failure::check(Vec::new()).is_ok());
    }
}
