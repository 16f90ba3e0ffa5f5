//! Applications that can be opened, and the reasons against the others.

use super::*;
use crate::tenant::fixtures::{opening, tier, world, world_with_services};
use serde_json::{Value, json};

fn models(more: Value) -> Value {
    let mut spec = json!({"selector": {"app": "models"}, "ports": [{"port": 80, "targetPort": 8080}]});
    crate::testing::lay_over(&mut spec, more);
    spec
}

fn resolved(plan: Value, world: &World) -> Result<Option<ValidApplications>, Vec<String>> {
    let mut reasons = Vec::new();
    let valid = resolve(&tier(plan), world, &mut reasons);
    match reasons.is_empty() {
        true => Ok(valid),
        false => Err(reasons.iter().map(ToString::to_string).collect()),
    }
}

fn closed(world: &World) -> (String, String) {
    let valid = resolved(opening(&["models"]), world).expect("valid").expect("a part");
    assert!(valid.open.is_empty(), "{valid:?}");
    let [note] = valid.closed.as_slice() else {
        panic!("{:?}", valid.closed);
    };
    (note.reason.into(), note.message.clone())
}

#[test]
fn a_service_is_open_at_the_ports_that_the_tier_names() {
    let world = world_with_services(&[(
        "models",
        models(json!({"ports": [{"port": 80, "targetPort": 8080}, {"port": 81}]})),
    )]);
    let valid = resolved(opening(&["models"]), &world).expect("valid").expect("a part");
    let open = OpenService {
        labels: [("app".to_string(), "models".to_string())].into(),
        ports: [(80, IntOrString::Int(8080))].into(),
    };
    assert_eq!(valid.open, [(("applications".into(), "models".into()), open)].into());
    assert!(valid.closed.is_empty());
    assert_eq!(resolved(json!({}), &world), Ok(None));
    let unopened = json!({"gateway": opening(&["models"])["gateway"]});
    assert_eq!(resolved(unopened, &world), Ok(None));
}

#[test]
fn whatever_the_cluster_lacks_keeps_an_application_closed_and_is_named() {
    let with = |spec: Value| world_with_services(&[("models", spec)]);
    let mut unrestricted = with(models(json!({})));
    for service in unrestricted.shared_services.iter_mut().flatten() {
        service.1.is_restricted = false;
    }
    for (world, reason, words) in [
        (world_with_services(&[]), "NoSuchService", "does not exist: create it"),
        (
            with(json!({"ports": [{"port": 80}]})),
            "UnsuitableService",
            "has no selector",
        ),
        (
            with(models(json!({"type": "ExternalName"}))),
            "UnsuitableService",
            "has no selector",
        ),
        (
            with(models(json!({"ports": [{"port": 8080}]}))),
            "UnsuitableService",
            "has no TCP port 80",
        ),
        (
            with(models(json!({"ports": [{"port": 80, "protocol": "UDP"}]}))),
            "UnsuitableService",
            "has no TCP port 80",
        ),
        (
            unrestricted,
            "UnrestrictedPods",
            "restrict their ingress by a NetworkPolicy",
        ),
    ] {
        let (found, message) = closed(&world);
        assert_eq!(found, reason, "{message}");
        assert!(
            message.starts_with("application models: Service applications/models ") && message.contains(words),
            "{message}"
        );
    }
}

#[test]
fn one_that_is_closed_closes_no_other() {
    let world = world_with_services(&[("models", models(json!({})))]);
    let valid = resolved(opening(&["orders", "models"]), &world)
        .expect("valid")
        .expect("a part");
    assert_eq!((valid.open.len(), valid.closed.len()), (1, 1));
}

#[test]
fn a_mistake_of_tier_or_chart_makes_the_tenant_invalid() {
    let mut known = world_with_services(&[("models", models(json!({})))]);
    known.reserved = [("operator".to_string(), "the operator")].into();
    known
        .application_namespaces
        .insert("globex".into(), Some("globex".into()));
    known.application_namespaces.insert("kube-system".into(), None);
    let field = "spec.tier: the tier's network.egress.applications";
    let in_namespace = |namespace: &str| {
        let mut plan = opening(&["models"]);
        plan["gateway"]["applications"][0]["namespace"] = json!(namespace);
        plan
    };
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
            resolved(in_namespace(namespace), &known),
            Err(vec![format!(
                "{field}[0]: application models is in namespace {namespace}, {why}"
            )])
        );
    }
    let mut unknown = opening(&["models"]);
    unknown["network"]["egress"]["applications"] = json!(["models", "orders"]);
    assert_eq!(
        resolved(unknown, &known),
        Err(vec![format!(
            "{field}[1]: orders is none of the tier's gateway.applications"
        )])
    );
    assert_eq!(
        resolved(opening(&["models"]), &world(&[])),
        Err(vec![format!(
            "{field}: the operator may open no application to pods: set network.applicationPolicies in the chart"
        )])
    );
}
