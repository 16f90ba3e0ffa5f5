//! The condition of a proof, and how often it changes.

use super::*;
use crate::api::{Direction, Opener};
use crate::proof::Violation;
use crate::proof::check::{API_ACCESS, DATABASE_ACCESS};
use crate::tenant::status::{self, is_worth_writing};

fn at(time: &str) -> Timestamp {
    format!("2026-01-01T{time}Z").parse().expect("a time")
}

fn proof(outcomes: [Outcome; 2]) -> Proof {
    let [api, database] = outcomes;
    Proof {
        outcomes: vec![(&API_ACCESS, api), (&DATABASE_ACCESS, database)],
        ..Proof::default()
    }
}

fn violated(count: usize) -> Outcome {
    let violation = |number| Violation {
        direction: Direction::Outward,
        opened_by: Opener::Platform,
        counterpart: if number == 0 {
            String::new()
        } else {
            format!("tenant-{number}")
        },
        message: format!("opening {number}{}", "é".repeat(if number == 11 { 2000 } else { 0 })),
    };
    Outcome::of((0..count).map(violation).collect())
}

fn with(proof: &Proof, old: Option<&TenantStatus>, now: Timestamp) -> TenantStatus {
    let mut status = TenantStatus::default();
    add(&mut status, proof, old, now);
    status
}

#[test]
fn what_tenants_give_each_other_pushes_nothing_out_of_sight() {
    let given = |number| Violation {
        direction: Direction::Outward,
        opened_by: Opener::Counterpart,
        counterpart: format!("tenant-{number}"),
        message: format!("gift {number}"),
    };
    let gifts = Outcome::of((0..20).map(given).collect());
    let status = with(&proof([gifts, violated(1)]), None, at("10:00:00"));
    let shown = &status.isolation.as_ref().expect("a status").violations;
    assert_eq!((shown.len(), shown[0].message.as_str()), (10, "opening 0"));
}

#[test]
fn one_violation_says_no_and_one_gap_says_unknown() {
    let untried = || Outcome::Untried("the server is away".into());
    let table = [
        (
            proof([Outcome::Passed, Outcome::Passed]),
            "True",
            reason::PROVEN,
            "found nothing: api-access, database-access",
        ),
        (
            proof([Outcome::Passed, untried()]),
            "Unknown",
            reason::UNTRIED,
            "database-access could not be tried: the server is away",
        ),
        (
            proof([violated(1), untried()]),
            "False",
            reason::VIOLATED,
            "api-access: opening 0",
        ),
        (
            proof([violated(2), violated(1)]),
            "False",
            reason::VIOLATED,
            "api-access: opening 0 (and 2 more, see status.isolation)",
        ),
    ];
    for (proof, expected, reason, message) in table {
        let status = with(&proof, None, at("10:00:00"));
        let condition = &status.conditions[0];
        assert_eq!(
            (
                condition.status.as_str(),
                condition.reason.as_str(),
                condition.message.as_str()
            ),
            (expected, reason, message)
        );
    }
}

#[test]
fn the_status_counts_and_is_bounded() {
    let long = violated(12);
    let Outcome::Violated(mut found) = long else {
        unreachable!("twelve violations");
    };
    found.swap(2, 11);
    let status = with(
        &proof([Outcome::Violated(found), Outcome::Passed]),
        None,
        at("10:00:00"),
    );
    let isolation = status.isolation.expect("is shown");
    assert_eq!((isolation.passed, isolation.failed, isolation.untried), (1, 1, 0));
    assert_eq!(isolation.violations.len(), 10);
    let longest = isolation
        .violations
        .iter()
        .map(|violation| violation.message.len())
        .max();
    assert!(
        longest.is_some_and(|longest| (1000..=1024).contains(&longest)),
        "{longest:?}"
    );
    assert_eq!(isolation.violations[0].counterpart, None);
    assert_eq!(isolation.violations[1].counterpart.as_deref(), Some("tenant-1"));
    assert_eq!(isolation.violations[0].severity, "Critical");
}

