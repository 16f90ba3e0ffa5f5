//! The status of a TenantNamespace, by kstatus' rules.

use super::admit::Verdict;
use crate::api::{TenantNamespace, TenantNamespaceStatus};
use crate::capability::{Note, State, TenantCore};
use crate::cluster::decode::{Noting, Read};
use crate::cluster::{Error, Key, Store};
use crate::conditions::{ConditionUpdate, kind, merge, reason};
use crate::namespaces::{is_enforced, quota};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

/// The state of a TenantNamespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// None where it has none.
    pub namespace: Option<String>,
    pub state: State,
}

impl Observed {
    /// The state of one whose namespace is on its way out.
    pub fn ending(namespace: Option<&str>, waiting: String) -> Self {
        Self {
            namespace: namespace.map(str::to_owned),
            state: State::Progressing(Note::new(reason::TERMINATING, waiting)),
        }
    }

    /// The same where the API server refuses something.
    pub fn failed(namespace: &str, error: &Error) -> Self {
        let note = Note::new(error.reason(), error.chain());
        Self {
            namespace: Some(namespace.into()),
            state: match error.is_stalled() {
                true => State::Stalled(note),
                false => State::Progressing(note),
            },
        }
    }

    /// The state while the operator does not act on the Tenant.
    pub fn idle(object: &TenantNamespace) -> Self {
        let message = "the operator does not act on it while the Tenant is not valid, or is being deleted";
        Self {
            namespace: object.status.as_ref().and_then(|status| status.namespace.clone()),
            state: State::Progressing(Note::new(reason::PROGRESSING, message)),
        }
    }
}

/// Returns true where the status describes the present spec, and nobody deletes the object.
pub fn is_current(object: &TenantNamespace) -> bool {
    let observed = object.status.as_ref().and_then(|status| status.observed_generation);
    observed == object.metadata.generation && object.metadata.deletion_timestamp.is_none()
}

/// Observes a TenantNamespace that is not on its way out. `failure`: the API server refuses an object in its namespace.
pub fn observed(
    store: &Store,
    tenant: &TenantCore,
    namespace: &str,
    verdict: &Verdict,
    failure: Option<&State>,
) -> Observed {
    let owner = &tenant.owner;
    let live = store.get(&owner.tenant, &Key::namespace(namespace));
    let exists = live.is_some_and(|live| live.belongs_to(owner) && !live.is_terminating());
    let is_bounded = || {
        let quota = store.get(&owner.tenant, &quota::key(namespace));
        quota.is_some_and(|quota| is_enforced(&quota))
    };
    let state = match (verdict, failure) {
        (Verdict::Refused(note), _) => State::Stalled(note.clone()),
        (Verdict::Waiting(note), _) => State::Progressing(note.clone()),
        (_, Some(failure)) => failure.clone(),
        (Verdict::Admitted(_), None) if !exists || !is_bounded() => {
            let message = format!("namespace {namespace} gets its quota, limits, network policies and access");
            State::Progressing(Note::new(reason::PROGRESSING, message))
        }
        (Verdict::Admitted(Some(note)), None) => State::Stalled(note.clone()),
        (Verdict::Admitted(None) | Verdict::Ending | Verdict::Released, None) => State::default(),
    };
    let is_its_own = matches!(verdict, Verdict::Admitted(_)) && exists;
    Observed {
        namespace: is_its_own.then(|| namespace.to_string()),
        state,
    }
}

/// The status to write. Pure.
pub fn status(object: &TenantNamespace, observed: &Observed, now: Timestamp) -> TenantNamespaceStatus {
    let generation = object.metadata.generation;
    let old = object
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let note = observed.state.problem();
    let (ready, why, message) = match note {
        Some(note) => ("False", note.reason, note.message.clone()),
        None => (
            "True",
            reason::READY,
            "quota, limits, network policies and access are in place".to_string(),
        ),
    };
    let is_stalled = observed.state.is_stalled();
    let flag = |kind, is_on: bool, otherwise: &str| ConditionUpdate {
        kind,
        status: if is_on { "True" } else { "False" },
        reason: if is_on { why } else { reason::IDLE },
        message: if is_on { message.clone() } else { otherwise.to_string() },
    };
    let updates = [
        flag(
            kind::RECONCILING,
            note.is_some() && !is_stalled,
            "no reconciliation is in progress",
        ),
        flag(kind::STALLED, is_stalled, "reconciliation is not stalled"),
    ];
    let ready = ConditionUpdate {
        kind: kind::READY,
        status: ready,
        reason: why,
        message: message.clone(),
    };
    let conditions = [ready].into_iter().chain(updates);
    TenantNamespaceStatus {
        observed_generation: generation,
        namespace: observed.namespace.clone(),
        conditions: conditions.map(|update| merge(update, old, generation, now)).collect(),
    }
}

/// Writes the status of this very TenantNamespace. Returns it as it is then.
///
/// # Errors
/// The API server's.
pub async fn write(
    client: &Client,
    object: &TenantNamespace,
    status: &TenantNamespaceStatus,
) -> Result<TenantNamespace, Error> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<Read<TenantNamespace>> = Api::namespaced(client.clone(), &namespace);
    let patch: json_patch::Patch = serde_json::from_value(json!([
        {"op": "test", "path": "/metadata/uid", "value": object.metadata.uid},
        {"op": "add", "path": "/status", "value": status},
    ]))
    .unwrap_or_default();
    let params = PatchParams::default();
    let Read {
        object: mut written,
        unread,
    } = api
        .patch_status(&object.name_any(), &params, &Patch::<()>::Json(patch))
        .await?;
    written.note(unread);
    Ok(written)
}

#[cfg(test)]
#[path = "status_test.rs"]
mod tests;
