//! Conditions by kstatus' rules, when a status is written, and how large it can get.

use super::*;
use crate::api::GatewayUsage;
use crate::capability::{Description, Gate, Note, Quarantine, Report, Reports, Stage};
use crate::cluster::{Identity, Key};
use crate::conditions::MAX_MESSAGE;
use crate::tenant::fixtures::{ID, acme, all_capabilities, tenant, with};
use serde_json::json;

fn at(time: &str) -> Timestamp {
    format!("2026-01-01T{time}Z").parse().expect("a time")
}

fn valid() -> ValidTenant {
    acme(json!({"workloads": [{"name": "web", "image": "web:1"}]}), json!({}))
}

fn description(condition: &str) -> &'static Description {
    let all = all_capabilities();
    let found = all.iter().find(|one| one.description().condition == condition);
    found.expect(condition).description()
}

fn planned(namespaces: State, workloads: Option<State>) -> ReconcileOutcome {
    let gate = workloads.is_none().then_some(Gate {
        stage: Stage::Configuration,
        why: "waiting for the namespaces",
    });
    let namespaces = Report {
        gate,
        ..Report::new(description(kind::NAMESPACES_READY), namespaces)
    };
    let workloads = workloads.map(|state| Report {
        grace: Some(std::time::Duration::from_secs(5)),
        ..Report::new(description(kind::WORKLOADS_AVAILABLE), state)
    });
    ReconcileOutcome::Planned(Reports {
        all: std::iter::once(namespaces).chain(workloads).collect(),
    })
}

/// Everything is as asked.
fn complete() -> ReconcileOutcome {
    planned(State::default(), Some(State::default()))
}

/// Something of the namespaces is under way.
fn namespaces(message: &str) -> ReconcileOutcome {
    planned(State::Progressing(Note::new(reason::PROGRESSING, message)), None)
}

fn unavailable(stuck: bool) -> ReconcileOutcome {
    let note = Note::new(reason::WORKLOADS_UNAVAILABLE, "workload web: 1 of 3 pods are available");
    let state = match stuck {
        true => State::Stalled(note),
        false => State::Progressing(note),
    };
    planned(State::default(), Some(state))
}

fn observed(namespaces: &[&str], usage: Usage) -> Observed {
    Observed {
        namespaces: namespaces.iter().map(ToString::to_string).collect(),
        usage,
    }
}

fn status(
    tenant: &Tenant,
    outcome: &ReconcileOutcome,
    valid: Option<&ValidTenant>,
    observed: Observed,
    now: Timestamp,
) -> TenantStatus {
    super::status(&all_capabilities(), tenant, outcome, valid, observed, now)
}

fn reported(outcome: &ReconcileOutcome, valid: Option<&ValidTenant>) -> TenantStatus {
    let mut tenant = tenant(json!({}));
    tenant.metadata.generation = Some(4);
    let observed = observed(&["acme"], Usage::default());
    status(&tenant, outcome, valid, observed, at("10:00:00"))
}

/// Status and reason of a condition.
fn said<'a>(status: &'a TenantStatus, kind: &str) -> (&'a str, &'a str) {
    let condition = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
        .expect(kind);
    (&condition.status, &condition.reason)
}

fn all_verdicts() -> Vec<ReconcileOutcome> {
    vec![
        complete(),
        namespaces("the quota is not enforced yet"),
        unavailable(false),
        unavailable(true),
        ReconcileOutcome::Stalled {
            reason: reason::INVALID_SPEC,
            message: "spec.quota.pods: is wrong".into(),
        },
        ReconcileOutcome::Stalled {
            reason: reason::TIER_NOT_FOUND,
            message: "spec.tier: none".into(),
        },
        ReconcileOutcome::Waiting {
            reason: reason::TERMINATING,
            message: "3 pods are terminating".into(),
        },
    ]
}

