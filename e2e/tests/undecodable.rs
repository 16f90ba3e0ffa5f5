//! An old Tenant, which today's schema would refuse and the operator cannot decode. The operator honours the readable fields, and no other tenant waits for it.

use crate::support::{Cluster, Scene, TestTenant, eventually, path, secs, server_workload};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TENANTS: &str = "tenants.tenant-operator.io";
const PORT: &str = "spec.workloads[0].livenessProbe.httpGet.port";
/// Within this time a change of another tenant is acted on, however often the one changes that cannot be decoded.
const AT_ONCE: Duration = Duration::from_secs(30);

/// Takes every bound of a number from a schema.
fn unbound(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let is_number = fields.get("type").is_some_and(|of| of == "integer");
            if is_number || fields.contains_key("x-kubernetes-int-or-string") {
                fields.retain(|name, _| !["minimum", "maximum"].contains(&name.as_str()));
            }
            fields.values_mut().for_each(unbound);
        }
        Value::Array(items) => items.iter_mut().for_each(unbound),
        _ => {}
    }
}

/// Puts a schema in the place of the Tenants'; returns when it is served.
async fn serve(cluster: &Cluster, scene: &Scene, versions: &Value, takes: bool) -> Result<()> {
    let at = path("customresourcedefinitions", "", TENANTS);
    cluster.patch(&at, &json!({"spec": {"versions": versions}})).await?;
    let name = format!("{}-tried", scene.name);
    eventually("the schema to be served", secs(30), async || {
        let tried = cluster
            .create(
                &(path("tenants", "", "") + "?dryRun=All"),
                &tenant(&name, "none", probe(3_000_000_000)),
            )
            .await;
        ensure!(tried.is_ok() == takes, "{tried:?}");
        Ok(())
    })
    .await
}

fn probe(port: u64) -> Value {
    let mut workload = server_workload("web");
    workload["livenessProbe"] = json!({"httpGet": {"port": port}});
    json!({"workloads": [workload]})
}

fn tenant(name: &str, tier: &str, mut spec: Value) -> Value {
    spec["tier"] = json!(tier);
    json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec})
}

/// Removes the schema's bounds, writes the Tenant, and restores them whatever the outcome.
async fn past_the_schema(scene: &Scene, write: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    let cluster = &scene.cluster;
    let crd = cluster.get(&path("customresourcedefinitions", "", TENANTS)).await?;
    let mut open = crd["spec"]["versions"].clone();
    unbound(&mut open);
    let written = match serve(cluster, scene, &open, true).await {
        Ok(()) => write().await,
        error => error,
    };
    serve(cluster, scene, &crd["spec"]["versions"], false).await?;
    written
}

async fn is_acted_on(other: &TestTenant, name: &str) -> Result<()> {
    let begun = Instant::now();
    other.patch(json!({"namespaces": [{"name": name}]})).await?;
    let namespace = path("namespaces", "", &format!("{}-{name}", other.name));
    eventually(&format!("namespace {name} of another tenant"), secs(120), async || {
        ensure!(other.cluster.exists(&namespace).await?, "it is not there");
        Ok(())
    })
    .await?;
    ensure!(begun.elapsed() < AT_ONCE, "it took {:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn what_can_be_read_of_a_tenant_that_cannot_be_decoded_is_honoured() -> Result<()> {
    let scene = Scene::new("undecodable").await?;
    let tier = scene.tier(json!({})).await?;
    let owners = json!([{"kind": "User", "name": format!("{}-stays", scene.name), "role": "Admin"},
                        {"kind": "User", "name": format!("{}-goes", scene.name), "role": "Viewer"}]);
    let spec = json!({"owners": owners, "workloads": [server_workload("web")], "deletionPolicy": "Delete"});
    let (one, other) = (
        scene.tenant("one", &tier, spec).await?,
        scene.tenant("other", &tier, json!({})).await?,
    );
    one.ready().await?;
    one.pods("web", 1).await?;
    other.ready().await?;

    // With the same write, an owner goes.
    let mut changed = probe(3_000_000_000);
    changed["owners"] = json!([owners[0]]);
    past_the_schema(&scene, async || one.patch(changed).await.map(|_| ())).await?;
    one.not_ready(&["InvalidSpec"], &[PORT, "3000000000"]).await?;
    let binding = |role: &str| path("rolebindings", &one.name, &format!("tenant-operator-tenant-{role}"));
    eventually("the binding of the owner who is gone to go", secs(30), async || {
        ensure!(!one.cluster.exists(&binding("viewer")).await?, "it is there");
        Ok(())
    })
    .await?;
    ensure!(
        one.cluster.exists(&binding("admin")).await?,
        "the other owner's binding went, too"
    );
    one.pods("web", 1).await?;

    // It changes again and again, and nobody else waits.
    for number in 0..10 {
        one.patch(json!({"displayName": format!("change {number}")})).await?;
    }
    is_acted_on(&other, "more").await?;

    one.patch(json!({"suspend": true})).await?;
    one.pods("web", 0).await?;
    one.not_ready(&["InvalidSpec"], &[PORT]).await?;
    one.delete().await?;
    one.gone().await
}
