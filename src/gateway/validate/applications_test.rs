//! Namespaces in which shared applications may be, and those in which they never are.

use super::*;
use crate::gateway::config::GatewayConfig;
use crate::tenant::fixtures::{gateway_config, tenant, tier, validate, world};
use serde_json::{Value, json};

/// A tenant that has nothing of its own, led to an application by this backend.
fn sharer(backend: &Value) -> Value {
    json!({
        "isolation": {"model": "SharedData"},
        "gateway": {"hosts": ["acme.example.com"], "routes": [{"backend": backend}]},
    })
}

fn plan(namespace: &str) -> Value {
    json!({"gateway": {"applications": [
        {"name": "crm", "namespace": namespace, "service": "web", "port": 80},
        {"name": "chat", "namespace": "applications", "service": "chat", "port": 8080},
    ]}})
}

fn way(backend: &Value, plan: Value, world: &World) -> Result<GatewayConfig, Vec<String>> {
    let valid = validate(&tenant(sharer(backend)), &tier(plan), world);
    let valid = valid.map_err(|reasons| reasons.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok(gateway_config(&valid, &[]))
}

fn judged(backend: &Value, plan: Value, world: &World) -> Result<Option<Backend>, Vec<String>> {
    let gateway = way(backend, plan, world)?.gateway;
    let first = gateway.routes[0].targets.first();
    Ok(first.map(|target| target.backend.clone()))
}

fn refusal(backend: &Value, plan: Value, world: &World) -> String {
    let reasons = judged(backend, plan, world).expect_err("refused");
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons[0].clone()
}

#[test]
fn a_tenant_without_workloads_is_led_to_what_its_tier_names() {
    let found = judged(&json!({"application": "crm"}), plan("applications"), &world(&[]));
    let expected = Backend {
        service: "web".into(),
        namespace: Some("applications".into()),
        port: 80,
    };
    assert_eq!(found, Ok(Some(expected)));
    // It lets nobody in: there is nothing of its own to be reached.
    let valid = validate(
        &tenant(sharer(&json!({"application": "crm"}))),
        &tier(plan("applications")),
        &world(&[]),
    );
    assert_eq!(valid.expect("valid").core.network.gateway, crate::api::Access::Deny);
}

#[test]
fn no_route_leads_where_the_tier_or_the_platform_does_not() {
    let mut world = world(&[]);
    world.reserved = [("operator".to_string(), "the operator")].into();
    world.application_namespaces = [
        ("applications".to_string(), None),
        ("globex".into(), Some("globex".into())),
        ("operator".into(), None),
        ("kube-system".into(), None),
    ]
    .into();
    let field = "spec.gateway.routes[0].backend";
    for (namespace, why) in [
        ("globex", "which belongs to tenant globex"),
        ("operator", "which is the namespace of the operator"),
        ("kube-system", "which belongs to Kubernetes"),
        (
            "elsewhere",
            "which gateway.applicationNamespaces of the chart does not name",
        ),
    ] {
        assert_eq!(
            refusal(&json!({"application": "crm"}), plan(namespace), &world),
            format!("{field}.application: application crm of tier plan is in namespace {namespace}, {why}")
        );
    }
}

#[test]
fn a_route_to_what_the_tier_does_not_have_leads_nowhere_and_that_is_told() {
    for (plan, known) in [
        (plan("applications"), "its applications are crm, chat"),
        (json!({}), "it has no gateway.applications"),
    ] {
        let gateway = way(&json!({"application": "wiki"}), plan, &world(&[]))
            .expect("valid")
            .gateway;
        assert_eq!(gateway.routes[0].targets, []);
        let [unsupported] = gateway.unsupported.as_slice() else {
            panic!("{:?}", gateway.unsupported);
        };
        assert_eq!(unsupported.reason, "NoSuchApplication");
        assert_eq!(
            unsupported.to_string(),
            format!(
                "spec.gateway.routes[0].backend.application: tier plan has no application wiki, so the gateway answers the route with 503; {known}"
            )
        );
    }
}

#[test]
fn nobody_has_the_namespace_of_shared_applications() {
    let mut world = world(&[]);
    let names = [("acme".to_string(), None), ("acme-more".into(), None)];
    world.application_namespaces = names.into();
    let spec = json!({"namespaces": [{"name": "more"}]});
    let reasons = validate(&tenant(spec), &tier(json!({})), &world).expect_err("refused");
    let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    let expected = [
        "metadata.name: acme is the namespace of shared applications",
        "spec.namespaces[0].name: acme-more is the namespace of shared applications",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn a_backend_is_one_thing() {
    for (backend, reason) in [
        (json!({}), ": needs one of workload and application"),
        (
            json!({"workload": "web", "application": "crm"}),
            ": needs one of workload and application",
        ),
        (
            json!({"application": "crm", "port": "http"}),
            ".port: belongs to a workload: an application has its own",
        ),
    ] {
        let reasons = judged(&backend, plan("applications"), &world(&[])).expect_err("refused");
        let expected = format!("spec.gateway.routes[0].backend{reason}");
        assert!(reasons.contains(&expected), "{reasons:?}");
    }
}
