//! The database in a tenant's status.

use super::*;
use crate::api::{DatabaseStatus, DatabaseUsage};
use crate::capability::{ReconcileOutcome, Reports};
use crate::tenant::fixtures::{acme, all_capabilities, tenant};
use crate::tenant::status::{Observed, status};
use serde_json::json;

fn with_database(suspend: bool) -> ValidTenant {
    let spec = json!({"database": {}, "suspend": suspend, "workloads": [{"name": "web", "image": "web:1"}]});
    acme(spec, json!({}))
}

fn outcome(problem: Option<(&'static str, bool)>) -> AppliedDatabase {
    AppliedDatabase {
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
        ..AppliedDatabase::default()
    }
}

/// The status where the other capabilities have these problems, if any.
fn status_of(
    valid: &ValidTenant,
    data: Option<AppliedDatabase>,
    problem: Option<(&str, State)>,
    gate: Option<Gate>,
) -> TenantStatus {
    let all = all_capabilities();
    let description = |condition: &str| {
        let found = all.iter().find(|one| one.description().condition == condition);
        found.expect(condition).description()
    };
    let others = [kind::NAMESPACES_READY, kind::WORKLOADS_AVAILABLE].map(|condition| {
        let state = problem
            .clone()
            .filter(|(of, _)| *of == condition)
            .map(|(_, state)| state);
        Report::new(description(condition), state.unwrap_or_default())
    });
    let held_back = |report: &Report| gate.is_some_and(|gate| report.description.stage >= gate.stage);
    let others = others.into_iter().filter(|report| !held_back(report));
    let data = data.map(|data| Report { gate, ..report(data) });
    let reports = Reports {
        all: others.chain(data).collect(),
    };
    let observed = Observed {
        namespaces: vec!["acme".into()],
        ..Observed::default()
    };
    let now = "2026-01-01T10:00:00Z".parse().expect("a time");
    status(
        &all,
        &tenant(json!({})),
        &ReconcileOutcome::Planned(reports),
        Some(valid),
        observed,
        now,
    )
}

/// Status and reason of a condition.
fn said<'a>(status: &'a TenantStatus, kind: &str) -> (&'a str, &'a str) {
    let mut conditions = status.conditions.iter();
    let condition = conditions.find(|condition| condition.type_ == kind).expect(kind);
    (&condition.status, &condition.reason)
}

#[test]
fn readiness_follows_the_database() {
    let valid = with_database(false);
    let good = status_of(&valid, Some(outcome(None)), None, None);
    assert_eq!(said(&good, kind::DATABASE_READY), ("True", reason::READY));
    assert_eq!(good.database.as_ref().expect("a place").server, "pg-1");
    assert_eq!(
        good.usage.expect("usage").database.expect("of the database").bytes,
        Some(1)
    );

    let data = outcome(Some(("ServerUnreachable", false)));
    let status = status_of(&valid, Some(data), None, None);
    assert_eq!(said(&status, kind::READY), ("False", reason::DATABASE_NOT_READY));
    assert_eq!(said(&status, kind::DATABASE_READY), ("False", "ServerUnreachable"));
    assert_eq!(said(&status, kind::RECONCILING).0, "True");
    assert_eq!(said(&status, kind::STALLED).0, "False");
    assert_eq!(said(&status, kind::WORKLOADS_AVAILABLE).0, "True", "they run on");
}

#[test]
fn what_somebody_must_mend_is_stalled() {
    let (valid, data) = (with_database(false), outcome(Some(("NoServer", true))));
    let gate = Gate {
        stage: Stage::Workloads,
        why: "they come later",
    };
    let status = status_of(&valid, Some(data), None, Some(gate));
    assert_eq!(said(&status, kind::STALLED), ("True", reason::DATABASE_NOT_READY));
    assert_eq!(said(&status, kind::WORKLOADS_AVAILABLE).0, "Unknown");
}

#[test]
fn other_troubles_do_not_hide_the_database() {
    let (valid, data) = (with_database(false), outcome(Some(("ServerUnreachable", false))));
    let stuck = State::Stalled(Note::new(reason::WORKLOADS_UNAVAILABLE, "1 of 3 pods are available"));
    let status = status_of(&valid, Some(data), Some((kind::WORKLOADS_AVAILABLE, stuck)), None);
    assert_eq!(said(&status, kind::READY), ("False", reason::WORKLOADS_UNAVAILABLE));
    assert_eq!(said(&status, kind::DATABASE_READY), ("False", "ServerUnreachable"));
}

#[test]
fn the_suspended_are_let_in_nowhere() {
    let valid = with_database(true);
    let status = status_of(&valid, Some(outcome(None)), None, None);
    assert_eq!(said(&status, kind::DATABASE_READY), ("False", reason::SUSPENDED));
    assert_eq!(said(&status, kind::READY), ("True", reason::SUSPENDED));
}

#[test]
fn who_has_none_hears_nothing_of_it() {
    let status = status_of(&acme(json!({}), json!({})), None, None, None);
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.type_ != kind::DATABASE_READY)
    );
    assert_eq!(status.database, None);
}
