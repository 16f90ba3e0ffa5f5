//! The reasons why a pass ends early.

use crate::capability::{Note, State};
use crate::cluster::Error;
use crate::conditions::reason;
use crate::postgres::client;
use crate::postgres::plan;

/// Reason of a pass's end: an error of Kubernetes, or the state of the database on its server.
pub(super) enum Failure {
    Kubernetes(Error),
    Server(State),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Kubernetes(error)
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        let reason = error.reason();
        let note = Note::new(reason, error.to_string());
        Self::Server(match reason == reason::SERVER_REFUSED {
            true => State::Stalled(note),
            false => State::Progressing(note),
        })
    }
}

impl From<plan::Conflict> for Failure {
    fn from(conflict: plan::Conflict) -> Self {
        stalled(reason::CONFLICT, conflict.to_string())
    }
}

pub(super) fn stalled(reason: &'static str, message: String) -> Failure {
    Failure::Server(State::Stalled(Note::new(reason, message)))
}

pub(super) fn progressing(reason: &'static str, message: String) -> Failure {
    Failure::Server(State::Progressing(Note::new(reason, message)))
}
