//! The report of a capability on a tenant.

use super::{Stage, TenantCore};
use crate::api::TenantStatus;
use crate::cluster::Error;
use crate::conditions::{ConditionUpdate, reason};
use crate::proof::Outcome;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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

/// The state of a capability's resources.
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

/// The words for a capability in conditions and messages.
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    /// Begins the messages in which the Tenant's Ready names it; empty where they need no beginning.
    pub name: &'static str,
    /// The type of its condition.
    pub condition: &'static str,
    /// The stage in which its objects begin; a gate before that holds it back.
    pub stage: Stage,
    /// The rank of its problems: the Tenant's Ready names the problem of the lowest rank.
    pub rank: u8,
    /// The reason of the Tenant's Ready while it is not as asked.
    pub not_ready: &'static str,
    /// The message of its condition while it is as asked.
    pub ready: &'static str,
    /// The same while the tenant is suspended; None where that closes nothing.
    pub suspended: Option<&'static str>,
    /// The same, and the condition's status, while the tenant is in quarantine.
    pub quarantined: Option<(&'static str, &'static str)>,
    /// The message while the pass has not come so far.
    pub awaits: &'static str,
    /// The gate that it closes while others cannot build on it; None where they never do.
    pub gate: Option<Gate>,
}

impl Description {
    /// The condition of a tenant for whom things stand so.
    pub fn condition(&self, state: &State, tenant: Option<&TenantCore>) -> ConditionUpdate {
        let quarantined = self
            .quarantined
            .filter(|_| tenant.is_some_and(|tenant| tenant.quarantine.is_some()));
        let suspended = self.suspended.filter(|_| tenant.is_some_and(|tenant| tenant.suspend));
        let (status, note) = match (state, suspended, quarantined) {
            // In quarantine workloads need not come right.
            (_, None, Some((status @ "Unknown", message))) => (status, Note::new(reason::QUARANTINED, message)),
            (State::Progressing(note) | State::Stalled(note), ..) => ("False", note.clone()),
            (State::Ready(_), Some(message), _) => ("False", Note::new(reason::SUSPENDED, message)),
            (State::Ready(_), None, Some((status, message))) => (status, Note::new(reason::QUARANTINED, message)),
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

    /// The condition while nothing is known: a reason and a message.
    pub fn unseen(&self, reason: &'static str, message: impl Into<String>) -> ConditionUpdate {
        ConditionUpdate {
            kind: self.condition,
            status: "Unknown",
            reason,
            message: message.into(),
        }
    }
}

/// A gate that capabilities of later stages do not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The first stage that is held back.
    pub stage: Stage,
    /// The reason for the capabilities that wait.
    pub why: &'static str,
}

/// Writes a capability's figures into a status.
pub type WriteStatus = Arc<dyn Fn(&mut TenantStatus) + Send + Sync>;

/// The result of a capability's pass over one tenant.
#[derive(Clone)]
pub struct Report {
    pub description: &'static Description,
    pub state: State,
    /// Holds later stages back.
    pub gate: Option<Gate>,
    /// The reason of the Tenant's Ready in place of the description's; the message stands without its name.
    pub because: Option<&'static str>,
    /// Its figures; None: it has none.
    pub status: Option<WriteStatus>,
    /// The outcome of its own check of isolation.
    pub check: Option<Outcome>,
    /// The time until the clock changes something.
    pub again: Option<Duration>,
    /// The time in which a stalled state may still come right by itself.
    pub grace: Option<Duration>,
}

impl Report {
    pub fn new(description: &'static Description, state: State) -> Self {
        Self {
            description,
            state,
            gate: None,
            because: None,
            status: None,
            check: None,
            again: None,
            grace: None,
        }
    }

    /// The report of a capability of which the API server refuses an object, or one is still being deleted.
    pub fn refused(description: &'static Description, error: &Error) -> Self {
        let (reason, state): (_, fn(Note) -> State) = match error.is_stalled() {
            true => (error.reason(), State::Stalled),
            false => (reason::PROGRESSING, State::Progressing),
        };
        Self {
            gate: description.gate,
            because: Some(reason),
            again: error.until_stalled(),
            ..Self::new(description, state(Note::new(reason, error.chain())))
        }
    }

    /// True where it ends by itself soon, so that a status of it would only be noise.
    pub fn is_passing(&self) -> bool {
        self.state.problem().is_some() && (!self.state.is_stalled() || self.grace.is_some())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("condition", &self.description.condition)
            .field("state", &self.state)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
