//! What is known of the namespaces that a tenant creates itself.

use super::*;
use crate::cluster::{Kind, Writer};
use crate::telemetry::metrics::Metrics;
use crate::tenant::capabilities::offline;
use crate::tenant::fixtures::{ID, api_server_with, platform};
use serde_json::{Value, json};
use std::sync::Arc;

fn owner() -> Identity {
    Identity {
        tenant: "acme".into(),
        id: ID.into(),
    }
}

fn object(name: &str, more: Value) -> TenantNamespace {
    let mut whole = json!({"metadata": {"name": name, "namespace": "acme", "uid": name}, "spec": {}});
    crate::testing::lay_over(&mut whole, more);
    serde_json::from_value(whole).expect("a TenantNamespace")
}

fn namespace(name: &str, tenant: &str, more: Value) -> Value {
    let mut whole = json!({"metadata": {
        "name": name, "uid": name, "resourceVersion": "1", "labels": {
            (names::TENANT): tenant, (names::TENANT_ID): if tenant == "acme" { ID } else { "another" }, (names::MANAGED_BY): names::MANAGER,
        },
    }});
    crate::testing::lay_over(&mut whole, json!({"metadata": more}));
    whole
}

fn mark() -> Value {
    json!({"annotations": {(names::TENANT_NAMESPACE): r#"{"pods":"4"}"#}})
}

fn merged(a: Value, b: Value) -> Value {
    let mut whole = a;
    crate::testing::lay_over(&mut whole, b);
    whole
}

#[test]
fn a_namespace_is_one_of_a_tenant_namespace_by_its_mark_alone() {
    let four: ResourceList = serde_json::from_value(json!({"pods": "4"})).expect("a quota");
    let going = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    let retained = json!({"labels": {(names::RETAINED): "true"}});
    for (more, expected) in [
        (mark(), Existing::Created(four.clone())),
        (merged(mark(), retained.clone()), Existing::Retained(four)),
        (
            merged(mark(), going.clone()),
            Existing::Terminating { is_created: true },
        ),
        (going, Existing::Terminating { is_created: false }),
    ] {
        let store = Store::default();
        let live = namespace("acme-a", "acme", more.clone());
        store.put(Kind::Namespace, serde_json::from_value(live).expect("a namespace"));
        let known = TenantNamespaces::listed([object("a", json!({}))]);
        let found = observed(&owner(), &store, Some(&known), |_| false);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].existing, expected, "{more}");
    }
    for (tenant, more, why) in [
        ("acme", json!({}), reason::NAME_TAKEN),
        ("acme", retained, reason::NAME_TAKEN),
        ("acme-a", mark(), reason::CONFLICT),
    ] {
        let store = Store::default();
        let live = namespace("acme-a", tenant, more.clone());
        store.put(Kind::Namespace, serde_json::from_value(live).expect("a namespace"));
        let known = TenantNamespaces::listed([object("a", json!({}))]);
        let found = observed(&owner(), &store, Some(&known), |_| false);
        assert!(
            matches!(&found[0].existing, Existing::Taken(note) if note.reason == why),
            "{more}: {found:?}"
        );
    }
}

#[test]
fn a_marked_namespace_is_known_without_its_tenant_namespace() {
    let store = Store::default();
    for (name, more) in [("acme", json!({})), ("acme-a", mark()), ("acme-b", json!({}))] {
        let live = namespace(name, "acme", more);
        store.put(Kind::Namespace, serde_json::from_value(live).expect("a namespace"));
    }
    let found = observed(&owner(), &store, None, |_| false);
    let names: Vec<(&str, bool)> = found
        .iter()
        .map(|one| (one.name.as_str(), one.request.is_some()))
        .collect();
    assert_eq!(names, [("a", false)]);
}

#[test]
fn the_name_of_another_tenant_is_taken_before_that_has_its_namespace() {
    let known = TenantNamespaces::listed([object("a", json!({}))]);
    let found = observed(&owner(), &Store::default(), Some(&known), |name| name == "acme-a");
    assert!(matches!(&found[0].existing, Existing::Taken(note) if note.reason == reason::NAME_TAKEN));
    let found = observed(&owner(), &Store::default(), Some(&known), |_| false);
    assert_eq!(found[0].existing, Existing::Unknown);
}

/// What the operator knows after it has asked an API server that has these objects.
async fn asked(requests: Vec<TenantNamespace>, has: Vec<(&'static str, Value)>) -> Vec<CreatedNamespace> {
    let store = Arc::new(Store::default());
    let client = api_server_with(
        |_, _| false,
        move |path| has.iter().find(|(at, _)| *at == path).map(|(_, object)| object.clone()),
    );
    let writer = Writer::new(client, store.clone(), Metrics::new());
    let (capabilities, platform) = (offline(None), platform());
    let pass = Pass {
        writer: &writer,
        store: &store,
        platform: &platform,
        capabilities: &capabilities,
        policy: crate::api::DeletionPolicy::Retain,
    };
    let known = TenantNamespaces::listed(requests);
    let mut found = observed(&owner(), &store, Some(&known), |_| false);
    ask(&pass, &owner(), &mut found).await;
    found
}

#[tokio::test]
async fn the_api_server_says_whether_a_name_is_free() {
    let stranger = json!({"metadata": {"name": "acme-a", "uid": "x", "resourceVersion": "1"}});
    let found = asked(
        vec![object("a", json!({})), object("b", json!({}))],
        vec![("/api/v1/namespaces/acme-a", stranger)],
    )
    .await;
    assert!(matches!(&found[0].existing, Existing::Taken(note) if note.reason == reason::CONFLICT));
    assert!(matches!(&found[0].existing, Existing::Taken(note) if !note.message.contains("tenant (")));
    assert_eq!(found[1].existing, Existing::Absent);
}

#[tokio::test]
async fn a_deletion_counts_only_while_the_first_namespace_and_the_definition_stay() {
    let crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tenantnamespaces.tenant-operator.io";
    let first = "/api/v1/namespaces/acme";
    let deleted = || object("a", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    let meta = |more: Value| {
        merged(
            json!({"metadata": {"name": "x", "uid": "x", "resourceVersion": "1"}}),
            json!({"metadata": more}),
        )
    };
    let going = || meta(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
    let is = || meta(json!({}));
    for (has, removal) in [
        (vec![(first, is()), (crd, is())], Removal::Requested),
        (vec![(first, going()), (crd, is())], Removal::Incidental),
        (vec![(crd, is())], Removal::Incidental),
        (vec![(first, is()), (crd, going())], Removal::Incidental),
        (vec![(first, is())], Removal::Incidental),
    ] {
        let what = format!("{has:?}");
        let found = asked(vec![deleted()], has).await;
        let request = found[0].request.as_ref().expect("a request");
        assert_eq!(request.removal, removal, "{what}");
    }
}

#[test]
fn a_field_that_cannot_be_read_is_named() {
    let mut unreadable = object("a", json!({}));
    unreadable.spec.unread = vec![crate::api::Unread::new("spec.quota.pods".into(), "not a quantity")];
    let why = request(&unreadable).unreadable.expect("a reason");
    assert!(
        why.contains("spec.quota.pods") && why.contains("not a quantity"),
        "{why}"
    );
}
