//! The proof of isolation as a capability: it plans nothing, and adds its condition to every status.

use super::admission;
use super::condition;
use super::network::schedule::NetworkSubject;
use super::report::Statement;
use super::report_writer::ReportWriter;
use super::verifier::{IsolationVerifier, NetworkState, VerificationInput};
use crate::api::TenantStatus;
use crate::capability::{Capability, Description, Observation, ReconcileOutcome, Stage, ValidTenant};
use crate::conditions::{kind, reason};
use async_trait::async_trait;
use std::sync::Arc;

const DESCRIPTION: Description = Description {
    name: "isolation",
    condition: kind::ISOLATED,
    stage: Stage::Routes,
    rank: 5,
    not_ready: reason::VIOLATED,
    ready: "",
    suspended: None,
    quarantined: None,
    awaits: "",
    gate: None,
};

/// The proof that no tenant reaches another.
pub struct Isolation {
    verifier: Arc<IsolationVerifier>,
    /// None where the platform wants no reports.
    reports: Option<Arc<ReportWriter>>,
}

impl Isolation {
    pub fn new(verifier: Arc<IsolationVerifier>, reports: Option<Arc<ReportWriter>>) -> Self {
        Self { verifier, reports }
    }
}

#[async_trait]
impl Capability for Isolation {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    async fn observe(&self, of: &Observation<'_>, status: &mut TenantStatus) {
        let name = &of.owner.tenant;
        if status.namespaces.is_empty() || of.tenant.metadata.deletion_timestamp.is_some() {
            self.forget(name);
            return;
        }
        let old = of.tenant.status.as_ref();
        let input = VerificationInput {
            database: of.check.cloned(),
            network: network_state(of.outcome, of.valid),
            admission: of
                .valid
                .filter(|_| has_bounds(of.outcome))
                .map(|valid| admission::AdmissionSubject::all(&valid.core)),
        };
        let proof = self.verifier.prove(name, input, old).await;
        condition::add(status, &proof, old, of.now);
        if let Some(reports) = &self.reports {
            reports.put(Statement {
                owner: of.owner.clone(),
                uid: of.tenant.metadata.uid.clone().unwrap_or_default(),
                former: condition::former_findings(&proof, old).cloned(),
                proof,
            });
        }
    }

    fn forget(&self, tenant: &str) {
        self.verifier.forget(tenant);
        if let Some(reports) = &self.reports {
            reports.forget(tenant);
        }
    }
}

/// The place of its pods, if there can be any. None may be before its bounds were seen to be there.
fn network_state(outcome: &ReconcileOutcome, valid: Option<&ValidTenant>) -> NetworkState {
    match valid {
        Some(valid) if valid.core.suspend => NetworkState::Deserted,
        Some(valid) if valid.core.quarantine.is_some() => NetworkState::CutOff,
        Some(valid) if has_bounds(outcome) => match NetworkSubject::all(&valid.core) {
            none if none.is_empty() => NetworkState::Deserted,
            subjects => NetworkState::Pods(subjects),
        },
        // Whatever ran goes on as it was.
        _ => NetworkState::AsBefore,
    }
}

/// Returns true where the tenant's bounds were seen to be there.
fn has_bounds(outcome: &ReconcileOutcome) -> bool {
    let namespaces = outcome.report(kind::NAMESPACES_READY);
    namespaces.is_some_and(|report| report.state.problem().is_none())
}
