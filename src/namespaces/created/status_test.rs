//! The status of a TenantNamespace by kstatus' rules.

use super::*;
use crate::api::TenantNamespaceSpec;

fn object(generation: i64, status: Option<TenantNamespaceStatus>) -> TenantNamespace {
    let mut object = TenantNamespace::new("a", TenantNamespaceSpec::default());
    object.metadata.generation = Some(generation);
    object.status = status;
    object
}

fn now(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn words(status: &TenantNamespaceStatus) -> Vec<String> {
    let conditions = status.conditions.iter();
    conditions
        .map(|one| format!("{}={} {}", one.type_, one.status, one.reason))
        .collect()
}

#[test]
fn each_state_has_its_conditions() {
    let note = |reason| Note::new(reason, "the message");
    for (state, expected) in [
        (
            State::default(),
            ["Ready=True Ready", "Reconciling=False Idle", "Stalled=False Idle"],
        ),
        (
            State::Progressing(note(reason::TERMINATING)),
            [
                "Ready=False Terminating",
                "Reconciling=True Terminating",
                "Stalled=False Idle",
            ],
        ),
        (
            State::Stalled(note(reason::NAME_TAKEN)),
            [
                "Ready=False NameTaken",
                "Reconciling=False Idle",
                "Stalled=True NameTaken",
            ],
        ),
    ] {
        let observed = Observed {
            namespace: Some("acme-a".into()),
            state,
        };
        let status = status(&object(3, None), &observed, now("2026-01-01T10:00:00Z"));
        assert_eq!(words(&status), expected);
        assert_eq!(status.observed_generation, Some(3));
        assert_eq!(status.namespace.as_deref(), Some("acme-a"));
    }
}

#[test]
fn a_status_that_says_the_same_later_is_the_same() {
    let observed = Observed {
        namespace: Some("acme-a".into()),
        state: State::default(),
    };
    let first = status(&object(1, None), &observed, now("2026-01-01T10:00:00Z"));
    let again = status(&object(1, Some(first.clone())), &observed, now("2026-01-01T11:00:00Z"));
    assert_eq!(first, again);
}

#[test]
fn what_was_said_of_a_spec_stands_until_that_changes() {
    let said = |generation| {
        Some(TenantNamespaceStatus {
            observed_generation: Some(generation),
            ..TenantNamespaceStatus::default()
        })
    };
    assert!(is_current(&object(2, said(2))));
    assert!(!is_current(&object(2, said(1))));
    assert!(!is_current(&object(1, None)));
    let mut deleted = object(2, said(2));
    deleted.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now(
        "2026-01-01T10:00:00Z",
    )));
    assert!(!is_current(&deleted));
}
