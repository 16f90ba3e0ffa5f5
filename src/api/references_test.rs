//! Fields of our resources that could name something in another namespace; the test fails on one that is not in its list.

use super::crds;
use serde_json::Value;

/// Every property below a schema, with its path.
fn walk<'a>(schema: &'a Value, path: &str, found: &mut Vec<(String, &'a Value)>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        found.push((path.clone(), property));
        walk(property, &path, found);
    }
    for (field, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[field].is_object() {
            walk(&schema[field], &format!("{path}{mark}"), found);
        }
    }
}

/// The fields that people write, of all resources.
fn fields(crds: &[Value]) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for crd in crds {
        let kind = crd["spec"]["names"]["kind"].as_str().expect("a kind");
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        walk(spec, kind, &mut found);
    }
    found
}

#[test]
fn a_namespace_is_named_only_where_that_opens_nothing() {
    let crds = crds();
    let named = fields(&crds)
        .into_iter()
        .filter(|(path, _)| path.ends_with(".namespace"));
    let named: Vec<String> = named.map(|(path, _)| path).collect();
    let template = "volumes[].ephemeral.volumeClaimTemplate";
    let mut expected = vec![
        // A ServiceAccount that becomes an owner; not one of another tenant's or of the system.
        "Tenant.owners[].namespace".to_string(),
        // An application's namespace, which the platform's chart names too, and no tenant can have.
        "TenantTier.gateway.applications[].namespace".to_string(),
    ];
    for kind in ["Tenant", "TenantTier"] {
        // A claim that Kubernetes creates in the pod's own namespace; foreign data needs a grant in that namespace.
        expected.push(format!("{kind}.workloads[].{template}.spec.dataSourceRef.namespace"));
    }
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    assert_eq!(sorted(named), sorted(expected));
}

/// A tenant's user who writes such a resource must not make the operator read on their behalf what they cannot read (CVE-2026-39961).
#[test]
fn the_operator_reads_no_secret_that_a_tenant_could_name() {
    let crds = crds();
    let all = fields(&crds);
    let read: Vec<&str> = all
        .iter()
        .filter(|(path, _)| path.ends_with("SecretRef"))
        .map(|(path, _)| path.as_str())
        .collect();
    // Secrets of the operator's namespace, in a resource that only the platform writes.
    assert_eq!(
        read,
        ["DatabaseServer.adminSecretRef", "DatabaseServer.tls.caSecretRef"]
    );
    for (path, schema) in all.iter().filter(|(path, _)| path.ends_with("SecretRef")) {
        let properties = schema["properties"].as_object().expect("properties");
        assert!(
            !properties.contains_key("namespace"),
            "{path} could name another namespace"
        );
        assert!(properties.contains_key("name"), "{path}");
    }
}
