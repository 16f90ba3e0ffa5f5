//! Content of a report, changes of its times, and conformance to the schema.

use super::*;
use crate::api::{Direction, IsolationViolation, Opener};
use crate::cluster::{Live, diff};
use crate::proof::check::{ADMISSION, API_ACCESS, DATABASE_ACCESS, NETWORK_ACCESS, NETWORK_POLICIES, QUOTA};

fn at(time: &str) -> Timestamp {
    format!("2026-01-01T{time}Z").parse().expect("a time")
}

fn violation(number: usize) -> Violation {
    Violation {
        direction: Direction::Outward,
        opened_by: Opener::Platform,
        counterpart: if number == 0 { String::new() } else { "globex".into() },
        message: format!("opening {number}"),
    }
}

fn violated(count: usize) -> Outcome {
    Outcome::of((0..count).map(violation).collect())
}

fn statement(outcomes: Vec<(&'static Check, Outcome)>) -> Statement {
    Statement {
        owner: Identity {
            tenant: "acme".into(),
            id: "id-1".into(),
        },
        uid: "uid-1".into(),
        proof: Proof {
            outcomes,
            switched_off: vec![&NETWORK_ACCESS],
        },
        former: None,
    }
}

/// The status that a former process wrote.
fn status(failed: i32, shown: &[(&Check, usize)]) -> IsolationStatus {
    IsolationStatus {
        failed,
        violations: shown
            .iter()
            .map(|(check, number)| {
                let one = violation(*number);
                IsolationViolation {
                    check: check.id.into(),
                    severity: check.severity.as_str().into(),
                    direction: Some(one.direction),
                    opened_by: Some(one.opened_by),
                    counterpart: Some(one.counterpart).filter(|name| !name.is_empty()),
                    message: one.message,
                }
            })
            .collect(),
        ..IsolationStatus::default()
    }
}

fn results(report: &Desired) -> Vec<Value> {
    report.value["results"].as_array().cloned().expect("results")
}

/// Each check and how it came out.
fn outcomes_of(report: &Desired) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    results(report)
        .iter()
        .map(|one| (text(&one["rule"]), text(&one["result"])))
        .collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
}

#[test]
fn a_report_has_one_result_for_each_check_and_goes_with_its_tenant() {
    let statement = statement(vec![
        (&QUOTA, Outcome::Pending),
        (&API_ACCESS, Outcome::Passed),
        (&DATABASE_ACCESS, Outcome::Untried("the server is away".into())),
    ]);
    let report = statement.report(Kind::ClusterReport, &[], at("10:00:00"));
    assert_eq!(
        outcomes_of(&report),
        pairs(&[
            ("api-access", "pass"),
            ("database-access", "error"),
            ("quota", "skip"),
            ("network-access", "skip")
        ])
    );
    let value = &report.value;
    assert_eq!(
        value["summary"],
        json!({"pass": 1, "fail": 0, "warn": 0, "error": 1, "skip": 2})
    );
    assert_eq!(
        (&value["apiVersion"], &value["kind"], &value["source"]),
        (
            &json!("openreports.io/v1alpha1"),
            &json!("ClusterReport"),
            &json!("tenant-operator")
        )
    );
    let tenant = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "Tenant", "name": "acme", "uid": "uid-1"});
    assert_eq!(
        (&value["scope"], &value["metadata"]["ownerReferences"]),
        (&tenant, &json!([tenant]))
    );
    assert_eq!(
        value["metadata"]["labels"],
        json!({names::TENANT: "acme", names::TENANT_ID: "id-1", names::MANAGED_BY: names::MANAGER})
    );
    assert_eq!(report.key.to_string(), "ClusterReport tenant-operator-acme");
    let messages: Vec<Value> = results(&report).iter().map(|one| one["message"].clone()).collect();
    assert_eq!(messages[1], "could not be tried: the server is away");
    assert_eq!(messages[3], "switched off by the platform");
}

