//! Conditions by kstatus' rules, when a status is written, and how large it can get.

use super::*;
use crate::api::{EncryptionKeyStatus, GatewayUsage};
use crate::capability::{Note, Quarantine};
use crate::cluster::{Identity, Key};
use crate::conditions::MAX_MESSAGE;
use crate::tenant::fixtures::{ID, acme, tenant};
use crate::tenant::workload::Unavailable;
use serde_json::json;

fn at(time: &str) -> Timestamp {
    format!("2026-01-01T{time}Z").parse().expect("a time")
}

fn valid() -> ValidTenant {
    acme(json!({"workloads": [{"name": "web", "image": "web:1"}]}), json!({}))
}

fn unavailable(stuck: bool) -> ReconcileOutcome {
    let message = "1 of 3 pods are available".to_string();
    ReconcileOutcome::Planned(Progress::Workloads(Unavailable {
        workload: "web".into(),
        message,
        stuck,
    }))
}

fn reported(verdict: &ReconcileOutcome, valid: Option<&ValidTenant>) -> TenantStatus {
    let mut tenant = tenant(json!({}));
    tenant.metadata.generation = Some(4);
    status(
        &tenant,
        verdict,
        valid,
        Seen::default(),
        vec!["acme".into()],
        Usage::default(),
        at("10:00:00"),
    )
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

#[test]
fn namespaces_that_answer_for_others_hosts_are_told_of() {
    let mut valid = valid();
    valid.captures = vec!["namespace com is kept".into()];
    for verdict in all_verdicts() {
        let status = reported(&verdict, Some(&valid));
        let namespaces = condition_of(&status, kind::NAMESPACES_READY);
        if namespaces.status == "True" {
            assert_eq!(
                (namespaces.reason.as_str(), namespaces.message.as_str()),
                (reason::CAPTURES_NAMES, "namespace com is kept")
            );
        }
    }
    let status = reported(&ReconcileOutcome::Planned(Progress::Complete), Some(&valid));
    assert_eq!(said(&status, kind::NAMESPACES_READY), ("True", reason::CAPTURES_NAMES));
    assert_eq!(said(&status, kind::READY), ("True", reason::READY), "all else goes on");
}

fn condition_of<'a>(
    status: &'a TenantStatus,
    kind: &str,
) -> &'a k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind);
    found.expect(kind)
}