#[test]
fn the_same_proof_is_written_every_six_hours_only() {
    let good = proof([Outcome::Passed, Outcome::Passed]);
    let old = with(&good, None, at("10:00:00"));
    for (now, is_worth) in [
        ("10:00:01", false),
        ("15:59:59", false),
        ("16:00:00", true),
        ("09:59:59", true),
    ] {
        let new = with(&good, Some(&old), at(now));
        assert_eq!(is_worth_writing(Some(&old), &new, at(now)), is_worth, "{now}");
    }
    let bad = with(&proof([violated(1), Outcome::Passed]), Some(&old), at("10:00:01"));
    assert!(is_worth_writing(Some(&old), &bad, at("10:00:01")));
}

#[test]
fn a_tenants_people_are_not_told_of_others() {
    let status = with(&proof([violated(1), Outcome::Passed]), None, at("10:00:00"));
    let mut tenant = crate::tenant::fixtures::tenant(serde_json::json!({}));
    tenant.status = Some(status.clone());
    let view = status::view(&tenant, &status);
    let text = serde_json::to_string(&view).expect("serializes");
    assert!(text.contains(TOLD_TO_TENANTS) && !text.contains("opening"), "{text}");
}

#[test]
fn what_a_former_process_found_stands_until_it_is_tried_again() {
    let pending = proof([Outcome::Passed, Outcome::Pending]);
    let message = |status: &TenantStatus| status.conditions[0].message.clone();
    // Nobody has tried it before.
    let first = with(&pending, None, at("10:00:00"));
    assert_eq!(
        message(&first),
        "database-access could not be tried: its turn has not come yet"
    );
    let half = with(&pending, Some(&first), at("10:00:01"));
    assert_eq!(half.conditions[0].status, "Unknown");
    // Both were.
    for outcome in [Outcome::Passed, violated(1)] {
        let tried = with(&proof([Outcome::Passed, outcome]), None, at("10:00:00"));
        assert_eq!(with(&pending, Some(&tried), at("23:00:00")), tried, "nothing to write");
        let worse = with(&proof([violated(1), Outcome::Pending]), Some(&tried), at("10:00:02"));
        assert_eq!(message(&worse), "api-access: opening 0");
    }
    // A closed opening disappears from the message while another check waits for its turn; that check's former findings stay.
    let open = with(&proof([violated(1), Outcome::Passed]), None, at("10:00:00"));
    let closed = with(&pending, Some(&open), at("10:00:02"));
    assert_eq!(message(&closed), "found nothing: api-access, database-access");
    let both = with(&proof([violated(1), violated(1)]), None, at("10:00:00"));
    let half = with(&pending, Some(&both), at("10:00:02"));
    assert_eq!(message(&half), "database-access: opening 0");
    // Findings that had no room in the status are unknown.
    let crowded = with(&proof([violated(20), violated(1)]), None, at("10:00:00"));
    let unknown = with(&pending, Some(&crowded), at("10:00:02"));
    assert_eq!(unknown.conditions[0].status, "Unknown");
    // Fewer checks were there then.
    let one = Proof {
        outcomes: vec![(&API_ACCESS, Outcome::Passed)],
        ..Proof::default()
    };
    let tried = with(&one, None, at("10:00:00"));
    assert_eq!(
        with(&pending, Some(&tried), at("10:00:01")).conditions[0].status,
        "Unknown"
    );
}

#[test]
fn what_is_switched_off_is_said() {
    let one = Proof {
        outcomes: vec![(&API_ACCESS, Outcome::Passed)],
        switched_off: vec![&DATABASE_ACCESS],
    };
    let said = with(&one, None, at("10:00:00"));
    assert_eq!(
        said.conditions[0].message,
        "found nothing: api-access; switched off: database-access"
    );
}
