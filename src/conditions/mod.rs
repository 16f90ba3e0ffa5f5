//! The conditions of a Tenant: their types, their reasons, and how one is read.

pub mod reason;

use crate::api::Tenant;
use crate::time::seconds;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// The types of conditions.
pub mod kind {
    pub const READY: &str = "Ready";
    pub const RECONCILING: &str = "Reconciling";
    pub const STALLED: &str = "Stalled";
    pub const NAMESPACES_READY: &str = "NamespacesReady";
    pub const QUOTA_GRANTED: &str = "QuotaGranted";
    pub const APPLICATIONS_READY: &str = "ApplicationsReady";
    pub const DATABASE_READY: &str = "DatabaseReady";
    pub const CREDENTIALS_READY: &str = "CredentialsReady";
    pub const GATEWAY_READY: &str = "GatewayReady";
    pub const WORKLOADS_AVAILABLE: &str = "WorkloadsAvailable";
    pub const ISOLATED: &str = "Isolated";
}

/// The condition of this type in a Tenant's status.
pub fn condition<'a>(tenant: &'a Tenant, kind: &str) -> Option<&'a Condition> {
    tenant
        .status
        .as_ref()?
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
}

/// A condition's message is cut here, in bytes: a status must stay small.
pub const MAX_MESSAGE: usize = 1024;
/// The new state of one condition, without times and generations.
pub struct ConditionUpdate {
    pub kind: &'static str,
    pub status: &'static str,
    pub reason: &'static str,
    pub message: String,
}

/// The condition to write: the time of its last transition stays while its status does, and a long message is cut.
pub fn merge(update: ConditionUpdate, old: &[Condition], generation: Option<i64>, now: Timestamp) -> Condition {
    let before = old.iter().find(|condition| condition.type_ == update.kind);
    let since = before.filter(|condition| condition.status == update.status);
    let mut message = update.message;
    message.truncate(message.floor_char_boundary(MAX_MESSAGE));
    Condition {
        type_: update.kind.into(),
        status: update.status.into(),
        reason: update.reason.into(),
        message,
        observed_generation: generation,
        last_transition_time: since.map_or(Time(seconds(now)), |condition| condition.last_transition_time.clone()),
    }
}

/// Returns a count with its noun and verb: "1 workload is", "3 workloads are".
pub fn are(count: impl TryInto<u64>, noun: &str) -> String {
    match count.try_into().unwrap_or(0) {
        1 => format!("1 {noun} is"),
        count => format!("{count} {noun}s are"),
    }
}

#[cfg(test)]
mod tests {
    use super::are;

    #[test]
    fn one_is_singular() {
        assert_eq!(are(0, "pod"), "0 pods are");
        assert_eq!(are(1, "pod"), "1 pod is");
        assert_eq!(are(2, "pod"), "2 pods are");
    }
}