#[test]
fn conditions_for_each_verdict() {
    let valid = valid();
    let conditions = |verdict: &ReconcileOutcome, of: Option<&ValidTenant>| {
        let status = reported(verdict, of);
        [
            kind::READY,
            kind::RECONCILING,
            kind::STALLED,
            kind::NAMESPACES_READY,
            kind::WORKLOADS_AVAILABLE,
        ]
        .map(|kind| {
            let (status, reason) = said(&status, kind);
            format!("{status} {reason}")
        })
    };
    let some = Some(&valid);
    for (verdict, of, expected) in [
        (
            complete(),
            some,
            ["True Ready", "False Idle", "False Idle", "True Ready", "True Ready"],
        ),
        (
            namespaces("x"),
            some,
            [
                "False Progressing",
                "True Progressing",
                "False Idle",
                "False Progressing",
                "Unknown Progressing",
            ],
        ),
        (
            unavailable(false),
            some,
            [
                "False WorkloadsUnavailable",
                "True WorkloadsUnavailable",
                "False Idle",
                "True Ready",
                "False WorkloadsUnavailable",
            ],
        ),
        (
            unavailable(true),
            some,
            [
                "False WorkloadsUnavailable",
                "False Idle",
                "True WorkloadsUnavailable",
                "True Ready",
                "False WorkloadsUnavailable",
            ],
        ),
        (
            ReconcileOutcome::Stalled {
                reason: reason::INVALID_SPEC,
                message: "x".into(),
            },
            None,
            [
                "False InvalidSpec",
                "False Idle",
                "True InvalidSpec",
                "Unknown InvalidSpec",
                "Unknown InvalidSpec",
            ],
        ),
        (
            ReconcileOutcome::Waiting {
                reason: reason::DRAIN_BLOCKED,
                message: "x".into(),
            },
            None,
            [
                "False DrainBlocked",
                "False Idle",
                "True DrainBlocked",
                "Unknown DrainBlocked",
                "Unknown DrainBlocked",
            ],
        ),
    ] {
        assert_eq!(conditions(&verdict, of), expected, "{verdict:?}");
    }
    let mut suspended = valid.clone();
    suspended.core.suspend = true;
    assert_eq!(
        conditions(&complete(), Some(&suspended)),
        [
            "True Suspended",
            "False Idle",
            "False Idle",
            "True Ready",
            "False Suspended"
        ]
    );
    let mut quarantined = valid.clone();
    quarantined.core.quarantine = Some(Quarantine {
        since: at("11:00:00"),
        found_by: "network-access".into(),
        clean_since: None,
    });
    assert_eq!(
        conditions(&complete(), Some(&quarantined)),
        [
            "False Quarantined",
            "False Idle",
            "True Quarantined",
            "True Ready",
            "Unknown Quarantined"
        ]
    );
}

#[test]
fn kstatus_can_always_tell() {
    let valid = valid();
    for verdict in all_verdicts() {
        let status = reported(&verdict, Some(&valid));
        let is = |kind| said(&status, kind).0 == "True";
        let (ready, reconciling, stalled) = (is(kind::READY), is(kind::RECONCILING), is(kind::STALLED));
        assert_eq!(
            [ready, reconciling, stalled].into_iter().filter(|set| *set).count(),
            1,
            "{verdict:?}"
        );
        assert_eq!(status.observed_generation, Some(4));
        for condition in &status.conditions {
            assert_eq!(condition.observed_generation, Some(4));
            assert!(
                !condition.message.is_empty() && !condition.reason.is_empty(),
                "{verdict:?}: {}",
                condition.type_
            );
            assert!(["True", "False", "Unknown"].contains(&condition.status.as_str()));
        }
        assert!(
            verdict.is_passing(false) || !reconciling,
            "{verdict:?}: what is Reconciling passes by itself"
        );
    }
}

#[test]
fn the_time_of_a_transition_is_kept_while_the_status_is() {
    let (valid, mut tenant) = (valid(), tenant(json!({})));
    let mut report = |verdict: &ReconcileOutcome, now: &str| {
        let new = status(
            &tenant,
            verdict,
            Some(&valid),
            observed(&["acme"], Usage::default()),
            at(now),
        );
        tenant.status = Some(new.clone());
        new
    };
    let time = |status: &TenantStatus, kind: &str| {
        status
            .conditions
            .iter()
            .find(|c| c.type_ == kind)
            .map(|c| c.last_transition_time.0)
    };
    let first = report(&namespaces("x"), "10:00:00.7");
    assert_eq!(time(&first, kind::READY), Some(at("10:00:00")), "whole seconds");
    let second = report(&unavailable(false), "10:00:05");
    assert_eq!(
        time(&second, kind::READY),
        Some(at("10:00:00")),
        "another reason is no transition"
    );
    assert_eq!(time(&second, kind::NAMESPACES_READY), Some(at("10:00:05")));
    let third = report(&complete(), "10:00:09");
    assert_eq!(time(&third, kind::READY), Some(at("10:00:09")));
    assert_eq!(time(&third, kind::NAMESPACES_READY), Some(at("10:00:05")));
    assert_eq!(time(&third, kind::STALLED), Some(at("10:00:00")));
}