fn all_verdicts() -> Vec<ReconcileOutcome> {
    vec![
        ReconcileOutcome::Planned(Progress::Complete),
        ReconcileOutcome::Planned(Progress::Namespaces("the quota is not enforced yet".into())),
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
            message: "3 pods have to end".into(),
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
            ReconcileOutcome::Planned(Progress::Complete),
            some,
            ["True Ready", "False Idle", "False Idle", "True Ready", "True Ready"],
        ),
        (
            ReconcileOutcome::Planned(Progress::Namespaces("x".into())),
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
                "True Progressing",
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
                "True DrainBlocked",
                "False Idle",
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
        conditions(&ReconcileOutcome::Planned(Progress::Complete), Some(&suspended)),
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
        conditions(&ReconcileOutcome::Planned(Progress::Complete), Some(&quarantined)),
        [
            "False Quarantined",
            "False Idle",
            "True Quarantined",
            "True Ready",
            "Unknown Quarantined"
        ]
    );
    let mut idle = valid.clone();
    idle.workloads.clear();
    assert_eq!(
        conditions(&ReconcileOutcome::Planned(Progress::Complete), Some(&idle))[4],
        "True NoWorkloads"
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
            verdict.is_passing() || !reconciling,
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
            Seen::default(),
            vec!["acme".into()],
            Usage::default(),
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
    let first = report(
        &ReconcileOutcome::Planned(Progress::Namespaces("x".into())),
        "10:00:00.7",
    );
    assert_eq!(time(&first, kind::READY), Some(at("10:00:00")), "whole seconds");
    let second = report(&unavailable(false), "10:00:05");
    assert_eq!(
        time(&second, kind::READY),
        Some(at("10:00:00")),
        "another reason is no transition"
    );
    assert_eq!(time(&second, kind::NAMESPACES_READY), Some(at("10:00:05")));
    let third = report(&ReconcileOutcome::Planned(Progress::Complete), "10:00:09");
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
        let namespaces = namespaces.iter().map(ToString::to_string).collect();
        status(
            tenant,
            &ReconcileOutcome::Planned(Progress::Complete),
            of,
            Seen::default(),
            namespaces,
            Usage::default(),
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
    let good = reported(&ReconcileOutcome::Planned(Progress::Complete), Some(&valid()));
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
        Seen::default(),
        vec!["acme".into()],
        Usage::default(),
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
    let with = |usage: Usage| TenantStatus {
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
        let (before, after) = (with(usage(before, "10:00:00")), with(usage(after, now)));
        assert_eq!(is_worth_writing(Some(&before), &after, at(now)), worth, "{case}");
    }

    // A process that does not know yet leaves what the one before it told; and whoever nothing leads to has none.
    let told = |valid: &ValidTenant, new: Option<i64>| {
        let mut tenant = tenant(json!({}));
        tenant.status = Some(with(usage(Some(7), "10:00:00")));
        let verdict = ReconcileOutcome::Planned(Progress::Complete);
        let new = usage(new, "10:01:00");
        let now = status(
            &tenant,
            &verdict,
            Some(valid),
            Seen::default(),
            vec!["acme".into()],
            new,
            at("10:01:00"),
        );
        now.usage
            .and_then(|usage| usage.gateway)
            .map(|gateway| gateway.requests)
    };
    let led_to = ValidTenant {
        gateway: Some(crate::gateway::config::ValidGateway::default()),
        ..valid()
    };
    assert_eq!(told(&led_to, None), Some(7));
    assert_eq!(told(&led_to, Some(9)), Some(9));
    assert_eq!(told(&valid(), Some(9)), None);
}

#[test]
fn anything_else_that_changed_is_written_at_once() {
    let (valid, tenant) = (valid(), tenant(json!({})));
    let report = |verdict: &ReconcileOutcome, namespaces: &[&str], now: &str| {
        let namespaces = namespaces.iter().map(ToString::to_string).collect();
        status(
            &tenant,
            verdict,
            Some(&valid),
            Seen::default(),
            namespaces,
            usage_of("1", 1, now),
            at(now),
        )
    };
    let complete = ReconcileOutcome::Planned(Progress::Complete);
    let old = report(&complete, &["acme"], "10:00:00");
    let mut again = tenant.clone();
    again.status = Some(old.clone());
    let same = status(
        &again,
        &complete,
        Some(&valid),
        Seen::default(),
        vec!["acme".into()],
        usage_of("1", 1, "10:00:01"),
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
        Seen::default(),
        vec!["acme".into()],
        usage_of("1", 1, "10:00:01"),
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
    valid.workloads = (0..64)
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
    valid.quota = (0..128)
        .map(|i| {
            (
                label("q", i),
                k8s_openapi::apimachinery::pkg::api::resource::Quantity("9".repeat(32)),
            )
        })
        .collect();
    let namespaces = (0..33).map(|i| label("n", i)).collect();
    let verdict = ReconcileOutcome::Stalled {
        reason: reason::INVALID_SPEC,
        message: "x".repeat(1_000_000),
    };
    let status = status(
        &tenant,
        &verdict,
        Some(&valid),
        Seen::default(),
        namespaces,
        Usage::default(),
        at("10:00:00"),
    );
    let size = serde_json::to_vec(&status).expect("JSON").len();
    assert!(size < 32 * 1024, "{size} bytes");
}

#[test]
fn the_view_is_marked_and_shows_no_more_than_the_status() {
    let (valid, tenant) = (valid(), tenant(json!({"displayName": "Acme"})));
    let status = reported(&ReconcileOutcome::Planned(Progress::Complete), Some(&valid));
    let view = view_object(&valid.core.owner, view(&tenant, &status));
    assert_eq!(
        (view.metadata.name.as_deref(), view.metadata.namespace.as_deref()),
        (Some("acme"), Some("acme"))
    );
    assert_eq!(view.metadata.labels.expect("labels")[names::TENANT_ID], ID);
    assert_eq!(
        (view.spec.tier.as_str(), view.spec.display_name.as_deref()),
        ("plan", Some("Acme"))
    );
    assert_eq!(
        (view.spec.conditions, view.spec.effective, view.spec.usage),
        (status.conditions, status.effective, status.usage)
    );
}

mod database {
    use super::*;
    use crate::api::{DatabaseStatus, DatabaseUsage};
    use crate::database::pass::Outcome;

    fn with_database(suspend: bool) -> ValidTenant {
        let spec = json!({"database": {}, "suspend": suspend, "workloads": [{"name": "web", "image": "web:1"}]});
        acme(spec, json!({}))
    }

    fn outcome(problem: Option<(&'static str, bool)>) -> Outcome {
        Outcome {
            status: DatabaseStatus {
                server: "pg-1".into(),
                model: "Schema".into(),
                ..DatabaseStatus::default()
            },
            usage: Some(DatabaseUsage {
                bytes: Some(1),
                connections: Some(2),
            }),
            state: match problem {
                None => State::Ready(None),
                Some((reason, true)) => State::Stalled(Note::new(reason, "it is so")),
                Some((reason, false)) => State::Progressing(Note::new(reason, "it is so")),
            },
            ..Outcome::default()
        }
    }

    fn reported(verdict: &ReconcileOutcome, valid: &ValidTenant, data: Option<&Outcome>) -> TenantStatus {
        let namespaces = vec!["acme".into()];
        let usage = Usage::default();
        status(
            &tenant(json!({})),
            verdict,
            Some(valid),
            Seen {
                database: data,
                ..Seen::default()
            },
            namespaces,
            usage,
            at("10:00:00"),
        )
    }

    #[test]
    fn readiness_follows_the_database() {
        let valid = with_database(false);
        let good = reported(
            &ReconcileOutcome::Planned(Progress::Complete),
            &valid,
            Some(&outcome(None)),
        );
        assert_eq!(said(&good, kind::DATABASE_READY), ("True", reason::READY));
        assert_eq!(good.database.as_ref().expect("a place").server, "pg-1");
        assert_eq!(
            good.usage.expect("usage").database.expect("of the database").bytes,
            Some(1)
        );

        let data = outcome(Some(("ServerUnreachable", false)));
        let away = ReconcileOutcome::Planned(Progress::Part {
            capability: &crate::database::CAPABILITY,
            state: data.state.clone(),
            unseen: None,
        });
        let status = reported(&away, &valid, Some(&data));
        assert_eq!(said(&status, kind::READY), ("False", reason::DATABASE_NOT_READY));
        assert_eq!(said(&status, kind::DATABASE_READY), ("False", "ServerUnreachable"));
        assert_eq!(said(&status, kind::RECONCILING).0, "True");
        assert_eq!(said(&status, kind::STALLED).0, "False");
        assert_eq!(said(&status, kind::WORKLOADS_AVAILABLE).0, "True", "they run on");
    }

    #[test]
    fn what_somebody_must_mend_is_stalled() {
        let (valid, data) = (with_database(false), outcome(Some(("NoServer", true))));
        let verdict = ReconcileOutcome::Planned(Progress::Part {
            capability: &crate::database::CAPABILITY,
            state: data.state.clone(),
            unseen: Some(Note::new(reason::PROGRESSING, "they come later")),
        });
        let status = reported(&verdict, &valid, Some(&data));
        assert_eq!(said(&status, kind::STALLED), ("True", reason::DATABASE_NOT_READY));
        assert_eq!(said(&status, kind::WORKLOADS_AVAILABLE).0, "Unknown");
    }

    #[test]
    fn other_troubles_do_not_hide_the_database() {
        let (valid, data) = (with_database(false), outcome(Some(("ServerUnreachable", false))));
        let status = reported(&unavailable(true), &valid, Some(&data));
        assert_eq!(said(&status, kind::READY), ("False", reason::WORKLOADS_UNAVAILABLE));
        assert_eq!(said(&status, kind::DATABASE_READY), ("False", "ServerUnreachable"));
    }

    #[test]
    fn the_suspended_are_let_in_nowhere() {
        let valid = with_database(true);
        let status = reported(
            &ReconcileOutcome::Planned(Progress::Complete),
            &valid,
            Some(&outcome(None)),
        );
        assert_eq!(said(&status, kind::DATABASE_READY), ("False", reason::SUSPENDED));
        assert_eq!(said(&status, kind::READY), ("True", reason::SUSPENDED));
    }

    #[test]
    fn who_has_none_hears_nothing_of_it() {
        let status = reported(&ReconcileOutcome::Planned(Progress::Complete), &super::valid(), None);
        assert!(
            status
                .conditions
                .iter()
                .all(|condition| condition.type_ != kind::DATABASE_READY)
        );
        assert_eq!(status.database, None);
    }
}

#[test]
fn keys_of_its_own_are_told_of_by_their_ids_and_a_loss_by_a_condition() {
    let valid = acme(json!({"credentials": {"encryptionKey": {}}}), json!({}));
    let told = |credentials: Option<&OwnKeys>, progress: Progress, before: Option<TenantStatus>| {
        let mut tenant = tenant(json!({}));
        tenant.status = before;
        let seen = Seen {
            credentials,
            ..Seen::default()
        };
        let verdict = ReconcileOutcome::Planned(progress);
        status(
            &tenant,
            &verdict,
            Some(&valid),
            seen,
            vec!["acme".into()],
            Usage::default(),
            at("10:00:00"),
        )
    };
    let mut keys = OwnKeys::default();
    keys.status.encryption_key = Some(EncryptionKeyStatus {
        key_id: "1f".into(),
        key_ids: vec!["1f".into()],
        ..EncryptionKeyStatus::default()
    });
    let good = told(Some(&keys), Progress::Complete, None);
    assert_eq!(good.credentials, Some(keys.status.clone()));
    assert_eq!(said(&good, kind::CREDENTIALS_READY), ("True", reason::READY));
    let unseen = told(None, Progress::Namespaces("wait".into()), Some(good.clone()));
    assert_eq!(
        unseen.credentials, good.credentials,
        "what is known of keys is not forgotten by the way"
    );

    keys.state.remark(Note::new("RotationStopped", "there are 64"));
    let full = told(Some(&keys), Progress::Complete, None);
    assert_eq!(said(&full, kind::CREDENTIALS_READY), ("True", "RotationStopped"));
    keys.state = State::Stalled(Note::new("EncryptionKeyLost", "1f"));
    let lost = told(
        Some(&keys),
        Progress::Part {
            capability: &credentials::CAPABILITY,
            state: keys.state.clone(),
            unseen: None,
        },
        Some(good.clone()),
    );
    assert_eq!(said(&lost, kind::CREDENTIALS_READY), ("False", "EncryptionKeyLost"));
    assert_eq!(said(&lost, kind::READY), ("False", reason::CREDENTIALS_NOT_READY));
    assert_eq!(said(&lost, kind::STALLED), ("True", reason::CREDENTIALS_NOT_READY));
    assert_eq!(lost.credentials, good.credentials, "or the loss would be forgotten");
    let none = told(Some(&OwnKeys::default()), Progress::Complete, Some(good));
    assert_eq!(none.credentials, None);
}
