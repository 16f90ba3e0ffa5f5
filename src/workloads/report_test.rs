//! The condition of workloads: their availability, and the remarks beside it.

use super::*;
use crate::tenant::fixtures::{acme, plan, platform};
use serde_json::json;

/// A tenant of three pods in each of two namespaces, with a workload of this many replicas and this claim.
fn tenant(replicas: i32, storage: &str) -> ValidTenant {
    let claim = json!([{"name": "data", "storage": storage, "mountPath": "/data", "storageClassName": "fast"}]);
    let web = json!({"name": "web", "image": "web:1", "replicas": replicas, "volumeClaims": claim});
    let spec = json!({"workloads": [web], "namespaces": [{"name": "b"}]});
    acme(spec, json!({"quota": {"pods": 6}}))
}

fn planned(tenant: &ValidTenant) -> Vec<Desired> {
    plan(tenant, &platform()).stage(Stage::Workloads)
}

/// The remarks where the claim is in the cluster as this tenant's, with these changes.
fn remarks(tenant: &ValidTenant, former: &ValidTenant, change: impl Fn(&mut Value)) -> Remarks {
    let store = Store::default();
    for mut desired in planned(former) {
        if desired.key.kind == Kind::PersistentVolumeClaim {
            desired.value["metadata"]["uid"] = json!("u");
            desired.value["metadata"]["resourceVersion"] = json!("1");
            desired.value["status"] = json!({"phase": "Bound"});
            change(&mut desired.value);
            store.put(
                desired.key.kind,
                serde_json::from_value(desired.value).expect("an object"),
            );
        }
    }
    Remarks::of(&tenant.core, &planned(tenant), &store)
}

fn starting(stuck: bool) -> Unavailable {
    Unavailable {
        workload: "web".into(),
        message: "3 of 6 pods are available".into(),
        stuck,
    }
}

#[test]
fn a_workload_that_does_not_fit_its_share_is_named_with_key_and_amounts() {
    let words = "the workloads need more than namespace acme's share of the quota: pods: 6 of 3 (web 6)";
    let large = tenant(6, "1Gi");
    let remarks = remarks(&large, &large, |_| {});
    let all_run = report(None, 1, &remarks).state;
    assert_eq!(
        all_run,
        State::Ready(Some(Note::new(
            reason::QUOTA_TOO_SMALL,
            format!("1 workload is available; {words}")
        )))
    );
    for stuck in [false, true] {
        let State::Stalled(note) = report(Some(&starting(stuck)), 1, &remarks).state else {
            panic!("somebody must act")
        };
        assert_eq!(note.reason, reason::QUOTA_TOO_SMALL);
        assert_eq!(
            note.message,
            format!("workload web: 3 of 6 pods are available; {words}")
        );
    }

    let small = tenant(3, "1Gi");
    let fits = self::remarks(&small, &small, |_| {});
    assert_eq!(
        report(None, 1, &fits).state,
        State::Ready(Some(Note::new(reason::READY, "1 workload is available")))
    );
    let unavailable = report(Some(&starting(false)), 1, &fits);
    assert!(matches!(&unavailable.state, State::Progressing(note) if note.reason == reason::WORKLOADS_UNAVAILABLE));
    assert_eq!(unavailable.grace, Some(GRACE));
}

#[test]
fn a_larger_claim_is_shown_and_no_problem() {
    let (small, large) = (tenant(1, "1Gi"), tenant(1, "2Gi"));
    let state = report(None, 1, &remarks(&small, &large, |_| {})).state;
    let message =
        "1 workload is available; claim web-data has 2Gi and keeps it, since claims never shrink: the spec has 1Gi";
    assert_eq!(state, State::Ready(Some(Note::new(reason::CLAIM_KEPT, message))));

    let pending = |claim: &mut Value| claim["status"]["phase"] = json!("Pending");
    let state = report(None, 1, &remarks(&large, &small, pending)).state;
    let message = "1 workload is available; claim web-data has 1Gi, and grows to 2Gi once it is bound";
    assert_eq!(state, State::Ready(Some(Note::new(reason::CLAIM_KEPT, message))));
    let unavailable = report(Some(&starting(false)), 1, &remarks(&large, &small, pending)).state;
    assert!(matches!(unavailable, State::Progressing(note) if note.reason == reason::WORKLOADS_UNAVAILABLE));
}

#[test]
fn a_claim_that_can_never_be_as_asked_is_a_problem() {
    let asked = tenant(1, "1Gi");
    let slow = |claim: &mut Value| claim["spec"]["storageClassName"] = json!("slow");
    let words = "claim web-data has spec.storageClassName slow, which Kubernetes never changes to fast: correct the spec, or delete the claim and its data";
    let State::Stalled(note) = report(None, 1, &remarks(&asked, &asked, slow)).state else {
        panic!("somebody must act")
    };
    assert_eq!(note.reason, reason::IMMUTABLE);
    assert!(note.message.ends_with(words), "{}", note.message);
}

#[test]
fn an_autoscaler_that_may_start_too_many_is_told_of() {
    let of = |suspend: bool| {
        let web = json!({"name": "web", "image": "web:1", "autoscaling": {"minReplicas": 2, "maxReplicas": 8}});
        let tenant = acme(
            json!({"workloads": [web], "suspend": suspend}),
            json!({"quota": {"pods": 5}}),
        );
        Remarks::of(&tenant.core, &planned(&tenant), &Store::default())
    };
    let scaled = of(false);
    assert!(
        scaled.unfit.as_ref().is_some_and(|unfit| unfit.only_scaled),
        "{scaled:?}"
    );
    let State::Ready(Some(note)) = report(None, 1, &scaled).state else {
        panic!("all run")
    };
    assert!(
        note.message
            .ends_with("once autoscalers start as many pods as they may: pods: 8 of 5 (web 8)"),
        "{}",
        note.message
    );
    // It keeps nothing from running now.
    let unavailable = report(Some(&starting(false)), 1, &scaled).state;
    assert!(matches!(unavailable, State::Progressing(note) if note.reason == reason::WORKLOADS_UNAVAILABLE));
    assert_eq!(of(true).unfit, None, "a suspended workload has no pods");
}

#[test]
fn only_what_is_in_the_cluster_can_be_kept() {
    let tenant = tenant(1, "1Gi");
    let remarks = Remarks::of(&tenant.core, &planned(&tenant), &Store::default());
    assert_eq!((remarks.fixed(), remarks.kept()), (None, None));
}
