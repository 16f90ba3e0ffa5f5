//! `render` refuses what the API server refuses, with the same fields and messages.

use crate::harness::cluster;
use crate::support::{Cluster, path};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tenant_operator::cli::definitions::Definitions;

/// The API server's causes, as `render` writes them.
fn servers(error: &kube::Error) -> Result<BTreeSet<String>> {
    let kube::Error::Api(status) = error else {
        anyhow::bail!("no answer of the API server: {error}");
    };
    // Unknown fields are refused before anything else, and in one sentence.
    if let Some((_, unknown)) = status.message.split_once("strict decoding error: ") {
        let fields = unknown.split(", ").map(|one| format!("strict decoding error: {one}"));
        return Ok(fields.collect());
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let causes = causes.filter(|cause| !cause.message.contains("Checked value must be of type"));
    let texts = causes.map(|cause| match cause.field.as_str() {
        "" | "<nil>" => cause.message.clone(),
        field => format!("{field}: {}", cause.message),
    });
    Ok(texts.collect())
}

/// Both judges of an object.
struct Judges {
    definitions: Definitions,
    cluster: Cluster,
}

impl Judges {
    async fn new() -> Result<Self> {
        Ok(Self {
            definitions: Definitions::new()?,
            cluster: cluster().await?,
        })
    }
}

/// Compares both on one object.
async fn alike(judges: &Judges, kind: &str, plural: &str, object: &Value) -> Result<()> {
    let Judges { definitions, cluster } = judges;
    let strict = path(plural, "", "") + "?dryRun=All&fieldValidation=Strict";
    let answer = cluster.create(&strict, object).await;
    let ours: BTreeSet<String> = definitions
        .causes(kind, object)
        .iter()
        .map(ToString::to_string)
        .collect();
    match &answer {
        Ok(_) => ensure!(ours.is_empty(), "only render refuses {object}: {ours:#?}"),
        Err(error) => {
            let theirs = servers(error)?;
            ensure!(
                !theirs.is_empty(),
                "the API server says no reason against {object}: {error}"
            );
            ensure!(
                ours == theirs,
                "{object}: render says {ours:#?}, and the API server {theirs:#?}"
            );
        }
    }
    Ok(())
}

fn object(kind: &str, spec: Value) -> Value {
    json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": kind, "metadata": {"name": "refusals"}, "spec": spec})
}

#[tokio::test]
async fn tenants_are_refused_alike() -> Result<()> {
    let judges = Judges::new().await?;
    let workload = |fields: Value| {
        let mut whole = json!({"name": "web", "image": "web:1"});
        crate::support::scene::lay_over(&mut whole, fields);
        json!({"tier": "plan", "workloads": [whole]})
    };
    let port = |name: &str, number: i64| json!({"name": name, "containerPort": number});
    let key = |end: &str| json!({"tier": "plan", "gateway": {"authentication": {"apiKeys": [{"name": "a", "expiresAt": end}]}}});
    let many: Vec<Value> = (0..65)
        .map(|_| json!({"kind": "User", "name": "u", "role": "Admin"}))
        .collect();
    let keys: serde_json::Map<String, Value> = (0..65).map(|i| (format!("count/a{i}.b"), json!(1))).collect();
    for spec in [
        workload(json!({})),
        workload(json!({"replicas": -3})),
        workload(json!({"replicas": 10001})),
        workload(json!({"replicas": "1"})),
        workload(json!({"replicas": 1.5})),
        workload(json!({"replicas": true})),
        workload(json!({"replicas": {}})),
        workload(json!({"replicas": []})),
        workload(json!({"ports": [port("-a", 99_999)]})),
        workload(json!({"ports": [port("8080", 8080)]})),
        workload(json!({"ports": [port("a--b", 0)]})),
        workload(json!({"ports": [port("a", 1), port("a", 2)]})),
        workload(json!({"ports": [port("a", 1), port("b", 1)]})),
        workload(json!({"ports": [port("a", 1), {"name": "b", "containerPort": 1, "protocol": "TCP"}]})),
        workload(json!({"ports": [port("a", 1), {"name": "b", "containerPort": 1, "protocol": "UDP"}]})),
        workload(json!({"ports": [{"containerPort": 1}, {"containerPort": 2}]})),
        workload(json!({"replicas": 1, "autoscaling": {"minReplicas": 3, "maxReplicas": 2}})),
        workload(json!({"autoscaling": {"minReplicas": 3}})),
        workload(json!({"volumes": [{"name": "v"}, {"name": "V", "emptyDir": {}}]})),
        workload(
            json!({"volumeClaims": [{"name": "a", "mountPath": "a", "storage": "-1", "storageClassName": "a_b"}]}),
        ),
        workload(json!({"volumeClaims": [{"name": "a", "mountPath": "/a", "storage": -1, "accessModes": []}]})),
        workload(json!({"livenessProbe": {"httpGet": {"port": true}}})),
        workload(json!({"livenessProbe": {"httpGet": {"port": 0}}})),
        workload(json!({"env": [{"value": "x"}]})),
        workload(json!({"command": ["x".repeat(5000)]})),
        workload(json!({"imagePullPolicy": null})),
        workload(json!({"imagePullPolicy": "Sometimes"})),
        workload(json!({"image": " a"})),
        json!({}),
        json!({"tier": ""}),
        json!({"tier": null}),
        json!({"tier": 5}),
        json!({"tier": "x".repeat(254)}),
        json!({"tier": "é".repeat(200)}),
        json!({"tier": "plan", "suspend": "yes", "displayName": "x".repeat(300)}),
        json!({"tier": "plan", "isolation": {"model": "None"}}),
        json!({"tier": "plan", "isolation": {}}),
        json!({"tier": "plan", "teir": 1, "workloads": [{"name": "a", "env": [{"name": "X", "valu": 1}]}]}),
        json!({"tier": "plan", "owners": many}),
        json!({"tier": "plan", "owners": [null]}),
        json!({"tier": "plan", "owners": null, "suspend": null, "quota": {"pods": null}, "configuration": {"a": null}}),
        json!({"tier": "plan", "owners": [{"kind": "User", "name": "system:a", "namespace": "x", "role": "Admin", "apiGroup": "x"}]}),
        json!({"tier": "plan", "owners": [{"kind": 5, "name": "u", "role": "Admin"}]}),
        json!({"tier": "plan", "quota": {"pods": -1, "cpu": "x", "memory": 1.5, "requests.cpu": true}}),
        json!({"tier": "plan", "quota": keys}),
        json!({"tier": "plan", "quota": [1]}),
        json!({"tier": "plan", "id": "A"}),
        json!({"tier": "plan", "database": {"extensions": ["a", "b", "a", "a"]}}),
        json!({"tier": "plan", "namespaces": [{"name": "a"}, {"name": "a"}, null]}),
        json!({"tier": "plan", "workloads": [{"name": "a"}, {"name": "a"}, {"name": "a"}]}),
        json!({"tier": "plan", "credentials": {"rotationInterval": "10s"}}),
        json!({"tier": "plan", "credentials": {"rotationInterval": "1h", "overlap": "2h"}}),
        json!({"tier": "plan", "credentials": {"rotationInterval": "90d", "overlap": "1w"}}),
        json!({"tier": "plan", "credentials": {"rotationInterval": "5", "overlap": ""}}),
        json!({"tier": "plan", "credentials": {"rotationInterval": "99999h99999h99999h99999h", "overlap": "99999ms"}}),
        key("9999-12-31T23:59:59Z"),
        key("2016-12-31T23:59:60Z"),
        key("2027-02-29T00:00:00Z"),
        key("2027-01-31t00:00:00.5z"),
        key("2027-01-31T00:00:00x0+99:99"),
        key("0000-01-01T00:00:00Z"),
        key("2027-01-31T00:00:00Ztt"),
        key("2027-01-31T24:00:00Z"),
        key("2027-01-31"),
        key(""),
        json!({"tier": "plan", "network": {"egress": {"to": [{"cidr": "10.0.0.0/33", "ports": [{"port": 5, "endPort": 4}]}]}}}),
        json!({"tier": "plan", "gateway": {"hosts": ["-", "a_b.example.com"]}}),
        json!({"tier": "plan", "gateway": {"authentication": {"jwt": {
            "issuer": "i", "jwks": {}, "tenantClaim": "a..b", "rolesClaim": "roles[0]", "permissionsClaim": ".p",
            "claimHeaders": [{"claim": "a b", "header": "X-Tenant-ID"}, {"claim": "sub", "header": "X_User"}, {"claim": "sub", "header": "x-envoy-a"}]}}}}),
        json!({"tier": "plan", "configuration": [1]}),
        json!("text"),
        Value::Null,
    ] {
        alike(&judges, "Tenant", "tenants", &object("Tenant", spec)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn tiers_are_refused_alike() -> Result<()> {
    let judges = Judges::new().await?;
    for spec in [
        json!({}),
        json!({"maxNamespaces": 34}),
        json!({"isolation": {"default": "SharedData", "allowed": ["DedicatedNodes"]}}),
        json!({"database": {"statementTimeout": "1d", "lockTimeout": "", "idleInTransactionSessionTimeout": "5"}}),
        json!({"database": {"statementTimeout": "600h", "model": "Schema", "allowed": ["Database"]}}),
        json!({"podSecurity": "privileged"}),
        json!({"roles": [{"name": "a"}, {"name": "a"}]}),
        json!({"network": {"ingress": {"tenants": [{"name": "a"}]}}}),
        json!({"scheduling": {"tolerations": [{"tolerationSeconds": "x"}], "priorityClassName": "A"}}),
        json!({"configurationSchema": []}),
        json!({"gateway": {"rateLimits": [{"unit": "Minute", "requests": 1}, {"unit": "Minute", "requests": 2}]}}),
        json!({"gateway": {"applications": [{"name": "a", "namespace": "kube-x", "service": "s", "port": 0}]}}),
        json!({"containerDefaults": {"limits": {"cpu": "-1"}}}),
        json!({"allowed": {"imageRegistries": ["A"]}}),
        json!({"workloads": [{"name": "web", "replicas": -1}]}),
    ] {
        alike(&judges, "TenantTier", "tenanttiers", &object("TenantTier", spec)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn database_servers_are_refused_alike() -> Result<()> {
    let judges = Judges::new().await?;
    for fields in [
        json!({}),
        json!({"host": "a:1"}),
        json!({"host": "::1"}),
        json!({"port": 0}),
        json!({"database": "postgres"}),
        json!({"database": "ü".repeat(40)}),
        json!({"addresses": ["1.2.3.4/33", "1.2.3.4/32"]}),
        json!({"addresses": ["a", "a"]}),
        json!({"tls": {"mode": "VerifyCA"}}),
        json!({"tls": {"mode": "x"}}),
        json!({"adminSecretRef": {"name": "-"}}),
        json!({"adminSecretRef": null}),
        json!({"operatorConnections": 2}),
        json!({"capacity": {"maxStorage": "x", "maxTenants": 100_001}}),
        json!({"sharedTables": [{"database": "é".repeat(40), "schema": "pg_x", "tables": [], "applicationRoles": ["public"]}]}),
    ] {
        let mut spec = json!({"host": "pg", "database": "tenants", "adminSecretRef": {"name": "pg"}});
        crate::support::scene::lay_over(&mut spec, fields);
        alike(
            &judges,
            "DatabaseServer",
            "databaseservers",
            &object("DatabaseServer", spec),
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn metadata_is_refused_alike() -> Result<()> {
    let judges = Judges::new().await?;
    for metadata in [
        json!({"name": "A"}),
        json!({"name": "a.b"}),
        json!({"name": "kube-x"}),
        json!({"name": "x".repeat(54)}),
        json!({}),
        json!({"name": "a", "labels": {"a b": "c d"}}),
        json!({"name": "a", "labels": {"/x": "", "A_/x": "", "x/y/z": ""}}),
        json!({"name": "a", "annotations": {"-a": "b", "A": "b"}}),
        json!({"name": "a", "annotations": {"a": "x".repeat(262_144)}}),
        json!({"name": "a", "nmae": "b"}),
    ] {
        let mut tenant = object("Tenant", json!({"tier": "plan"}));
        tenant["metadata"] = metadata;
        let context = tenant["metadata"]["name"].to_string();
        alike(&judges, "Tenant", "tenants", &tenant).await.context(context)?;
    }
    Ok(())
}
