//! Keys in the objects of a gateway.

use super::*;
use crate::cluster::Desired;
use crate::credentials::key_pair::KeyPair;
use crate::gateway::Gateway;
use crate::tenant::fixtures::{acme, attachment, plan, platform, with};
use serde_json::json;

/// A tenant that knows tokens by its own keys, of which there are these.
pub fn renewing(trusted: &JwkSet, preloaded: &[JwkSet]) -> ValidTenant {
    let spec = json!({
        "network": {"ingress": {"gateway": "Allow"}},
        "workloads": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}],
        "credentials": {"signingKey": {}},
        "gateway": {
            "hosts": ["acme.example.com"],
            "routes": [{"backend": {"workload": "web"}}],
            "authentication": {"jwt": {"issuer": "itself", "jwks": {"signingKey": true}}},
        },
    });
    let keys = PublicKeys {
        published: trusted.clone(),
        trusted: trusted.clone(),
        preloaded: preloaded.to_vec(),
    };
    with(acme(spec, json!({})), keys)
}

/// A cluster in which this tenant's gateway is in the desired state.
pub fn store_of(tenant: &ValidTenant) -> Store {
    let store = Store::default();
    for Desired { key, mut value, .. } in plan(tenant, &platform()).objects().cloned() {
        value["metadata"]["uid"] = json!(key.to_string());
        value["metadata"]["resourceVersion"] = json!("1");
        store.put(key.kind, serde_json::from_value(value).expect("an object"));
    }
    store
}

#[test]
fn what_is_carried_beside_is_seen_and_not_taken_for_what_is_asked_for() {
    let [a, b] = [KeyPair::random().public, KeyPair::random().public];
    let [one, both, other] = [vec![a.clone()], vec![a.clone(), b.clone()], vec![b.clone()]].map(|keys| JwkSet { keys });
    let gateway = Gateway::new(Some(attachment()));
    let cases = [(&one, &both), (&both, &one)];
    for (trusted, beside) in cases {
        let tenant = renewing(trusted, &[trusted.clone(), beside.clone()]);
        let store = store_of(&tenant);
        let observed = ObservedKeySets {
            store: &store,
            tenant: &tenant,
            key_sets: Some(&gateway),
        };
        assert!(observed.asks_for_any_of(&one) && observed.asks_for(trusted));
        assert!(!observed.asks_for(beside));
        assert!(observed.has_preloaded(&[one.clone(), both.clone()]));
        assert!(!observed.has_preloaded(&[one.clone(), other.clone()]));
        assert_eq!(observed.is_known(&a, &b), *trusted == both);
    }
    let tenant = renewing(&one, &[]);
    let store = store_of(&tenant);
    let observed = ObservedKeySets {
        store: &store,
        tenant: &tenant,
        key_sets: Some(&gateway),
    };
    assert!(!observed.asks_for_any_of(&other) && !observed.has_preloaded(&[both]));
}
