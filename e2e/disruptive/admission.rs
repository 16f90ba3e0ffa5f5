//! Admission that does not refuse any more what it must: it is found, named, and forgotten when it does again.

use super::isolation::isolated_within;
use crate::support::{Scene, TestTenant, eventually, operator, path, secs, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Within this every tenant was tried anew: the samples' turns come too.
const TURN: u64 = 60;
/// What becomes possible without which policy.
const HOLES: [(&str, &str); 10] = [
    ("tenant-operator-pods", "name the node of a pod"),
    ("tenant-operator-services", "make a Service with external IPs"),
    ("tenant-operator-claims", "claim a volume by its name"),
    (
        "tenant-operator-network-policies",
        "let everybody in by a NetworkPolicy",
    ),
    ("tenant-operator-bindings", "let everybody in by a RoleBinding"),
    ("tenant-operator-managed", "forge the operator's marks"),
    ("tenant-operator-ingress-hosts", "serve a host that is not its own"),
    ("tenant-operator-images", "run an image of any registry"),
    ("tenant-operator-volumes", "mount a volume of any CSI driver"),
    ("tenant-operator-examiner", "remove what it did not make"),
];

#[tokio::test]
async fn what_admission_lets_through_is_found() -> Result<()> {
    let scene = Scene::new("admitted").await?;
    operator::configure(&["isolation.admissionProbe.period=10s"]).await?;
    let found = holes_are_found(&scene).await;
    let back = operator::configure(&["isolation.admissionProbe.period=1h"]).await;
    found.and(back)
}

async fn holes_are_found(scene: &Scene) -> Result<()> {
    let tier = scene
        .tier(json!({"allowed": {"imageRegistries": ["registry.example.com"]}}))
        .await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    isolated_within(TURN, &tenant, "True", &["admission", "quota"]).await?;
    // The status shows ten violations, and some of these are two.
    for holes in HOLES.chunks(5) {
        let result = let_through(scene, holes, "Warn").await;
        let found = match result {
            Ok(()) => are_named(&tenant, holes).await,
            error => error,
        };
        let_through(scene, holes, "Deny").await?;
        found?;
        isolated_within(TURN, &tenant, "True", &["admission", "quota"]).await?;
    }
    a_full_namespace_is_said(scene, &tenant).await
}

/// An administrator makes all policies warn instead of deny, or deny again.
async fn let_through(scene: &Scene, holes: &[(&str, &str)], action: &str) -> Result<()> {
    for (policy, _) in holes {
        let at = path("validatingadmissionpolicybindings", "", policy);
        let body = json!({"spec": {"validationActions": [action]}});
        scene.cluster.patch(&at, &body).await?;
    }
    Ok(())
}

async fn are_named(tenant: &TestTenant, holes: &[(&str, &str)]) -> Result<()> {
    isolated_within(
        TURN,
        tenant,
        "False",
        &["admission: the tenant's people may", "does not hold"],
    )
    .await?;
    eventually("every hole to be named", secs(TURN), async || {
        let now = tenant.get().await?;
        let violations = now["status"]["isolation"]["violations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for (policy, what) in holes {
            let found = violations.iter().find(|violation| {
                let message = text(&violation["message"]);
                message.contains(policy) && message.contains(what)
            });
            let found = found.with_context(|| format!("{what}: {violations:?}"))?;
            ensure!(found["check"] == "admission" && found["severity"] == "High", "{found}");
        }
        Ok(())
    })
    .await
}

/// Where even what is fine is refused, refusals prove nothing.
async fn a_full_namespace_is_said(scene: &Scene, tenant: &TestTenant) -> Result<()> {
    let name = "no-more-configmaps";
    let body: Value = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name},
                             "spec": {"hard": {"count/configmaps": "0"}}});
    scene
        .cluster
        .create(&path("resourcequotas", &tenant.name, ""), &body)
        .await?;
    let now = isolated_within(
        TURN,
        tenant,
        "Unknown",
        &["admission could not be tried", "even a ConfigMap", name],
    )
    .await?;
    ensure!(
        now["status"]["isolation"]["untried"] == 2,
        "{}",
        now["status"]["isolation"]
    );
    scene
        .cluster
        .delete(&path("resourcequotas", &tenant.name, name))
        .await?;
    isolated_within(TURN, tenant, "True", &["admission", "quota"])
        .await
        .map(|_| ())
}
