//! Services and policies of the platform, as the operator reads them.

use super::*;
use futures::FutureExt;
use serde_json::{Value, json};

fn service(spec: Value) -> SharedService {
    let service: Service = serde_json::from_value(json!({"spec": spec})).expect("a Service");
    SharedService::of(&service)
}

fn labels(value: Value) -> BTreeMap<String, String> {
    serde_json::from_value(value).expect("labels")
}

#[test]
fn a_port_leads_where_kubernetes_leads_it() {
    let ports = |spec: Value| {
        let ports = service(spec).ports.into_iter();
        ports
            .map(|(port, target)| (port, serde_json::to_value(target).expect("JSON")))
            .collect::<Vec<_>>()
    };
    let spec = |cluster_ip: &str| {
        json!({"clusterIP": cluster_ip, "selector": {"app": "models"}, "ports": [
            {"port": 80, "targetPort": "http"},
            {"port": 443, "targetPort": 8443, "protocol": "TCP"},
            {"port": 9090},
            {"port": 53, "protocol": "UDP"},
        ]})
    };
    assert_eq!(
        ports(spec("10.96.0.7")),
        [(80, json!("http")), (443, json!(8443)), (9090, json!(9090))]
    );
    // Who dials a pod itself gets the port that it dials.
    assert_eq!(
        ports(spec("None")),
        [(80, json!(80)), (443, json!(443)), (9090, json!(9090))]
    );
    assert_eq!(service(spec("10.96.0.7")).address, "10.96.0.7".parse().ok());
    assert_eq!(service(spec("None")).address, None);
}

#[test]
fn an_alias_and_a_service_without_selector_have_no_pods() {
    let alias = json!({"type": "ExternalName", "externalName": "example.com", "selector": {"app": "models"}});
    for spec in [alias, json!({"ports": [{"port": 80}]}), json!({})] {
        assert!(service(spec.clone()).selector.is_empty(), "{spec}");
    }
}

#[test]
fn only_a_policy_that_certainly_selects_every_pod_restricts_them() {
    let pods = labels(json!({"app": "models", "tier": "ai"}));
    for (selector, expected) in [
        (json!({}), true),
        (json!({"matchLabels": {"app": "models"}}), true),
        (json!({"matchLabels": {"app": "models", "version": "1"}}), false),
        (json!({"matchLabels": {"app": "other"}}), false),
        (
            json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["ai", "web"]}]}),
            true,
        ),
        (
            json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}),
            true,
        ),
        (
            json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["ai"]}]}),
            false,
        ),
        // Pods may have the label, or not.
        (
            json!({"matchExpressions": [{"key": "version", "operator": "NotIn", "values": ["1"]}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "version", "operator": "DoesNotExist"}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
            true,
        ),
        (json!({"matchExpressions": [{"key": "app", "operator": "Like"}]}), false),
    ] {
        let parsed: LabelSelector = serde_json::from_value(selector.clone()).expect("a selector");
        assert_eq!(selects_all(&parsed, &pods), expected, "{selector}");
    }
    for (spec, restricts) in [
        (json!({"podSelector": {}}), true),
        (json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}), true),
        (json!({"podSelector": {}, "policyTypes": ["Egress"]}), false),
    ] {
        let policy: NetworkPolicy = serde_json::from_value(json!({"spec": spec})).expect("a policy");
        assert_eq!(restriction(&policy).is_some(), restricts, "{spec}");
    }
}

#[test]
fn a_change_concerns_those_who_read_the_namespace() {
    let services = SharedServices::default();
    let name = |name: &str| ("applications".to_string(), name.to_string());
    let models = service(json!({"selector": {"app": "models"}, "ports": [{"port": 80}]}));
    assert!(services.put_service("applications", "models", Some(models.clone())));
    assert!(!services.put_service("applications", "models", Some(models.clone())));
    assert_eq!(
        services.read("acme", [name("models"), name("other")]),
        [(name("models"), models)].into()
    );
    assert_eq!(services.readers("applications"), ["acme"]);
    assert!(services.readers("elsewhere").is_empty());
    let everything = Some(LabelSelector::default());
    assert!(services.put_restriction("applications", "deny", everything));
    assert!(services.read("acme", [name("models")])[&name("models")].is_restricted);
    assert!(services.put_restriction("applications", "deny", None));
    assert!(!services.read("acme", [name("models")])[&name("models")].is_restricted);
    services.read("acme", []);
    assert!(services.readers("applications").is_empty());
}

#[test]
fn nothing_is_known_before_both_lists_are_whole() {
    let services = SharedServices::default();
    let namespaces = ["applications".to_string()];
    let is_listed = || services.listed(&namespaces).now_or_never().is_some();
    assert!(!is_listed());
    services.put_service("applications", "models", Some(SharedService::default()));
    assert!(!services.retain_services("applications", &["models".to_string()].into()));
    assert!(!is_listed());
    services.retain_restrictions("applications", &BTreeSet::new());
    assert!(is_listed());
    assert!(services.retain_services("applications", &BTreeSet::new()));
    assert!(
        services
            .read("acme", [("applications".into(), "models".into())])
            .is_empty()
    );
}
