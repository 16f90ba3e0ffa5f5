//! A tenant's own keys in its status.

use super::*;
use crate::api::EncryptionKeyStatus;
use crate::capability::{Note, ReconcileOutcome, Reports, State};
use crate::tenant::fixtures::{acme, all_capabilities, tenant};
use crate::tenant::status::{Observed, status};
use serde_json::json;

#[test]
fn keys_of_its_own_are_told_of_by_their_ids_and_a_loss_by_a_condition() {
    let valid = acme(json!({"credentials": {"encryptionKey": {}}}), json!({}));
    let status_of = |keys: Option<&AppliedKeys>, before: Option<TenantStatus>| {
        let mut tenant = tenant(json!({}));
        tenant.status = before;
        let reports = Reports {
            all: keys.cloned().map(report).into_iter().collect(),
        };
        let observed = Observed {
            namespaces: vec!["acme".into()],
            ..Observed::default()
        };
        let now = "2026-01-01T10:00:00Z".parse().expect("a time");
        let outcome = ReconcileOutcome::Planned(reports);
        status(&all_capabilities(), &tenant, &outcome, Some(&valid), observed, now)
    };
    let said = |status: &TenantStatus, kind: &str| {
        let mut conditions = status.conditions.iter();
        let condition = conditions.find(|condition| condition.type_ == kind).expect(kind);
        (condition.status.clone(), condition.reason.clone())
    };
    let is = |status: &str, reason: &str| (status.to_string(), reason.to_string());
    let mut keys = AppliedKeys::default();
    keys.status.encryption_key = Some(EncryptionKeyStatus {
        key_id: "1f".into(),
        key_ids: vec!["1f".into()],
        ..EncryptionKeyStatus::default()
    });
    let good = status_of(Some(&keys), None);
    assert_eq!(good.credentials, Some(keys.status.clone()));
    assert_eq!(said(&good, kind::CREDENTIALS_READY), is("True", reason::READY));
    let unseen = status_of(None, Some(good.clone()));
    assert_eq!(
        unseen.credentials, good.credentials,
        "what is known of keys is not forgotten by the way"
    );

    keys.state.remark(Note::new("RotationStopped", "there are 64"));
    let full = status_of(Some(&keys), None);
    assert_eq!(said(&full, kind::CREDENTIALS_READY), is("True", "RotationStopped"));
    keys.state = State::Stalled(Note::new("EncryptionKeyLost", "1f"));
    let lost = status_of(Some(&keys), Some(good.clone()));
    assert_eq!(said(&lost, kind::CREDENTIALS_READY), is("False", "EncryptionKeyLost"));
    assert_eq!(said(&lost, kind::READY), is("False", reason::CREDENTIALS_NOT_READY));
    assert_eq!(said(&lost, kind::STALLED), is("True", reason::CREDENTIALS_NOT_READY));
    assert_eq!(lost.credentials, good.credentials, "or the loss would be forgotten");
    let none = status_of(Some(&AppliedKeys::default()), Some(good));
    assert_eq!(none.credentials, None);
}
