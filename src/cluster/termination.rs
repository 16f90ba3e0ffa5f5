//! An object whose deletion has begun and has not ended, and what keeps it.

use super::{Key, Kind, Live};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// The time after which somebody must help a deletion to its end.
const PATIENCE: Duration = Duration::from_secs(60);
/// The finalizer of a claim that pods use.
const PVC_PROTECTION: &str = "kubernetes.io/pvc-protection";
/// The longest quotation of a namespace's conditions, in characters.
const MAX_QUOTE: usize = 600;

/// A deletion that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Termination {
    pub key: Key,
    /// Keeps the object; None: nothing is known to.
    holder: Option<String>,
    age: Duration,
}

impl Termination {
    /// The deletion of this object as it stands now.
    pub fn of(live: &Live, now: Timestamp) -> Self {
        let begun = live
            .value
            .pointer("/metadata/deletionTimestamp")
            .and_then(Value::as_str);
        let age = begun
            .and_then(|text| text.parse().ok())
            .map(|begun| now.duration_since(begun));
        Self {
            key: live.key.clone(),
            holder: holder(live),
            // The API server's clock may be ahead.
            age: age.and_then(|age| age.try_into().ok()).unwrap_or_default(),
        }
    }

    /// True where it does not end by itself.
    pub fn is_overdue(&self) -> bool {
        self.age >= PATIENCE
    }

    /// The time after which it is overdue.
    pub fn left(&self) -> Duration {
        PATIENCE.saturating_sub(self.age)
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is being deleted", self.key)?;
        match &self.holder {
            Some(holder) => write!(f, ", and {holder}; the operator recreates it afterwards"),
            None => write!(f, "; the operator recreates it afterwards"),
        }
    }
}

fn holder(live: &Live) -> Option<String> {
    let finalizers: Vec<&str> = live
        .value
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if live.key.kind == Kind::Namespace
        && let Some(left) = left_in(live)
    {
        return Some(format!("is not empty: {left}"));
    }
    match finalizers.as_slice() {
        [] => None,
        [PVC_PROTECTION] => Some(format!(
            "pods that use it keep it (finalizer {PVC_PROTECTION}): delete these pods to let it go with its data"
        )),
        [one] => Some(format!("finalizer {one} keeps it: remove its cause, or the finalizer")),
        several => Some(format!(
            "finalizers {} keep it: remove their causes, or the finalizers",
            several.join(", ")
        )),
    }
}

/// Quotes a terminating namespace on the objects that are left in it.
pub fn left_in(namespace: &Live) -> Option<String> {
    let conditions = namespace.value.pointer("/status/conditions").and_then(Value::as_array);
    let messages: Vec<&str> = conditions
        .into_iter()
        .flatten()
        .filter(|condition| condition.get("status").and_then(Value::as_str) == Some("True"))
        .filter_map(|condition| condition.get("message")?.as_str())
        .collect();
    (!messages.is_empty()).then(|| messages.join("; ").chars().take(MAX_QUOTE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(kind: Kind, object: Value, now: &str) -> (String, bool, u64) {
        let key = Key {
            kind,
            namespace: "acme".into(),
            name: "a".into(),
        };
        let live = Live {
            key,
            uid: "u".into(),
            resource_version: "1".into(),
            value: object,
        };
        let termination = Termination::of(&live, now.parse().expect("a time"));
        (
            termination.to_string(),
            termination.is_overdue(),
            termination.left().as_secs(),
        )
    }

    #[test]
    fn names_what_keeps_the_object() {
        let held = |finalizers: &[&str]| json!({"metadata": {"deletionTimestamp": "2026-01-01T10:00:00Z", "finalizers": finalizers}});
        let namespace = json!({
            "metadata": {"deletionTimestamp": "2026-01-01T10:00:00Z"},
            "status": {"conditions": [
                {"status": "False", "message": "all fine"},
                {"status": "True", "message": "x/y in 1 resource instances"},
            ]},
        });
        for (kind, object, words) in [
            (Kind::Service, held(&[]), "is being deleted; the operator"),
            (Kind::Service, held(&["x/y"]), "finalizer x/y keeps it"),
            (Kind::Service, held(&["x/y", "z"]), "finalizers x/y, z keep it"),
            (Kind::PersistentVolumeClaim, held(&[PVC_PROTECTION]), "pods that use it"),
            (Kind::Namespace, namespace, "is not empty: x/y in 1 resource instances;"),
        ] {
            let (message, ..) = said(kind, object, "2026-01-01T10:00:00Z");
            assert!(message.contains(words), "{message}");
            assert!(message.ends_with("the operator recreates it afterwards"), "{message}");
        }
    }

    #[test]
    fn is_overdue_after_a_minute() {
        let begun = json!({"metadata": {"deletionTimestamp": "2026-01-01T10:00:00Z"}});
        for (now, overdue, left) in [
            ("2026-01-01T10:00:10Z", false, 50),
            ("2026-01-01T10:01:00Z", true, 0),
            ("2026-01-01T09:59:00Z", false, 60),
        ] {
            let (_, is_overdue, seconds) = said(Kind::Service, begun.clone(), now);
            assert_eq!((is_overdue, seconds), (overdue, left), "{now}");
        }
        assert!(!said(Kind::Service, json!({}), "2026-01-01T10:00:00Z").1);
    }
}
