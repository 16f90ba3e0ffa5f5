//! Routes with several targets.

use crate::capability::World;
use crate::gateway::ValidGateway;
use crate::tenant::fixtures::{tenant, tier, validate, world};
use serde_json::{Value, json};

fn resolved(route: Value) -> Result<ValidGateway, Vec<String>> {
    let workload =
        |name: &str| json!({"name": name, "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]});
    let spec = json!({
        "network": {"ingress": {"gateway": "Allow"}},
        "workloads": [workload("stable"), workload("canary")],
        "gateway": {"hosts": ["acme.example.com"], "routes": [route]},
    });
    let plan = json!({"gateway": {"applications": [{"name": "crm", "namespace": "applications", "service": "crm", "port": 80}]}});
    let world = World {
        shared_hosts: Some(Vec::new()),
        ..world(&[])
    };
    let valid = validate(&tenant(spec), &tier(plan), &world);
    let reasons = valid.as_ref().err().into_iter().flatten();
    let reasons: Vec<String> = reasons.map(ToString::to_string).collect();
    valid.ok().and_then(|valid| valid.part().cloned()).ok_or(reasons)
}

/// The Services of a route's targets, and their weights.
fn shares(route: Value) -> Vec<(String, i32)> {
    let way = resolved(route).expect("valid");
    let targets = way.routes[0].targets.iter();
    targets
        .map(|target| (target.backend.service.clone(), target.weight))
        .collect()
}

#[test]
fn a_share_is_by_weight_and_one_without_any_is_left_out() {
    let shares = |backends: Value| shares(json!({"backends": backends}));
    let both = [("stable".to_string(), 90), ("canary".to_string(), 10)];
    assert_eq!(
        shares(json!([{"workload": "stable", "weight": 90}, {"workload": "canary", "weight": 10}])),
        both
    );
    assert_eq!(
        shares(json!([{"workload": "stable"}, {"application": "crm"}, {"workload": "canary", "weight": 0}])),
        [("stable".to_string(), 1), ("crm".to_string(), 1)]
    );
}

#[test]
fn what_the_tier_lacks_leaves_its_share_to_the_others() {
    let way = resolved(json!({"backends": [{"workload": "stable"}, {"application": "wiki"}]})).expect("valid");
    assert_eq!(way.routes[0].targets.len(), 1);
    let said: Vec<String> = way.unsupported.iter().map(ToString::to_string).collect();
    let [said] = said.as_slice() else { panic!("{said:?}") };
    assert!(
        said.starts_with("spec.gateway.routes[0].backends[1].application: tier plan has no application wiki"),
        "{said}"
    );
    assert!(said.contains("its share of the requests goes to"), "{said}");
}

#[test]
fn each_target_is_one_of_its_own_and_some_get_requests() {
    let stable = || json!({"workload": "stable"});
    for (route, reason) in [
        (json!({}), ": needs one of backend and backends"),
        (json!({"backends": []}), ": needs one of backend and backends"),
        (
            json!({"backend": stable(), "backends": [stable()]}),
            ": needs one of backend and backends",
        ),
        (
            json!({"backends": [{"workload": "stable", "weight": 0}]}),
            ".backends: every weight is 0",
        ),
        (
            json!({"backends": [{"workload": "stable", "fallback": true}]}),
            ".backends: every weight is 0, or of a fallback",
        ),
        (
            json!({"backends": [stable(), {"workload": "canary", "fallback": true}, {"application": "crm", "fallback": true}]}),
            ".backends[2].fallback: is the second fallback",
        ),
        (
            json!({"backends": [stable(), {"workload": "none"}]}),
            ".backends[1].workload: there is no workload none",
        ),
        (
            json!({"backends": [stable(), stable()]}),
            ".backends[1]: leads to the same port",
        ),
        (
            json!({"backends": [stable(), {}]}),
            ".backends[1]: needs one of workload and application",
        ),
    ] {
        let reasons = resolved(route.clone()).expect_err("refused");
        let expected = format!("spec.gateway.routes[0]{reason}");
        assert!(
            reasons.len() == 1 && reasons[0].starts_with(&expected),
            "{route}: {reasons:?}"
        );
    }
}

#[test]
fn a_fallback_without_others_is_a_backend_like_any() {
    let fallbacks = |first: Value| {
        let route = json!({"backends": [first, {"workload": "canary", "fallback": true}]});
        let way = resolved(route).expect("valid");
        let targets = way.routes[0].targets.iter();
        targets.map(|target| target.is_fallback).collect::<Vec<_>>()
    };
    assert_eq!(fallbacks(json!({"workload": "stable"})), [false, true]);
    assert_eq!(fallbacks(json!({"application": "wiki"})), [false]);
}
