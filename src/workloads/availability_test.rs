use super::*;
use crate::cluster::{Key, Kind};
use serde_json::json;

/// A Deployment of three pods as it stands at rest, with what is said otherwise.
fn deployment(over: Value) -> Option<Live> {
    let mut value = json!({
        "metadata": {"generation": 2},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3},
    });
    crate::testing::lay_over(&mut value, over);
    let key = Key {
        kind: Kind::Deployment,
        namespace: "acme".into(),
        name: "web".into(),
    };
    Some(Live {
        key,
        uid: "u".into(),
        resource_version: "1".into(),
        value,
    })
}

fn judged(live: Option<Live>) -> Option<(String, bool)> {
    judge(std::iter::once(("web".to_string(), live))).map(|unavailable| {
        assert_eq!(unavailable.workload, "web");
        (unavailable.message, unavailable.stuck)
    })
}

#[test]
fn a_deployment_at_rest_is_available() {
    assert_eq!(judged(deployment(json!({}))), None);
    let none = json!({"spec": {"replicas": 0}, "status": {"replicas": null, "updatedReplicas": null, "availableReplicas": null}});
    assert_eq!(judged(deployment(none)), None, "none are asked for, and there are none");
}

#[test]
fn what_is_under_way_is_told_and_is_not_stuck() {
    let failed = json!([{"type": "ReplicaFailure", "status": "True", "message": "quota"}]);
    for (case, over, words) in [
        (
            "just written",
            json!({"metadata": {"generation": 3}}),
            "has not observed its latest change yet",
        ),
        (
            "written anew after a failure",
            json!({"metadata": {"generation": 3}, "status": {"conditions": failed}}),
            "has not observed its latest change yet",
        ),
        (
            "starting",
            json!({"status": {"availableReplicas": 1}}),
            "1 of 3 pods are available",
        ),
        (
            "never seen",
            json!({"status": null}),
            "has not observed its latest change yet",
        ),
        (
            "rolling",
            json!({"status": {"replicas": 4, "updatedReplicas": 1}}),
            "1 of 3 pods are up to date",
        ),
        (
            "shrinking",
            json!({"status": {"replicas": 5, "availableReplicas": 5}}),
            "2 pods are still terminating",
        ),
        (
            "suspending",
            json!({"spec": {"replicas": 0}, "status": {"replicas": 1, "updatedReplicas": 0, "availableReplicas": 0}}),
            "1 pod is still terminating",
        ),
    ] {
        let (message, stuck) = judged(deployment(over)).unwrap_or_else(|| panic!("{case}: available"));
        assert!(message.contains(words), "{case}: {message}");
        assert!(!stuck, "{case}");
    }
    assert_eq!(judged(None), Some(("its Deployment does not exist yet".into(), false)));
}

#[test]
fn what_kubernetes_gave_up_on_is_stuck_in_its_words() {
    for (kind, status) in [("ReplicaFailure", "True"), ("Progressing", "False")] {
        let condition = |status: &str| json!({"status": {"availableReplicas": 0, "conditions": [{"type": kind, "status": status, "message": "exceeded quota"}]}});
        assert_eq!(
            judged(deployment(condition(status))),
            Some(("0 of 3 pods are available: exceeded quota".into(), true))
        );
        let otherwise = if status == "True" { "False" } else { "True" };
        assert_eq!(
            judged(deployment(condition(otherwise))),
            Some(("0 of 3 pods are available".into(), false))
        );
    }
    let long = json!({"status": {"availableReplicas": 0, "conditions": [{"type": "Progressing", "status": "False", "message": "ü".repeat(10_000)}]}});
    let (message, _) = judged(deployment(long)).expect("unavailable");
    assert!(message.chars().count() < 500);
}

#[test]
fn the_first_that_is_unavailable_is_named() {
    let all = [("a", deployment(json!({}))), ("b", None), ("c", None)];
    let found = judge(all.into_iter().map(|(name, live)| (name.to_string(), live))).expect("unavailable");
    assert_eq!(found.workload, "b");
    assert_eq!(judge(std::iter::empty()), None);
}
