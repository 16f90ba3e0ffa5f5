//! When a tenant is cut off, and when it comes back.

use super::*;
use crate::api::{IsolationStatus, IsolationViolation};
use crate::tenant::fixtures::tier;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};

fn at(time: &str) -> Timestamp {
    format!("2026-01-01T{time}Z").parse().expect("a time")
}

/// A status of a tenant whose isolation has been so since noon.
fn found(status: &str, violations: &[(&str, Option<(Direction, Opener)>)]) -> TenantStatus {
    let violation = |(severity, way): &(&str, Option<(Direction, Opener)>)| IsolationViolation {
        severity: severity.to_string(),
        direction: way.map(|(direction, _)| direction),
        opened_by: way.map(|(_, opener)| opener),
        ..IsolationViolation::default()
    };
    TenantStatus {
        conditions: vec![Condition {
            type_: kind::ISOLATED.into(),
            status: status.into(),
            reason: "Any".into(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: Time(at("12:00:00")),
        }],
        isolation: Some(IsolationStatus {
            violations: violations.iter().map(violation).collect(),
            ..IsolationStatus::default()
        }),
        ..TenantStatus::default()
    }
}

fn strict(period: Option<&str>) -> TenantTier {
    let mut isolation = json!({"onViolation": "Quarantine"});
    if let Some(period) = period {
        isolation["quarantinePeriod"] = json!(period);
    }
    tier(json!({"isolation": isolation}))
}

const OUTWARD: (&str, Option<(Direction, Opener)>) = ("Critical", Some((Direction::Outward, Opener::Platform)));

#[test]
fn only_a_tenant_that_reaches_another_is_cut_off_and_only_where_its_tier_says_so() {
    let reaches = found("False", &[OUTWARD]);
    let cases: [(Value, &TenantStatus, bool); 8] = [
        (json!({"onViolation": "Quarantine"}), &reaches, true),
        (json!({"onViolation": "Report"}), &reaches, false),
        (json!({}), &reaches, false),
        // It is reached; a wall of several is down; nobody says who.
        (
            json!({"onViolation": "Quarantine"}),
            &found("False", &[("Critical", Some((Direction::Inward, Opener::Platform)))]),
            false,
        ),
        (
            json!({"onViolation": "Quarantine"}),
            &found("False", &[("High", Some((Direction::Outward, Opener::Platform)))]),
            false,
        ),
        (
            json!({"onViolation": "Quarantine"}),
            &found("False", &[("Critical", None)]),
            false,
        ),
        // Another tenant can have given it.
        (
            json!({"onViolation": "Quarantine"}),
            &found(
                "False",
                &[("Critical", Some((Direction::Outward, Opener::Counterpart)))],
            ),
            false,
        ),
        // What was found before could not be tried again.
        (json!({"onViolation": "Quarantine"}), &found("Unknown", &[]), false),
    ];
    for (isolation, status, is_cut_off) in cases {
        let tier = tier(json!({"isolation": isolation}));
        let decided = decide(Some(&tier), Some(status), None, at("13:00:00"));
        let expected = is_cut_off.then(|| Quarantine {
            since: at("13:00:00"),
            until: None,
        });
        assert_eq!(decided, expected, "{isolation} {status:?}");
    }
    assert_eq!(decide(None, Some(&reaches), None, at("13:00:00")), None);
    assert_eq!(decide(Some(&strict(None)), None, None, at("13:00:00")), None);
}

#[test]
fn it_comes_back_when_nothing_was_found_for_as_long_as_its_tier_says() {
    let since = Some(at("11:00:00"));
    let until = |time: &str| {
        Some(Quarantine {
            since: at("11:00:00"),
            until: Some(at(time)),
        })
    };
    for status in ["True", "Unknown"] {
        let clean = found(status, &[]);
        let look = |period, now| decide(Some(&strict(period)), Some(&clean), since, at(now));
        assert_eq!(look(None, "12:09:59"), until("12:10:00"));
        assert_eq!(look(None, "12:10:00"), None);
        assert_eq!(look(Some("1h"), "12:59:59"), until("13:00:00"));
        assert_eq!(look(Some("1h"), "13:00:00"), None);
        assert_eq!(look(Some("0s"), "12:00:00"), None);
    }
    // While something is found there is no end to it.
    let held = decide(
        Some(&strict(None)),
        Some(&found("False", &[OUTWARD])),
        since,
        at("23:00:00"),
    );
    assert_eq!(held.map(|held| (held.since, held.until)), Some((at("11:00:00"), None)));
    // It was found of another, or is said of one wall only.
    let other = found("False", &[("Critical", Some((Direction::Inward, Opener::Platform)))]);
    assert_eq!(decide(Some(&strict(None)), Some(&other), since, at("12:10:00")), None);
}

#[test]
fn another_tier_ends_it_and_no_tier_does_not() {
    let (since, status) = (Some(at("11:59:00")), found("False", &[OUTWARD]));
    let report = tier(json!({}));
    assert_eq!(decide(Some(&report), Some(&status), since, at("12:01:00")), None);
    assert!(decide(None, Some(&status), since, at("12:01:00")).is_some());
    // The status got lost: it counts from the beginning.
    let now = decide(Some(&strict(None)), None, since, at("12:01:00"));
    assert_eq!(now.and_then(|now| now.until), Some(at("12:09:00")));
}