#[test]
fn a_message_is_cut_between_characters() {
    let message = format!("a{}", "ü".repeat(10_000));
    let status = reported(
        &ReconcileOutcome::Stalled {
            reason: reason::INVALID_SPEC,
            message,
        },
        None,
    );
    for condition in &status.conditions {
        assert!(condition.message.len() <= MAX_MESSAGE);
    }
    let ready = status
        .conditions
        .iter()
        .find(|c| c.type_ == kind::READY)
        .expect("Ready");
    assert_eq!(ready.message.len(), MAX_MESSAGE - 1);
}

#[test]
fn an_id_is_recorded_with_the_first_namespace() {
    let (valid, mut tenant) = (valid(), tenant(json!({})));
    let id = |tenant: &Tenant, of: Option<&ValidTenant>, namespaces: &[&str]| {
        status(
            tenant,
            &complete(),
            of,
            observed(namespaces, Usage::default()),
            at("10:00:00"),
        )
        .id
    };
    assert_eq!(
        id(&tenant, Some(&valid), &[]),
        None,
        "nothing is owned: another id may still be named"
    );
    assert_eq!(id(&tenant, None, &["acme"]), None);
    assert_eq!(id(&tenant, Some(&valid), &["acme"]).as_deref(), Some(ID));
    tenant.status = Some(TenantStatus {
        id: Some(ID.into()),
        ..TenantStatus::default()
    });
    assert_eq!(id(&tenant, None, &[]).as_deref(), Some(ID), "and kept for good");
}

#[test]
fn what_it_last_amounted_to_stands_while_the_spec_makes_no_sense() {
    let mut tenant = tenant(json!({}));
    let good = reported(&complete(), Some(&valid()));
    assert_eq!(good.effective.as_ref().expect("effective").workloads, ["web"]);
    tenant.status = Some(good.clone());
    let verdict = ReconcileOutcome::Stalled {
        reason: reason::INVALID_SPEC,
        message: "x".into(),
    };
    let bad = status(
        &tenant,
        &verdict,
        None,
        observed(&["acme"], Usage::default()),
        at("11:00:00"),
    );
    assert_eq!(bad.effective, good.effective);
}

fn usage_of(cpu: &str, pods: i64, observed_at: &str) -> Usage {
    Usage {
        cpu: Some(cpu.into()),
        pods: Some(pods),
        observed_at: Some(at(observed_at).to_string()),
        ..Usage::default()
    }
}

#[test]
fn usage_alone_is_written_rarely() {
    let with = |usage: Option<Usage>| TenantStatus {
        usage,
        ..TenantStatus::default()
    };
    let old = with(Some(usage_of("1", 100, "10:00:00")));
    for (case, new, now, worth) in [
        ("the same", usage_of("1", 100, "10:05:00"), "10:05:00", false),
        ("moved too soon", usage_of("2", 200, "10:04:59"), "10:04:59", false),
        ("moved", usage_of("2", 100, "10:05:00"), "10:05:00", true),
        ("moved by 5 %", usage_of("1", 105, "10:05:00"), "10:05:00", false),
        ("moved by more", usage_of("1", 106, "10:05:00"), "10:05:00", true),
        ("less", usage_of("1", 90, "10:05:00"), "10:05:00", true),
        ("to nothing", usage_of("0", 0, "12:00:00"), "12:00:00", true),
        (
            "the other way to write it",
            usage_of("1000m", 100, "12:00:00"),
            "12:00:00",
            false,
        ),
        (
            "a clock that was wrong",
            usage_of("2", 100, "09:00:00"),
            "09:00:00",
            true,
        ),
    ] {
        assert_eq!(is_worth_writing(Some(&old), &with(Some(new)), at(now)), worth, "{case}");
    }
    let first = with(Some(usage_of("0", 0, "10:00:00")));
    assert!(
        is_worth_writing(Some(&with(None)), &first, at("10:00:00")),
        "the first figures"
    );
    assert!(is_worth_writing(None, &first, at("10:00:00")));
    assert!(!is_worth_writing(Some(&with(None)), &with(None), at("10:00:00")));
    let from_nothing = with(Some(usage_of("0", 0, "10:00:00")));
    let risen = with(Some(usage_of("1m", 0, "10:05:00")));
    assert!(is_worth_writing(Some(&from_nothing), &risen, at("10:05:00")));
}

