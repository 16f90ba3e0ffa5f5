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

/// The most objects or hosts in the way that a message names.
const NAMED: usize = 4;

/// Names what is in the way besides the one that a message begins with, and counts all; empty where there are no others.
pub fn others_in_the_way(noun: &str, others: &[String]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let named: Vec<&str> = others.iter().take(NAMED - 1).map(String::as_str).collect();
    let rest = match others.len() - named.len() {
        0 => String::new(),
        number => format!(" and {number} more"),
    };
    format!(
        "; {} {noun}s in all are in the way: the others are {}{rest}",
        others.len() + 1,
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::{are, others_in_the_way};

    #[test]
    fn up_to_four_objects_in_the_way_are_named_and_all_are_counted() {
        let others = |names: &str| {
            let others: Vec<String> = names.chars().map(|name| format!("role {name}")).collect();
            others_in_the_way("object", &others)
        };
        assert_eq!(others(""), "");
        assert_eq!(others("b"), "; 2 objects in all are in the way: the others are role b");
        let four = "; 4 objects in all are in the way: the others are role b, role c, role d";
        assert_eq!(others("bcd"), four);
        let six = "; 6 objects in all are in the way: the others are role b, role c, role d and 2 more";
        assert_eq!(others("bcdef"), six);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(are(0, "pod"), "0 pods are");
        assert_eq!(are(1, "pod"), "1 pod is");
        assert_eq!(are(2, "pod"), "2 pods are");
    }
}