#[test]
fn the_forerunner_has_its_source_in_the_results_only() {
    let report = statement(vec![(&API_ACCESS, Outcome::Passed)]).report(Kind::ClusterPolicyReport, &[], at("10:00:00"));
    assert_eq!(report.value["apiVersion"], "wgpolicyk8s.io/v1alpha2");
    assert_eq!(report.value.get("source"), None);
    assert_eq!(results(&report)[0]["source"], "tenant-operator");
}

#[test]
fn each_violation_is_a_result_the_worst_first_and_none_is_lost_from_the_count() {
    let few = statement(vec![
        (&NETWORK_POLICIES, violated(1)),
        (&API_ACCESS, violated(2)),
        (&ADMISSION, Outcome::Passed),
    ]);
    let report = few.report(Kind::ClusterReport, &[], at("10:00:00"));
    assert_eq!(
        outcomes_of(&report),
        pairs(&[
            ("api-access", "fail"),
            ("api-access", "fail"),
            ("network-policies", "fail"),
            ("admission", "pass"),
            ("network-access", "skip")
        ])
    );
    let found = results(&report);
    assert_eq!(
        (&found[1]["severity"], &found[1]["message"], &found[1]["properties"]),
        (
            &json!("critical"),
            &json!("opening 1"),
            &json!({"direction": "Outward", "openedBy": "Platform", "counterpart": "globex"})
        )
    );
    assert_eq!(
        found[2]["properties"],
        json!({"direction": "Outward", "openedBy": "Platform"})
    );

    let many = statement(vec![(&API_ACCESS, violated(73)), (&ADMISSION, Outcome::Passed)]);
    let report = many.report(Kind::ClusterReport, &[], at("10:00:00"));
    let found = results(&report);
    assert_eq!(found.len(), MOST);
    assert_eq!(found[47]["properties"]["bounded"], "25");
    assert_eq!(report.value["summary"]["fail"], 73);
}

#[test]
fn times_move_only_with_what_was_found() {
    let quiet = statement(vec![(&API_ACCESS, Outcome::Passed), (&QUOTA, Outcome::Passed)]);
    let first = quiet.report(Kind::ClusterReport, &[], at("10:00:00"));
    assert_eq!(
        quiet.report(Kind::ClusterReport, &results(&first), at("11:00:00")),
        first
    );

    let loud = statement(vec![(&API_ACCESS, violated(1)), (&QUOTA, Outcome::Passed)]);
    let second = loud.report(Kind::ClusterReport, &results(&first), at("11:00:00"));
    let times: Vec<i64> = results(&second).iter().filter_map(time).collect();
    let (ten, eleven) = (at("10:00:00").as_second(), at("11:00:00").as_second());
    assert_eq!(times, [eleven, ten, ten]);

    // A time that somebody made up.
    let mut forged = results(&first);
    forged[0]["timestamp"]["seconds"] = json!(at("12:00:00").as_second());
    let mended = quiet.report(Kind::ClusterReport, &forged, at("11:00:00"));
    assert_eq!(time(&results(&mended)[0]), Some(eleven));
}

#[test]
fn what_a_former_process_found_stands_where_it_may() {
    let before = statement(vec![
        (&API_ACCESS, Outcome::Passed),
        (&ADMISSION, violated(60)),
        (&QUOTA, Outcome::Passed),
    ]);
    let before = before.report(Kind::ClusterReport, &[], at("10:00:00"));
    let mut restarted = statement(vec![
        (&API_ACCESS, Outcome::Passed),
        (&ADMISSION, Outcome::Pending),
        (&QUOTA, Outcome::Pending),
    ]);
    let report = restarted.report(Kind::ClusterReport, &results(&before), at("11:00:00"));
    assert_eq!(
        report.value["summary"],
        json!({"pass": 1, "fail": 0, "warn": 0, "error": 0, "skip": 3})
    );
    restarted.former = Some(status(1, &[]));
    let report = restarted.report(Kind::ClusterReport, &results(&before), at("11:00:00"));
    assert_eq!(report, before);
}