#[test]
fn what_passes_through_the_gateway_is_usage_too() {
    let usage = |requests: Option<i64>, observed_at: &str| Usage {
        gateway: requests.map(|requests| GatewayUsage {
            requests,
            ..GatewayUsage::default()
        }),
        ..usage_of("1", 1, observed_at)
    };
    let used = |usage: Usage| TenantStatus {
        usage: Some(usage),
        ..TenantStatus::default()
    };
    for (case, before, after, now, worth) in [
        ("known at last", None, Some(0), "10:00:01", true),
        ("too soon", Some(100), Some(500), "10:04:59", false),
        ("moved", Some(100), Some(500), "10:05:00", true),
        ("hardly moved", Some(100), Some(103), "10:05:00", false),
        ("none any more", Some(100), Some(0), "10:05:00", true),
    ] {
        let (before, after) = (used(usage(before, "10:00:00")), used(usage(after, now)));
        assert_eq!(is_worth_writing(Some(&before), &after, at(now)), worth, "{case}");
    }

    // A process that does not know yet leaves what the one before it told; and whoever nothing leads to has none.
    let result_of = |valid: &ValidTenant, new: Option<i64>| {
        let mut tenant = tenant(json!({}));
        tenant.status = Some(used(usage(Some(7), "10:00:00")));
        let verdict = complete();
        let new = usage(new, "10:01:00");
        let now = status(&tenant, &verdict, Some(valid), observed(&["acme"], new), at("10:01:00"));
        now.usage
            .and_then(|usage| usage.gateway)
            .map(|gateway| gateway.requests)
    };
    let led_to = with(valid(), crate::gateway::ValidGateway::default());
    assert_eq!(result_of(&led_to, None), Some(7));
    assert_eq!(result_of(&led_to, Some(9)), Some(9));
    assert_eq!(result_of(&valid(), Some(9)), None);
}

#[test]
fn anything_else_that_changed_is_written_at_once() {
    let (valid, tenant) = (valid(), tenant(json!({})));
    let report = |verdict: &ReconcileOutcome, namespaces: &[&str], now: &str| {
        status(
            &tenant,
            verdict,
            Some(&valid),
            observed(namespaces, usage_of("1", 1, now)),
            at(now),
        )
    };
    let complete = complete();
    let old = report(&complete, &["acme"], "10:00:00");
    let mut again = tenant.clone();
    again.status = Some(old.clone());
    let same = status(
        &again,
        &complete,
        Some(&valid),
        observed(&["acme"], usage_of("1", 1, "10:00:01")),
        at("10:00:01"),
    );
    assert!(
        !is_worth_writing(Some(&old), &same, at("10:00:01")),
        "quiet when nothing changes"
    );
    for new in [
        report(&unavailable(false), &["acme"], "10:00:01"),
        report(&complete, &["acme", "acme-b"], "10:00:01"),
    ] {
        assert!(is_worth_writing(Some(&old), &new, at("10:00:01")));
    }
    again.metadata.generation = Some(2);
    let newer = status(
        &again,
        &complete,
        Some(&valid),
        observed(&["acme"], usage_of("1", 1, "10:00:01")),
        at("10:00:01"),
    );
    assert!(
        is_worth_writing(Some(&old), &newer, at("10:00:01")),
        "another generation"
    );
}

fn live(kind: Kind, name: &str, value: Value) -> Live {
    let key = Key {
        kind,
        namespace: "acme".into(),
        name: name.into(),
    };
    Live {
        key,
        uid: "u".into(),
        resource_version: "1".into(),
        value,
    }
}

