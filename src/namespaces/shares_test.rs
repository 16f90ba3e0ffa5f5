//! Every kind that owners may create is bounded, in every namespace.

use super::OBJECTS;
use crate::capability::ValidTenant;
use crate::tenant::fixtures::acme;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the chart's role of Admins, which has all of the others', lets them create: as keys of a quota.
fn creatable() -> BTreeSet<String> {
    let path = format!("{}/config/rbac/tenant-admin.yaml", env!("CARGO_MANIFEST_DIR"));
    let role: Value = serde_yaml::from_str(&std::fs::read_to_string(path).expect("the role")).expect("YAML");
    let texts = |rule: &Value, field: &str| -> Vec<String> {
        serde_json::from_value(rule[field].clone()).unwrap_or_else(|_| panic!("{field} of {rule}"))
    };
    let mut keys = BTreeSet::new();
    for rule in role["rules"].as_array().expect("rules") {
        if !texts(rule, "verbs")
            .iter()
            .any(|verb| ["create", "*"].contains(&verb.as_str()))
        {
            continue;
        }
        for group in texts(rule, "apiGroups") {
            // A subresource is no object.
            for resource in texts(rule, "resources")
                .iter()
                .filter(|resource| !resource.contains('/'))
            {
                let name = [resource.as_str(), &group].join(".");
                keys.insert(format!("count/{}", name.trim_end_matches('.')));
            }
        }
    }
    keys
}

#[test]
fn whatever_owners_may_create_is_bounded() {
    let creatable = creatable();
    assert!(
        creatable.len() > 15 && creatable.contains("count/jobs.batch"),
        "{creatable:?}"
    );
    let bounded: BTreeSet<String> = OBJECTS.iter().map(|(key, _)| key.to_string()).collect();
    let open: Vec<&String> = creatable.difference(&bounded).collect();
    assert_eq!(open, Vec::<&String>::new(), "can fill the cluster's store");
    // StatefulSets and DaemonSets have as many as their owners like.
    let besides: Vec<&str> = bounded.difference(&creatable).map(String::as_str).collect();
    assert_eq!(besides, ["count/controllerrevisions.apps"]);
    assert!(OBJECTS.iter().all(|(_, count)| *count > 0));

    let docs = std::fs::read_to_string(format!("{}/docs/tenants.md", env!("CARGO_MANIFEST_DIR"))).expect("docs");
    for (key, count) in OBJECTS {
        assert!(
            docs.contains(&format!("| `{key}` | {count} |")),
            "docs/tenants.md lacks {key}: {count}"
        );
    }
}

fn bounds(valid: &ValidTenant, key: &str) -> (String, Vec<String>) {
    let shares = valid
        .core
        .namespaces
        .iter()
        .map(|namespace| namespace.quota[key].0.clone());
    (valid.core.quota[key].0.clone(), shares.collect())
}

#[test]
fn each_namespace_has_room_unless_a_plan_says_otherwise() {
    let spec = || json!({"namespaces": [{"name": "b", "quota": {"pods": 900}}, {"name": "c"}]});
    let texts = |texts: [&str; 3]| texts.map(String::from).to_vec();
    let valid = acme(spec(), json!({"quota": {"pods": 1000, "secrets": 3, "services": 600}}));
    for (key, total, shares) in [
        ("count/jobs.batch", "750", ["250", "250", "250"]),
        ("count/secrets", "750", ["250", "250", "250"]),
        // Never less than what is bounded by the kind's other name.
        ("count/pods", "2800", ["500", "1800", "500"]),
        ("count/services", "1200", ["400", "400", "400"]),
    ] {
        assert_eq!(bounds(&valid, key), (total.to_string(), texts(shares)), "{key}");
    }
    // What a plan or a tenant says is said of all namespaces together, as ever.
    let plan = json!({"quota": {"pods": 1000, "count/jobs.batch": 5}});
    let mut own = spec();
    own["quota"] = json!({"count/roles.rbac.authorization.k8s.io": 2000});
    let valid = acme(own, plan);
    assert_eq!(bounds(&valid, "count/jobs.batch"), ("5".into(), texts(["3", "1", "1"])));
    assert_eq!(bounds(&valid, "count/roles.rbac.authorization.k8s.io").0, "2k");
}
