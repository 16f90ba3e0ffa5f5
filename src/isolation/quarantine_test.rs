//! Begin and end of a quarantine.

use super::*;
use crate::api::{IsolationStatus, IsolationViolation};
use crate::cluster::Live;
use crate::tenant::fixtures::tier;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

type Finding = Option<(Direction, Opener)>;

const OWN: Finding = Some((Direction::Outward, Opener::Platform));

fn at(time: &str) -> Timestamp {
    format!("2026-01-01T{time}Z").parse().expect("a time")
}

fn found(status: &str, message: &str, violations: &[(&str, Finding)]) -> TenantStatus {
    let violation = |(severity, finding): &(&str, Finding)| IsolationViolation {
        check: "network-access".into(),
        severity: severity.to_string(),
        direction: finding.map(|(direction, _)| direction),
        opened_by: finding.map(|(_, opener)| opener),
        ..IsolationViolation::default()
    };
    TenantStatus {
        conditions: vec![Condition {
            type_: kind::ISOLATED.into(),
            status: status.into(),
            reason: "Any".into(),
            message: message.into(),
            observed_generation: None,
            last_transition_time: Time(at("00:00:00")),
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

fn quarantine(clean_since: Option<&str>) -> Quarantine {
    Quarantine {
        since: at("11:00:00"),
        found_by: "network-access".into(),
        clean_since: clean_since.map(at),
    }
}

#[test]
fn only_a_tenant_that_reaches_another_is_cut_off_and_only_where_its_tier_says_so() {
    let inward = Some((Direction::Inward, Opener::Platform));
    let given = Some((Direction::Outward, Opener::Counterpart));
    let reaches = found("False", "", &[("Critical", OWN)]);
    let strict = strict(None);
    for (tier, status, is_cut_off) in [
        (&strict, &reaches, true),
        (
            &strict,
            &found("False", "", &[("Critical", inward), ("Critical", OWN)]),
            true,
        ),
        (&tier(json!({"isolation": {"onViolation": "Report"}})), &reaches, false),
        (&tier(json!({})), &reaches, false),
        // The tenant is reached; another tenant can have caused it; one of several policies fails; no direction is known.
        (&strict, &found("False", "", &[("Critical", inward)]), false),
        (&strict, &found("False", "", &[("Critical", given)]), false),
        (&strict, &found("False", "", &[("High", OWN)]), false),
        (&strict, &found("False", "", &[("Critical", None)]), false),
        // The check could not repeat the former finding.
        (&strict, &found("Unknown", "", &[]), false),
    ] {
        let decided = decide(Some(tier), Some(status), None, at("11:00:00"));
        assert_eq!(decided, is_cut_off.then(|| quarantine(None)), "{tier:?} {status:?}");
    }
    assert_eq!(decide(None, Some(&reaches), None, at("11:00:00")), None);
    assert_eq!(decide(Some(&strict), None, None, at("11:00:00")), None);
}

#[test]
fn it_comes_back_when_nothing_was_found_for_as_long_as_its_tier_says() {
    let inward = Some((Direction::Inward, Opener::Platform));
    for status in [
        found("True", "", &[]),
        found("Unknown", "network-access could not be tried", &[]),
        // Others reach it still: that is not its doing, and does not prolong it.
        found("False", "", &[("Critical", inward)]),
    ] {
        let look = |period, clean, now| decide(Some(&strict(period)), Some(&status), Some(quarantine(clean)), at(now));
        // It counts from when it was first seen to be clean, however long ago that state began.
        assert_eq!(look(None, None, "12:00:00"), Some(quarantine(Some("12:00:00"))));
        assert_eq!(
            look(None, Some("12:00:00"), "12:09:59"),
            Some(quarantine(Some("12:00:00")))
        );
        assert_eq!(look(None, Some("12:00:00"), "12:10:00"), None);
        assert_eq!(
            look(Some("1h"), Some("12:00:00"), "12:59:59"),
            Some(quarantine(Some("12:00:00")))
        );
        assert_eq!(look(Some("1h"), Some("12:00:00"), "13:00:00"), None);
        assert_eq!(look(Some("0s"), None, "12:00:00"), None);
    }
    // A finding keeps the quarantine going, and a new one begins the period anew.
    let reaches = found("False", "", &[("Critical", OWN)]);
    for clean in [None, Some("12:00:00")] {
        let decided = decide(
            Some(&strict(None)),
            Some(&reaches),
            Some(quarantine(clean)),
            at("23:00:00"),
        );
        assert_eq!(decided, Some(quarantine(None)));
    }
    // Not to know is not to have found nothing.
    let blind = found(
        "Unknown",
        "api-access could not be tried: the API server did not answer",
        &[],
    );
    let decided = decide(
        Some(&strict(None)),
        Some(&blind),
        Some(quarantine(Some("12:00:00"))),
        at("23:00:00"),
    );
    assert_eq!(decided, Some(quarantine(None)));
}

#[test]
fn another_tier_ends_it_and_no_tier_does_not() {
    let status = found("False", "", &[("Critical", OWN)]);
    let (report, before) = (tier(json!({})), || Some(quarantine(None)));
    assert_eq!(decide(Some(&report), Some(&status), before(), at("12:01:00")), None);
    assert_eq!(decide(None, Some(&status), before(), at("12:01:00")), before());
    // The status got lost: it counts from now.
    let now = decide(Some(&strict(None)), None, before(), at("12:01:00"));
    assert_eq!(now, Some(quarantine(Some("12:01:00"))));
}

#[test]
fn a_namespace_remembers_it() {
    for clean in [None, Some("12:00:00")] {
        let live = Live {
            key: crate::cluster::Key {
                kind: crate::cluster::Kind::Namespace,
                namespace: String::new(),
                name: "acme".into(),
            },
            uid: String::new(),
            resource_version: String::new(),
            value: json!({"metadata": {"annotations": quarantine(clean).annotations()}}),
        };
        assert_eq!(Quarantine::read(Some(&live)), Some(quarantine(clean)));
    }
    assert_eq!(Quarantine::read(None), None);
}
