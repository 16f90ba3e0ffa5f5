//! Objects that were refused or are being deleted: what depends on them waits, and nothing else.

use crate::cluster::{Error, Key, Kind};
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
    /// That of the first object on which somebody must act, else of the first.
    pub fn check(mut failures: Vec<Self>) -> Result<(), Error> {
        let stalled = failures.iter().position(|failure| failure.error.is_stalled());
        match failures.is_empty() {
            true => Ok(()),
            false => Err(failures.swap_remove(stalled.unwrap_or(0)).error),
        }
    }

    /// The one to report: the first on which somebody must act, else the first.
    pub fn first<'a>(failures: impl IntoIterator<Item = &'a Self> + Clone) -> Option<&'a Self> {
        let mut stalled = failures
            .clone()
            .into_iter()
            .filter(|failure| failure.error.is_stalled());
        stalled.next().or_else(|| failures.into_iter().next())
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
