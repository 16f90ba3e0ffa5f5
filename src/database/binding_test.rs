//! How pods come to their database.

use super::*;
use crate::capability::Reach;
use crate::cluster::Kind;
use crate::tenant::fixtures::{acme, plan, platform};
use serde_json::{Value, json};

fn attached(revision: Option<&str>, update: &str) -> (Value, Value) {
    attached_to(true, revision, update)
}

fn attached_to(verified: bool, revision: Option<&str>, update: &str) -> (Value, Value) {
    let workload = json!({"name": "web", "image": "web:1", "configurationUpdate": update});
    let mut tenant = acme(json!({"database": {}, "workloads": [workload]}), json!({}));
    tenant.set(Attachment {
        reach: vec![
            Reach::Addresses("10.9.0.5/32".parse().expect("a CIDR")),
            Reach::Namespace("databases".into()),
        ],
        port: 5433,
        verified,
        bounds_tls: !verified,
        revision: revision.map(String::from),
    });
    let environment = plan(&tenant, &platform());
    let find = |kind: Kind, name: &str| {
        let mut objects = environment.objects();
        let found = objects.find(|object| object.key.kind == kind && object.key.name == name);
        found.map(|object| object.value.clone()).unwrap_or_default()
    };
    let policy = find(Kind::NetworkPolicy, "tenant-operator-allow-database");
    (find(Kind::Deployment, "web")["spec"]["template"].clone(), policy)
}

#[test]
fn pods_reach_the_server_and_nothing_else_there() {
    let (_, policy) = attached(None, "Restart");
    let expected = json!([{
        "ports": [{"port": 5433, "protocol": "TCP"}],
        "to": [
            {"ipBlock": {"cidr": "10.9.0.5/32"}},
            {"namespaceSelector": {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["databases"]}
            ]}}
        ]
    }]);
    assert_eq!(policy["spec"]["egress"], expected);
    assert_eq!(policy["spec"]["ingress"], Value::Null);
}

#[test]
fn credentials_come_by_reference_only() {
    let (template, _) = attached(Some("0-1767225600"), "Restart");
    let container = &template["spec"]["containers"][0];
    let env = container["env"].as_array().expect("variables");
    for name in VARIABLES {
        let variable = env.iter().find(|variable| variable["name"] == name).expect(name);
        assert_eq!(
            variable["valueFrom"]["secretKeyRef"]["name"], "tenant-database",
            "{name}"
        );
        assert_eq!(variable["value"], Value::Null, "{name}");
    }
    let required = |verified, name: &str| {
        let (template, _) = attached_to(verified, Some("0-1767225600"), "Restart");
        let env = template["spec"]["containers"][0]["env"].clone();
        let found = env
            .as_array()
            .and_then(|env| env.iter().find(|variable| variable["name"] == name).cloned());
        found.map(|variable| variable["valueFrom"]["secretKeyRef"].clone())
    };
    for name in ["PGREQUIREAUTH", "PGSSLMINPROTOCOLVERSION"] {
        assert_eq!(required(true, name), None);
        assert_eq!(required(false, name).expect(name)["key"], name);
    }
    let mount = json!({"name": "tenant-database", "mountPath": "/bindings/database", "readOnly": true});
    assert_eq!(container["volumeMounts"], json!([mount]));
    assert_eq!(
        template["spec"]["volumes"][0]["secret"]["secretName"],
        "tenant-database"
    );
}

#[test]
fn new_credentials_replace_pods_unless_they_reload() {
    let annotation = |revision, update| {
        let (template, _) = attached(revision, update);
        template["metadata"]["annotations"][names::CREDENTIALS_REVISION].clone()
    };
    assert_eq!(annotation(Some("0-1"), "Restart"), json!("0-1"));
    assert_eq!(annotation(Some("1-2"), "Restart"), json!("1-2"));
    assert_eq!(annotation(Some("0-1"), "Reload"), Value::Null);
    assert_eq!(annotation(None, "Restart"), Value::Null);
}
