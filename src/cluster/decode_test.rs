//! Objects that cannot be decoded whole, and the fields that are still read.

use super::*;
use kube::ResourceExt;
use kube::core::WatchEvent;

/// Decodes an object from a watch event.
fn read<K: Readable + Clone>(object: &str) -> Read<K> {
    let line = format!(r#"{{"type":"MODIFIED","object":{object}}}"#);
    match serde_json::from_str::<WatchEvent<Read<K>>>(&line).expect("an event") {
        WatchEvent::Modified(read) => read,
        other => panic!("{other:?}"),
    }
}

fn fields<K>(read: &Read<K>) -> Vec<&str> {
    read.unread.iter().map(|unread| unread.field.as_str()).collect()
}

fn tenant(spec: &str) -> Read<Tenant> {
    read(&format!(
        r#"{{"apiVersion":"tenant-operator.io/v1alpha1","kind":"Tenant","metadata":{{"name":"acme","uid":"1","resourceVersion":"7"}},"spec":{spec}}}"#
    ))
}

/// Nested this deep, itself included.
fn nested(levels: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

#[test]
fn what_can_be_read_is_read_and_what_cannot_is_named() {
    let owners = r#""owners":[{"kind":"User","name":"alice","role":"Admin"}],"suspend":true,"deletionPolicy":"Delete""#;
    let probe = |port: &str| {
        format!(r#""workloads":[{{"name":"web","livenessProbe":{{"httpGet":{{"port":{port}}},"periodSeconds":3}}}}]"#)
    };
    for (rest, unread) in [
        (probe("8080"), ""),
        (probe("3000000000"), "spec.workloads[0].livenessProbe.httpGet.port"),
        (probe("{}"), "spec.workloads[0].livenessProbe.httpGet.port"),
        (r#""workloads":"none""#.into(), "spec.workloads"),
        (r#""workloads":[{"image":"web:1"}]"#.into(), "spec.workloads[0]"),
        (format!(r#""configuration":{}"#, nested(50)), ""),
        (format!(r#""configuration":{}"#, nested(130)), "spec.configuration"),
        (format!(r#""configuration":{}"#, nested(10_000)), "spec.configuration"),
        (
            format!(r#""configuration":{{"a":{}1{}}}"#, "[".repeat(9_000), "]".repeat(9_000)),
            "spec.configuration",
        ),
        (
            r#""configuration":{"$serde_json::private::RawValue":"["}"#.into(),
            "spec.configuration",
        ),
        (
            r#""configuration":{"$serde_json::private::Number":1}"#.into(),
            "spec.configuration",
        ),
        (
            r#""network":{"ingress":{"gateway":"Perhaps"}},"displayName":3"#.into(),
            "spec.network.ingress.gateway spec.displayName",
        ),
    ] {
        let found = tenant(&format!(r#"{{"tier":"gold",{owners},{rest}}}"#));
        let mut names = fields(&found);
        names.sort_unstable();
        let mut expected: Vec<&str> = unread.split_whitespace().collect();
        expected.sort_unstable();
        assert_eq!(names, expected, "{rest}");
        let Tenant { metadata, spec, .. } = found.object;
        assert_eq!(
            (metadata.name.as_deref(), metadata.resource_version.as_deref()),
            (Some("acme"), Some("7"))
        );
        let owners: Vec<&str> = spec.owners.iter().map(|owner| owner.name.as_str()).collect();
        assert_eq!(
            (owners, spec.suspend, spec.tier.as_str()),
            (vec!["alice"], Some(true), "gold"),
            "{rest}"
        );
        assert_eq!(spec.deletion_policy, Some(crate::api::DeletionPolicy::Delete), "{rest}");
    }
}

#[test]
fn an_owner_who_cannot_be_read_is_none() {
    let owners = r#"[{"kind":"User","name":"alice","role":"Admin"},{"kind":"User","name":"bob","role":"Auditor"},7]"#;
    let found = tenant(&format!(r#"{{"tier":"gold","owners":{owners}}}"#));
    let owners: Vec<&str> = found
        .object
        .spec
        .owners
        .iter()
        .map(|owner| owner.name.as_str())
        .collect();
    assert_eq!(owners, ["alice"]);
    // It is the role that is unknown; without one he is no owner.
    assert_eq!(
        fields(&found),
        ["spec.owners[1].role", "spec.owners[1]", "spec.owners[1]"]
    );
}

#[test]
fn what_every_object_has_may_be_missing_too() {
    for (spec, unread) in [
        (r#"{"suspend":true}"#, vec!["spec.tier"]),
        (r#"{"suspend":true,"tier":4}"#, vec!["spec.tier"]),
        ("{}", vec!["spec.tier"]),
        ("4", vec!["spec"]),
        ("null", vec!["spec"]),
    ] {
        let found = tenant(spec);
        assert_eq!(fields(&found), unread, "{spec}");
        assert_eq!(found.object.spec.suspend, spec.contains("suspend").then_some(true));
    }
    let server: Read<DatabaseServer> = read(r#"{"metadata":{"name":"one"}}"#);
    assert_eq!(fields(&server), ["spec"]);
    let server: Read<DatabaseServer> = read(r#"{"metadata":{"name":"one"},"spec":{"host":"db","port":3000000000}}"#);
    assert_eq!(server.object.spec.host, "db");
    assert_eq!(fields(&server), ["spec.adminSecretRef", "spec.database", "spec.port"]);
}

#[test]
fn of_what_is_something_else_only_the_name_is_read() {
    let found: Read<RoleBinding> =
        read(r#"{"apiVersion":"v2","kind":"RoleBinding","metadata":{"name":"b","namespace":"acme"},"subjects":[]}"#);
    assert_eq!((fields(&found), found.name_any()), (vec!["spec"], "b".to_string()));
    assert!(serde_json::from_str::<Read<Tenant>>("7").is_err());
}

#[test]
fn a_field_with_many_mistakes_is_left_out_whole() {
    let owner = r#"{"kind":"User","name":"bob","role":"Auditor"}"#;
    let found = tenant(&format!(
        r#"{{"tier":"gold","suspend":true,"owners":[{}]}}"#,
        [owner; 60].join(",")
    ));
    assert_eq!(
        (found.object.spec.owners.len(), found.object.spec.suspend),
        (0, Some(true))
    );
    assert_eq!(found.unread.len(), NAMED + 1);
    assert_eq!(found.unread[NAMED].field, "spec.owners");
    let long = tenant(&format!(r#"{{"tier":"gold","suspend":"{}"}}"#, "ä".repeat(10_000)));
    assert!(long.unread[0].to_string().len() < 300);
}

/// Writers set managed fields themselves; jiff's times end in the year 9999.
#[test]
fn how_an_object_was_written_keeps_nothing_from_being_read() {
    let fields = [r#"[{"manager":"x","time":"9999-12-31T23:59:59Z"}]"#, "[1]", "{}"];
    for managed in fields
        .map(String::from)
        .into_iter()
        .chain([format!(r#"[{{"fieldsV1":{}}}]"#, nested(500))])
    {
        let binding = format!(
            r#"{{"kind":"RoleBinding","metadata":{{"name":"b","namespace":"acme","managedFields":{managed},"labels":{{"a":"b"}}}},
                "subjects":[{{"kind":"User","name":"bob"}}],"roleRef":{{"apiGroup":"","kind":"Role","name":"r"}}}}"#
        );
        let typed: Read<RoleBinding> = read(&binding);
        assert_eq!(
            (
                typed.unread.len(),
                typed.object.subjects.map_or(0, |subjects| subjects.len())
            ),
            (0, 1)
        );
        let any: Read<DynamicObject> = read(&binding);
        assert_eq!(
            (any.unread.len(), any.object.data["subjects"][0]["name"].as_str()),
            (0, Some("bob"))
        );
        assert_eq!(any.labels()["a"], "b");
        let list = format!(r#"{{"items":[{binding}]}}"#);
        let kept = without_managed_fields(list.as_bytes()).expect("less");
        let kept: Value = serde_json::from_slice(&kept).expect("JSON");
        assert_eq!(
            kept["items"][0]["metadata"],
            json!({"name": "b", "namespace": "acme", "labels": {"a": "b"}})
        );
    }
}

#[test]
fn nothing_but_that_is_taken_out_of_an_answer() {
    assert_eq!(without_managed_fields(br#"{"metadata":{"name":"a"}}"#), None);
    for (answer, left) in [
        (r#"{"metadata":{"managedFields":[]}}"#, r#"{"metadata":{}}"#),
        (
            r#"{"metadata":{"a":1,"managedFields":[{"f":{"}":"]"}}]}}"#,
            r#"{"metadata":{"a":1}}"#,
        ),
        (
            r#"{"metadata":{"managedFields":[{"a":"\"]}"}],"b":"c"}}"#,
            r#"{"metadata":{"b":"c"}}"#,
        ),
        (
            "{\"metadata\" : { \"managedFields\" : null ,\n \"b\" : 2 } }",
            "{\"metadata\":{\"b\":2}}",
        ),
        (
            r#"{"items":[{"metadata":{"managedFields":[],"name":"a"}},{"metadata":{"name":"b","managedFields":[1,2]}}]}"#,
            r#"{"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}"#,
        ),
        // A key that people chose, and text.
        (r#"{"data":{"managedFields":"x"}}"#, r#"{"data":{"managedFields":"x"}}"#),
        (
            r#"{"metadata":{"annotations":{"last":"{\"metadata\":{\"managedFields\":[]}}"}}}"#,
            r#"{"metadata":{"annotations":{"last":"{\"metadata\":{\"managedFields\":[]}}"}}}"#,
        ),
    ] {
        let kept = without_managed_fields(answer.as_bytes()).expect("JSON");
        let kept: Value = serde_json::from_slice(&kept).expect(answer);
        assert_eq!(kept, serde_json::from_str::<Value>(left).expect("JSON"), "{answer}");
    }
    for broken in [
        r#"{"managedFields"#,
        r#"managedFields"}"#,
        r#"{"metadata":{"managedFields":"#,
    ] {
        let _ = without_managed_fields(broken.as_bytes());
    }
}

#[test]
fn a_binding_that_cannot_be_read_is_one_all_the_same() {
    let found: Read<RoleBinding> = read(
        r#"{"metadata":{"name":"b","namespace":"acme"},"subjects":[{"kind":"User","name":"bob"},{"kind":7,"name":"eve"}],"roleRef":{"kind":"Role"}}"#,
    );
    assert_eq!(fields(&found), ["subjects[1].kind"]);
    let subjects = found.object.subjects.expect("subjects");
    assert_eq!(
        subjects.iter().map(|subject| subject.name.as_str()).collect::<Vec<_>>(),
        ["bob", "eve"]
    );
}
