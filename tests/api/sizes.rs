//! Values of 10,000 characters, wherever a string of ours can stand.

use crate::harness::Dry;
use crate::support::refused;
use anyhow::Result;
use serde_json::{Value, json};

const LONG: usize = 10_000;

#[tokio::test]
async fn a_tenant_refuses_them() -> Result<()> {
    let dry = Dry::tenant().await?;
    let long = "x".repeat(LONG);
    refused("a long name", dry.create(&long, json!({})).await, &[])?;
    let workload = |fields: Value| {
        let mut workload = json!({"name": "w"});
        crate::support::scene::lay_over(&mut workload, fields);
        json!({"workloads": [workload]})
    };
    let cases = [
        ("id", json!({"id": long})),
        ("displayName", json!({"displayName": long})),
        ("tier", json!({"tier": long})),
        ("isolation.model", json!({"isolation": {"model": long}})),
        (
            "owners[0].name",
            json!({"owners": [{"kind": "User", "name": long, "role": "Admin"}]}),
        ),
        (
            "owners[0].apiGroup",
            json!({"owners": [{"kind": "User", "apiGroup": long, "name": "a", "role": "Admin"}]}),
        ),
        (
            "owners[0].namespace",
            json!({"owners": [{"kind": "ServiceAccount", "name": "a", "namespace": long, "role": "Admin"}]}),
        ),
        ("namespaces[0].name", json!({"namespaces": [{"name": long}]})),
        (
            "quota.requests.cpu",
            json!({"quota": {"requests.cpu": "1".repeat(LONG)}}),
        ),
        ("cidr", json!({"network": {"egress": {"to": [{"cidr": long}]}}})),
        (
            "tenants[0].name",
            json!({"network": {"ingress": {"tenants": [{"name": long}]}}}),
        ),
        ("workloads[0].name", json!({"workloads": [{"name": long}]})),
        ("image", workload(json!({"image": long}))),
        ("command[0]", workload(json!({"command": [long]}))),
        ("args[0]", workload(json!({"args": [long]}))),
        (
            "ports[0].name",
            workload(json!({"ports": [{"name": long, "containerPort": 80}]})),
        ),
        (
            "volumes[0].name",
            workload(json!({"volumes": [{"name": long, "emptyDir": {}}]})),
        ),
        (
            "volumeClaims[0].name",
            workload(json!({"volumeClaims": [{"name": long, "mountPath": "/d", "storage": "1"}]})),
        ),
        (
            "mountPath",
            workload(json!({"volumeClaims": [{"name": "d", "mountPath": format!("/{long}"), "storage": "1"}]})),
        ),
        (
            "storageClassName",
            workload(
                json!({"volumeClaims": [{"name": "d", "mountPath": "/d", "storage": "1", "storageClassName": long}]}),
            ),
        ),
    ];
    for (field, spec) in cases {
        dry.refuses(field, spec, &[field]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_tier_refuses_them() -> Result<()> {
    let dry = Dry::tier().await?;
    let long = "x".repeat(LONG);
    let cases = [
        ("displayName", json!({"displayName": long})),
        ("podSecurity", json!({"podSecurity": long})),
        ("priorityClassName", json!({"scheduling": {"priorityClassName": long}})),
        ("runtimeClassName", json!({"scheduling": {"runtimeClassName": long}})),
        ("quota.pods", json!({"quota": {"pods": "1".repeat(LONG)}})),
    ];
    for (field, spec) in cases {
        dry.refuses(field, spec, &[field]).await?;
    }
    Ok(())
}
