//! How a capability reports on a tenant.

use super::TenantCore;
use crate::conditions::{ConditionUpdate, reason};

/// A reason, in one word for a condition, and the message that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub reason: &'static str,
    pub message: String,
}

impl Note {
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { reason, message }
    }
}

/// How the resources of a capability stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// As asked; with a note where there is more to say.
    Ready(Option<Note>),
    /// Not yet as asked; the operator goes on by itself.
    Progressing(Note),
    /// Not as asked until somebody changes something.
    Stalled(Note),
}

impl Default for State {
    fn default() -> Self {
        Self::Ready(None)
    }
}

impl State {
    /// The note of what keeps the resources from being as asked.
    pub fn problem(&self) -> Option<&Note> {
        match self {
            Self::Ready(_) => None,
            Self::Progressing(note) | Self::Stalled(note) => Some(note),
        }
    }

    pub fn is_stalled(&self) -> bool {
        matches!(self, Self::Stalled(_))
    }

    /// Adds a note where all is as asked; a problem says more.
    pub fn remark(&mut self, note: Note) {
        if let Self::Ready(remark) = self {
            *remark = Some(note);
        }
    }
}

/// A part of the environment with a condition of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Capability {
    /// Begins the messages in which the Tenant's Ready names it.
    pub name: &'static str,
    /// The type of its condition.
    pub condition: &'static str,
    /// The reason of the Tenant's Ready while it is not as asked.
    pub not_ready: &'static str,
    /// The message of its condition while it is as asked.
    pub ready: &'static str,
    /// The same while the tenant is suspended; None where that closes nothing.
    pub suspended: Option<&'static str>,
    /// The same while the tenant is in quarantine.
    pub quarantined: Option<&'static str>,
    /// The message while the pass has not come so far.
    pub awaits: &'static str,
}

impl Capability {
    /// The condition of a tenant for whom things stand so.
    pub fn condition(&self, state: &State, tenant: Option<&TenantCore>) -> ConditionUpdate {
        let quarantined = self
            .quarantined
            .filter(|_| tenant.is_some_and(|tenant| tenant.quarantine.is_some()));
        let suspended = self.suspended.filter(|_| tenant.is_some_and(|tenant| tenant.suspend));
        let (status, note) = match (state, quarantined, suspended) {
            (State::Progressing(note) | State::Stalled(note), ..) => ("False", note.clone()),
            (State::Ready(_), Some(message), _) => ("False", Note::new(reason::QUARANTINED, message)),
            (State::Ready(_), None, Some(message)) => ("False", Note::new(reason::SUSPENDED, message)),
            (State::Ready(Some(note)), ..) => ("True", note.clone()),
            (State::Ready(None), ..) => ("True", Note::new(reason::READY, self.ready)),
        };
        ConditionUpdate {
            kind: self.condition,
            status,
            reason: note.reason,
            message: note.message,
        }
    }
}
