//! The outcome of one reconcile: the reports of all capabilities, or the reason why nothing was planned.

use super::{Gate, Note, Report, Stage, State};
use crate::cluster::Error;
use crate::conditions::reason;

/// The result of a reconcile.
#[derive(Clone, Debug)]
pub enum ReconcileOutcome {
    /// The environment was planned; the capabilities report how it stands.
    Planned(Reports),
    /// The reconcile is stalled until somebody acts.
    Stalled { reason: &'static str, message: String },
    /// It goes on by itself.
    Waiting { reason: &'static str, message: String },
}

impl ReconcileOutcome {
    /// True where it ends by itself soon, so that saying so at once would only be noise.
    pub fn is_passing(&self, is_quarantined: bool) -> bool {
        match self {
            Self::Planned(reports) => reports
                .problem(is_quarantined)
                .is_some_and(|report| report.is_passing()),
            Self::Stalled { .. } => false,
            Self::Waiting { .. } => true,
        }
    }

    /// The reports of the capabilities, as far as the pass came.
    pub fn reports(&self) -> Option<&Reports> {
        match self {
            Self::Planned(reports) => Some(reports),
            Self::Stalled { .. } | Self::Waiting { .. } => None,
        }
    }

    /// The report of the capability with this condition, if the pass came so far.
    pub fn report(&self, condition: &str) -> Option<&Report> {
        self.reports()?.of(condition)
    }
}

/// The results of all capabilities in one pass.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    /// In the order of the list; a capability that was held back, or of which the tenant has nothing, has none.
    pub all: Vec<Report>,
}

impl Reports {
    /// The gate that holds later capabilities back, if one is closed.
    pub fn gate(&self) -> Option<Gate> {
        self.all.iter().find_map(|report| report.gate)
    }

    /// The report of the capability with this condition.
    pub fn of(&self, condition: &str) -> Option<&Report> {
        self.all.iter().find(|report| report.description.condition == condition)
    }

    /// The problem that the Tenant's Ready names: a refused object first, since somebody must act on it. `is_quarantined`: only its namespaces must come right.
    pub fn problem(&self, is_quarantined: bool) -> Option<&Report> {
        let problems = self.all.iter().filter(|report| report.state.problem().is_some());
        problems
            .filter(|report| !is_quarantined || report.description.stage == Stage::Namespaces)
            .min_by_key(|report| {
                let waits = report.because.is_some() && !report.state.is_stalled();
                (report.because.is_none(), waits, report.description.rank)
            })
    }

    /// Adds the report of an object that is in the way, unless its capability has a problem that does not end by itself.
    pub fn add_claimed(&mut self, claimed: Report) {
        let condition = claimed.description.condition;
        match self
            .all
            .iter_mut()
            .find(|report| report.description.condition == condition)
        {
            Some(report) if report.because.is_some() || report.state.is_stalled() => {}
            Some(report) => {
                report.state = claimed.state;
                report.because = claimed.because;
                report.again = report.again.into_iter().chain(claimed.again).min();
            }
            None => self.all.push(claimed),
        }
    }

    /// The first object that the API server refused, as an error. An invalid spec awaits a change instead, and an object that is being deleted its end.
    pub fn refusal(&self) -> Option<Error> {
        let mut refused = self.all.iter().filter_map(|report| Some((report, report.because?)));
        let awaits = [reason::INVALID_SPEC, reason::PROGRESSING, reason::TERMINATING];
        let refused = refused.find(|(_, reason)| !awaits.contains(reason));
        refused.map(|(report, reason)| Error::Refused {
            reason,
            message: report
                .state
                .problem()
                .map(|note| note.message.clone())
                .unwrap_or_default(),
        })
    }

    /// Notes an object that keeps something from being revoked.
    pub fn add_unrevoked(&mut self, error: &Error) {
        if let Some(first) = self.all.first() {
            self.add_claimed(Report::refused(first.description, error));
        }
    }

    /// Notes what revocation waits for, where nothing else is wrong.
    pub fn wait_for(&mut self, waiting: Option<String>, is_quarantined: bool) {
        let Some(waiting) = waiting.filter(|_| self.problem(is_quarantined).is_none()) else {
            return;
        };
        if let Some(first) = self.all.first_mut() {
            first.state = State::Progressing(Note::new(reason::PROGRESSING, waiting));
        }
    }
}
