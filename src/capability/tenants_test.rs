//! Tenants come back as they were.

use super::*;
use futures::FutureExt;
use serde_json::{Value, json};

fn tenant(name: &str, version: u64, spec: Value) -> Tenant {
    let mut whole = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "Tenant",
        "metadata": {"name": name, "uid": format!("uid-of-{name}"), "resourceVersion": version.to_string(),
            "annotations": {"example.com/note": "ü"}},
        "spec": {"tier": "gold"},
        "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "",
            "lastTransitionTime": "2026-11-30T05:00:00Z", "observedGeneration": 3}]}});
    crate::testing::lay_over(&mut whole, json!({"spec": spec}));
    serde_json::from_value(whole).expect("a tenant")
}

fn naming(name: &str, peer: &str) -> Tenant {
    tenant(name, 1, json!({"network": {"ingress": {"tenants": [{"name": peer}]}}}))
}

fn update(cache: &mut TenantCache, event: Event<Tenant>) -> Vec<Change> {
    cache.update(event).now_or_never().expect("a cache never waits")
}

#[test]
fn a_tenant_comes_back_as_it_was() {
    let mut unread = tenant("unread", 1, json!({}));
    unread.spec.unread.push(Unread {
        field: "spec.workloads[0].replicas".into(),
        why: "it is too large".into(),
    });
    // Its text has no configuration.
    let mut null = tenant("null", 1, json!({}));
    null.spec.configuration = Some(Value::Null);
    let all = [
        tenant("plain", 1, json!({})),
        tenant(
            "more",
            2,
            json!({"configuration": {"rate": 0.1, "large": 18_446_744_073_709_551_615_u64},
            "workloads": [{"name": "web", "image": "web:1", "readinessProbe": {"httpGet": {"port": "http"}}}]}),
        ),
        unread,
        null,
    ];
    let tenants = Tenants::of(all.clone());
    for tenant in all {
        let name = tenant.name_any();
        let again = tenants.get(&name).expect("it is there");
        assert!(is_same(&again, &tenant), "{again:?}");
    }
    assert!(tenants.get("another").is_none());
    assert_eq!(tenants.matching(|tenant| !tenant.spec.unread.is_empty()), ["unread"]);
    let mut parts: Vec<(String, Value)> = tenants.parts();
    parts.sort_by(|(a, _), (b, _)| a.cmp(b));
    let tiers: Vec<_> = parts
        .iter()
        .map(|(name, part)| (name.as_str(), &part["spec"]["tier"]))
        .collect();
    let gold = json!("gold");
    assert_eq!(
        tiers,
        [("more", &gold), ("null", &gold), ("plain", &gold), ("unread", &gold)]
    );
}

#[test]
fn tenants_are_shown_when_their_list_is_whole_and_go_with_their_names() {
    let (tenants, mut cache) = Tenants::new();
    update(&mut cache, Event::Init);
    for name in ["a", "b"] {
        update(&mut cache, Event::InitApply(tenant(name, 1, json!({}))));
    }
    assert!(
        !tenants.contains("a") && tenants.get("a").is_none(),
        "the list is not whole"
    );
    assert_eq!(update(&mut cache, Event::InitDone).len(), 3);
    assert!(tenants.get("a").is_some());

    update(&mut cache, Event::Apply(tenant("a", 2, json!({"tier": "silver"}))));
    assert_eq!(tenants.get("a").expect("it is there").spec.tier, "silver");
    assert_eq!(
        update(&mut cache, Event::Delete(tenant("a", 3, json!({})))),
        [Change::Deleted("a".into())]
    );
    assert!(tenants.get("a").is_none());

    update(&mut cache, Event::Init);
    update(&mut cache, Event::InitApply(tenant("c", 4, json!({}))));
    assert_eq!(tenants.all_names(), ["b"]);
    update(&mut cache, Event::InitDone);
    assert_eq!(tenants.all_names(), ["c"]);
    assert_eq!(tenants.lock().all.len(), 1, "nothing is left of the others");
}

#[test]
fn peers_are_known_until_nobody_names_them() {
    let (tenants, mut cache) = Tenants::new();
    update(&mut cache, Event::Init);
    for tenant in [naming("a", "b"), naming("b", "a"), naming("c", "a")] {
        update(&mut cache, Event::InitApply(tenant));
    }
    update(&mut cache, Event::InitDone);
    assert_eq!(tenants.naming("a"), ["b", "c"]);
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(tenants.agreed(), BTreeSet::from([pair("a", "b"), pair("b", "a")]));
    update(&mut cache, Event::Apply(tenant("b", 2, json!({}))));
    assert_eq!(
        (tenants.naming("a"), tenants.agreed()),
        (vec!["c".to_owned()], BTreeSet::new())
    );
    update(&mut cache, Event::Delete(naming("c", "a")));
    assert!(tenants.naming("a").is_empty());
}