#[test]
fn what_the_status_says_stands_where_nothing_was_reported() {
    let report = |former: IsolationStatus| {
        let mut restarted = statement(vec![
            (&API_ACCESS, Outcome::Passed),
            (&ADMISSION, Outcome::Pending),
            (&QUOTA, Outcome::Pending),
        ]);
        // A check that was only put off is no finding.
        let put_off = restarted.report(Kind::ClusterReport, &[], at("10:00:00"));
        restarted.former = Some(former);
        restarted.report(Kind::ClusterReport, &results(&put_off), at("11:00:00"))
    };
    let table = [
        (status(0, &[]), ["pass", "pass"]),
        (status(1, &[(&ADMISSION, 3)]), ["fail", "pass"]),
        // Another check failed of which the status shows nothing.
        (status(2, &[(&ADMISSION, 3)]), ["fail", "skip"]),
    ];
    for (former, expected) in table {
        let report = report(former.clone());
        let outcomes = outcomes_of(&report);
        let came_out = |check: &str| outcomes.iter().find(|(id, _)| id == check).map(|(_, how)| how.as_str());
        assert_eq!(
            [came_out("admission"), came_out("quota")],
            expected.map(Some),
            "{former:?}"
        );
    }
    let found = results(&report(status(1, &[(&ADMISSION, 3)])));
    let own = statement(vec![(&ADMISSION, Outcome::Violated(vec![violation(3)]))]);
    let own = results(&own.report(Kind::ClusterReport, &[], at("11:00:00")));
    assert_eq!(found[0], own[0], "as it will be said when it is tried again");
}

#[test]
fn what_somebody_changed_is_a_difference() {
    let report = statement(vec![(&API_ACCESS, violated(1)), (&QUOTA, Outcome::Passed)]).report(
        Kind::ClusterReport,
        &[],
        at("10:00:00"),
    );
    let live = |value: Value| Live {
        key: report.key.clone(),
        uid: "u".into(),
        resource_version: "1".into(),
        value,
    };
    assert_eq!(diff::difference(&report, &live(report.value.clone())), None);
    for path in [
        "/results/0/result",
        "/summary/fail",
        "/scope/name",
        "/source",
        "/metadata/ownerReferences/0/uid",
    ] {
        let mut value = report.value.clone();
        *value.pointer_mut(path).expect(path) = json!("x");
        let found = live(value);
        assert!(diff::difference(&report, &found).is_some(), "{path}");
        let put = live(diff::replacement(&report, &found));
        assert_eq!(diff::difference(&report, &put), None, "{path}");
    }
}

/// The copy of the upstream schema that the end-to-end test installs.
#[test]
fn a_report_is_what_the_schema_asks_for() {
    let crd: Value =
        crate::tenant::fixtures::fixture("openreports/clusterreports.yaml", "clusterreports.openreports.io");
    let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    // The API server prunes fields that a schema lacks, and this operator would write them again.
    close(&mut schema);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let statement = statement(vec![
        (&API_ACCESS, violated(73)),
        (&DATABASE_ACCESS, Outcome::Untried("x".repeat(9000))),
        (&ADMISSION, Outcome::Passed),
        (&QUOTA, Outcome::Pending),
    ]);
    let mut value = statement.report(Kind::ClusterReport, &[], at("10:00:00")).value;
    value["metadata"] = json!({});
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
}

fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.contains_key("properties") {
        object.insert("additionalProperties".into(), json!(false));
    }
    for (name, part) in object.iter_mut() {
        match name.as_str() {
            "properties" => part
                .as_object_mut()
                .into_iter()
                .flat_map(Map::values_mut)
                .for_each(close),
            "items" => close(part),
            _ => {}
        }
    }
}