#[test]
fn usage_is_what_the_quotas_say() {
    let quota = |used: Value| live(Kind::ResourceQuota, "tenant", json!({"status": {"used": used}}));
    let quotas = [
        quota(json!({"requests.cpu": "1500m", "requests.memory": "1Gi", "pods": "3"})),
        quota(json!({"requests.cpu": "500m", "requests.memory": "1Gi", "pods": "4", "limits.cpu": "9"})),
        quota(json!({"requests.cpu": "broken"})),
        live(Kind::ConfigMap, "tenant", json!({"status": {"used": {"pods": "100"}}})),
    ];
    let usage = usage(quotas.iter(), at("10:00:00.9"));
    let expected = Usage {
        cpu: Some("2".into()),
        memory: Some("2Gi".into()),
        pods: Some(7),
        storage: None,
        database: None,
        gateway: None,
        observed_at: Some("2026-01-01T10:00:00Z".into()),
    };
    assert_eq!(usage, expected);
}

#[test]
fn namespaces_are_those_that_exist_and_are_not_left_behind() {
    let namespace = |name: &str, labels: Value| live(Kind::Namespace, name, json!({"metadata": {"labels": labels}}));
    let objects = [
        namespace("acme-b", json!({})),
        namespace("acme", json!({})),
        namespace("acme-left", json!({names::RETAINED: "true"})),
        namespace("aaa", json!({})),
        live(Kind::ConfigMap, "acme-c", json!({})),
    ];
    assert_eq!(existing_namespaces("acme", objects.iter()), ["acme", "aaa", "acme-b"]);
}

#[test]
fn the_largest_status_fits_many_times_over() {
    let label = |prefix: &str, i: usize| format!("{prefix}{i:0>50}");
    let mut tenant = tenant(json!({}));
    tenant.metadata.generation = Some(i64::MAX);
    let mut valid = valid();
    valid.core.owner = Identity {
        tenant: "a".repeat(53),
        id: ID.into(),
    };
    valid.core.workloads = (0..64)
        .map(|i| crate::api::Workload {
            name: label("w", i),
            ..Default::default()
        })
        .collect();
    valid.core.network.peers = (0..64)
        .map(|i| crate::capability::Peering {
            name: label("p", i),
            state: crate::api::PeerState::Pending,
            namespaces: (0..33).map(|j| label("n", j)).collect(),
        })
        .collect();
    valid.core.quota = (0..128)
        .map(|i| {
            (
                label("q", i),
                k8s_openapi::apimachinery::pkg::api::resource::Quantity("9".repeat(32)),
            )
        })
        .collect();
    let namespaces: Vec<String> = (0..33).map(|i| label("n", i)).collect();
    let namespaces: Vec<&str> = namespaces.iter().map(String::as_str).collect();
    let verdict = ReconcileOutcome::Stalled {
        reason: reason::INVALID_SPEC,
        message: "x".repeat(1_000_000),
    };
    let status = status(
        &tenant,
        &verdict,
        Some(&valid),
        observed(&namespaces, Usage::default()),
        at("10:00:00"),
    );
    let size = serde_json::to_vec(&status).expect("JSON").len();
    assert!(size < 32 * 1024, "{size} bytes");
}

#[test]
fn the_view_is_marked_and_shows_no_more_than_the_status() {
    let (valid, tenant) = (valid(), tenant(json!({"displayName": "Acme"})));
    let status = reported(&complete(), Some(&valid));
    let view = view(&tenant, &status);
    let object = view_object(&valid.core.owner, &view);
    assert_eq!(object.key.to_string(), "TenantView acme/acme");
    assert_eq!(object.value["metadata"]["labels"][names::TENANT_ID], ID);
    assert_eq!(object.value["status"]["displayName"], "Acme");
    assert_eq!(object.value.get("spec"), None);
    assert_eq!(
        (view.tier.as_str(), view.display_name.as_deref()),
        ("plan", Some("Acme"))
    );
    assert_eq!(
        (view.conditions, view.effective, view.usage),
        (status.conditions, status.effective, status.usage)
    );
}

#[test]
fn the_digest_is_that_of_the_merged_configuration() {
    let digest = |own: Value, of_tier: Value| {
        effective(&acme(json!({"configuration": own}), json!({"configuration": of_tier}))).configuration_digest
    };
    // printf '{"a":1,"b":2}' | sha256sum
    let expected = "sha256:43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777";
    assert_eq!(digest(json!({"b": 2}), json!({"a": 1})).as_deref(), Some(expected));
    assert_eq!(digest(json!({"b": 2, "a": 1}), Value::Null).as_deref(), Some(expected));
    assert_eq!(digest(json!({"a": null}), json!({"a": 1})), None);
}
