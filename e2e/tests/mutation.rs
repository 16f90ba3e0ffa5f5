//! A mutation that takes something of the operator's away as it writes: the operator does not fight it, and puts it back when the mutation is gone.

use crate::support::audit::Audit;
use crate::support::{Scene, cluster, eventually, path, secs, server_workload};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

const ANNOTATION: &str = "tenant-operator.io/owned-by";
/// The time for which the mutation stays, and the most writes of the operator in it: one of the two objects is tried every 15 s.
const MUTATED: Duration = Duration::from_secs(20);
const WRITES: usize = 4;
/// The time in which it is put back.
const LIMIT: u64 = 40;

/// A policy that removes the operator's annotation from Services of the tenant.
fn mutation(name: &str, namespace: &str) -> [(&'static str, Value); 2] {
    let (policies, bindings) = ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings");
    let removes =
        format!(r#"[JSONPatch{{op: "remove", path: "/metadata/annotations/" + jsonpatch.escapeKey("{ANNOTATION}")}}]"#);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Ignore", "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                                                    "resources": ["services"]}]},
            "matchConditions": [{"name": "annotated", "expression":
                format!("has(object.metadata.annotations) && '{ANNOTATION}' in object.metadata.annotations")}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": removes}}]
        }
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": {"policyName": name, "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}}
    });
    [(policies, policy), (bindings, binding)]
}

#[tokio::test]
async fn what_a_mutation_takes_away_is_put_back_after_it() -> Result<()> {
    let scene = Scene::new("mutated").await?;
    let policies = path("mutatingadmissionpolicies", "", "");
    if scene.cluster.list(&policies).await.is_err() {
        cluster::skipped("a mutation", "this cluster has no MutatingAdmissionPolicy");
        return Ok(());
    }
    let tier = scene.tier(json!({})).await?;
    let workloads = json!({"workloads": [server_workload("web"), server_workload("api")]});
    let tenant = scene.tenant("", &tier, workloads).await?;
    tenant.ready().await?;
    let services = ["web", "api"].map(|name| path("services", &tenant.name, name));
    for (resource, body) in mutation(&scene.name, &tenant.name) {
        scene.will_leave(&path(resource, "", &scene.name));
        scene
            .cluster
            .create(&path(resource, "", ""), &body)
            .await
            .context(resource)?;
    }
    let annotation = async |at: &str| -> Result<Value> {
        Ok(scene.cluster.get(at).await?["metadata"]["annotations"][ANNOTATION].clone())
    };
    // The policy takes a moment to take hold.
    eventually("the mutation to take effect", secs(30), async || {
        for at in &services {
            let note = json!({"metadata": {"annotations": {"example.com/note": fastrand::u32(..).to_string()}}});
            scene.cluster.patch(at, &note).await?;
            ensure!(annotation(at).await?.is_null(), "{at} is as it was");
        }
        Ok(())
    })
    .await?;
    let log = Audit::is_kept("a mutation is not fought")
        .then(Audit::now)
        .transpose()?;
    tokio::time::sleep(MUTATED).await;
    for at in &services {
        ensure!(annotation(at).await?.is_null(), "the mutation of {at} has no effect");
    }
    if let Some(log) = log {
        let writes = log.operator_writes()?;
        let ours = writes
            .iter()
            .filter(|w| w.resource == "services" && w.namespace == tenant.name);
        let count = ours.count();
        ensure!((1..=WRITES).contains(&count), "it wrote {count} times");
    }
    for (resource, _) in mutation(&scene.name, &tenant.name).iter().rev() {
        scene
            .cluster
            .delete(&path(resource, "", &scene.name))
            .await
            .context(*resource)?;
    }
    eventually("the annotation to be put back", secs(LIMIT), async || {
        for at in &services {
            ensure!(annotation(at).await?.is_string(), "{at} lacks it");
        }
        Ok(())
    })
    .await
}
