//! What is removed because nobody asks for it any more.

use super::*;
use crate::capability::{jwks::JwkSet, jwks::PublicKeys};
use crate::cluster::{Desired, metadata};
use crate::credentials::key_pair::KeyPair;
use crate::tenant::fixtures::{ID, acme, all_capabilities, plan, platform, with};
use serde_json::{Value, json};

fn owner() -> Identity {
    Identity {
        tenant: "acme".into(),
        id: ID.into(),
    }
}

/// An object that bears the tenant's marks.
fn marked(store: &Store, kind: Kind, namespace: &str, name: &str) {
    let meta = metadata::meta(&owner(), namespace, name);
    let mut value = json!({"apiVersion": kind.resource().api_version, "kind": kind.as_str(), "metadata": meta});
    value["metadata"]["uid"] = json!(format!("{kind} {namespace}/{name}"));
    value["metadata"]["resourceVersion"] = json!("1");
    store.put(kind, serde_json::from_value(value).expect("an object"));
}

/// Whatever is stale in `store` for a tenant that is led to these applications.
fn found(store: &Store, applications: &[&str]) -> Vec<String> {
    let named =
        |name: &str, namespace: &str| json!({"name": name, "namespace": namespace, "service": name, "port": 80});
    let tier = json!({"gateway": {"applications": [named("crm", "applications"), named("chat", "more-applications")]}});
    let route =
        |name: &&str| json!({"path": {"type": "Exact", "value": format!("/{name}")}, "backend": {"application": name}});
    let routes: Vec<Value> = applications.iter().map(route).collect();
    let tenant = acme(
        json!({"gateway": {"hosts": ["acme.example.com"], "routes": routes}}),
        tier,
    );
    let environment = plan(&tenant, &platform());
    let stale = stale(store, &owner(), &environment, &all_capabilities());
    stale.iter().map(|live| live.key.to_string()).collect()
}

#[test]
fn a_grant_is_removed_when_no_route_needs_it_and_after_the_routes() {
    let store = Store::default();
    let name = names::grant("acme");
    for namespace in ["applications", "more-applications"] {
        marked(&store, Kind::ReferenceGrant, namespace, &name);
    }
    marked(&store, Kind::HttpRoute, "acme", "tenant-host-token");
    let route = "HTTPRoute acme/tenant-host-token";
    let chat = format!("ReferenceGrant more-applications/{name}");
    assert_eq!(found(&store, &["crm", "chat"]), [route]);
    assert_eq!(found(&store, &["crm"]), [route, &chat]);
    let none = found(&store, &[]);
    assert_eq!((none.len(), none[0].as_str()), (3, route));
}

#[test]
fn what_is_marked_as_the_tenants_where_the_operator_writes_nothing_is_left_alone() {
    let store = Store::default();
    // By the tenant itself, and by whoever writes in a namespace of applications.
    marked(&store, Kind::ReferenceGrant, "acme", &names::grant("acme"));
    marked(&store, Kind::ReferenceGrant, "elsewhere", &names::grant("acme"));
    marked(&store, Kind::ReferenceGrant, "applications", "another");
    marked(&store, Kind::ConfigMap, "applications", &names::grant("acme"));
    assert_eq!(found(&store, &["crm"]), Vec::<String>::new());
    assert_eq!(found(&store, &[]), Vec::<String>::new());
}

#[test]
fn what_carries_a_key_set_stays_until_it_is_known_that_it_should_not() {
    let carrying = |preloaded: &[JwkSet]| {
        let spec = json!({"credentials": {"signingKey": {}}, "gateway": {
            "hosts": ["acme.example.com"],
            "routes": [
                {"backend": {"application": "crm"}},
                {"path": {"type": "Exact", "value": "/open"}, "backend": {"application": "crm"}, "authentication": "None"},
            ],
            "authentication": {"jwt": {"issuer": "itself", "jwks": {"signingKey": true}}},
        }});
        let applications = json!([{"name": "crm", "namespace": "applications", "service": "crm", "port": 80}]);
        let keys = PublicKeys {
            preloaded: preloaded.to_vec(),
            ..PublicKeys::default()
        };
        with(acme(spec, json!({"gateway": {"applications": applications}})), keys)
    };
    let [one, other] = [(); 2].map(|()| JwkSet {
        keys: vec![KeyPair::random().public],
    });
    let (store, capabilities) = (Store::default(), all_capabilities());
    for Desired { key, mut value, .. } in plan(&carrying(&[one.clone(), other]), &platform()).objects().cloned() {
        value["metadata"]["uid"] = json!(key.to_string());
        value["metadata"]["resourceVersion"] = json!("1");
        store.put(key.kind, serde_json::from_value(value).expect("an object"));
    }
    // Before its Secret is read nothing is known to be preloaded.
    let all = stale(&store, &owner(), &plan(&carrying(&[]), &platform()), &capabilities);
    let admits = |live: &Live| capabilities.iter().any(|capability| capability.admits(live));
    let left = |preloaded: &[JwkSet]| {
        let tenant = carrying(preloaded);
        let needs = |live: &&Live| {
            capabilities
                .iter()
                .any(|capability| capability.still_needs(&tenant, live))
        };
        let left = all.iter().filter(|live| !needs(live));
        left.map(|live| live.key.name.clone()).collect::<Vec<_>>()
    };
    let kinds: Vec<Kind> = all.iter().map(|live| live.key.kind).collect();
    let [route, policy] = [Kind::HttpRoute, Kind::SecurityPolicy];
    assert_eq!(kinds, [route, route, policy, policy]);
    assert!(!all.iter().any(admits));
    assert_eq!(left(&[one]).len(), 2);
    assert_eq!(left(&[]).len(), 4);

    let open = store
        .of("acme")
        .into_values()
        .find(|live| live.key.name == "tenant-host-open");
    assert!(open.is_some_and(|live| admits(&live)), "others go at once");
}
