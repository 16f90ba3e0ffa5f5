//! Admission that no longer refuses forbidden requests: the operator finds and names it, and forgets it when admission refuses them again.

use super::isolation::isolated_within;
use crate::support::{Scene, TestTenant, eventually, path, secs, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Within this every tenant was tried anew: the samples' turns come too.
const TURN: u64 = 60;
/// The attempt that each policy prevents.
const HOLES: [(&str, &str); 11] = [
    ("tenant-operator-pods", "name the node of a pod"),
    ("tenant-operator-services", "make a Service with external IPs"),
    ("tenant-operator-bindings", "let everybody in by a RoleBinding"),
    ("tenant-operator-managed", "forge the operator's marks"),
    ("tenant-operator-ingress-hosts", "serve a host that is not its own"),
    ("tenant-operator-examiner", "remove what it did not make"),
    ("tenant-operator-claims", "claim a volume by its name"),
    (
        "tenant-operator-network-policies",
        "let everybody in by a NetworkPolicy",
    ),
    ("tenant-operator-images", "run an image of any registry"),
    ("tenant-operator-volumes", "mount a volume of any CSI driver"),
    ("tenant-operator-raw-sockets", "keep raw sockets in a container"),
];

pub async fn what_admission_lets_through_is_found() -> Result<()> {
    let scene = &Scene::new("admitted").await?;
    let tier = scene
        // At `restricted` Pod Security refuses raw sockets first.
        .tier(json!({"allowed": {"imageRegistries": ["registry.example.com"]}, "podSecurity": "baseline"}))
        .await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    isolated_within(TURN, &tenant, "True", &["admission", "quota"]).await?;
    // The status shows ten violations, and some of these are two.
    for holes in HOLES.chunks(6) {
        let result = let_through(&tenant, holes, true).await;
        let found = match result {
            Ok(()) => are_named(&tenant, holes).await,
            error => error,
        };
        let_through(&tenant, holes, false).await?;
        found?;
        isolated_within(TURN, &tenant, "True", &["admission", "quota"]).await?;
    }
    a_full_namespace_is_said(scene, &tenant).await
}

/// An administrator makes policies warn instead of deny in the tenant's namespace, or deny there again. Other tests' tenants are not
/// concerned.
async fn let_through(tenant: &TestTenant, holes: &[(&str, &str)], is_open: bool) -> Result<()> {
    let bindings = "validatingadmissionpolicybindings";
    let namespaces = |operator: &str| {
        let named = json!({"key": "kubernetes.io/metadata.name", "operator": operator, "values": [tenant.name]});
        json!({"namespaceSelector": {"matchExpressions": [named]}})
    };
    for (policy, _) in holes {
        let name = format!("{}-{policy}", tenant.name);
        let (denies, warns) = (path(bindings, "", policy), path(bindings, "", &name));
        if is_open {
            let warning = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": name},
                "spec": {"policyName": policy, "validationActions": ["Warn"], "matchResources": namespaces("In")}});
            tenant.cluster.create(&path(bindings, "", ""), &warning).await?;
            let others = json!({"spec": {"matchResources": namespaces("NotIn")}});
            tenant.cluster.patch(&denies, &others).await?;
        } else {
            let all = json!({"spec": {"matchResources": null}});
            tenant.cluster.patch(&denies, &all).await?;
            tenant.cluster.delete(&warns).await?;
        }
    }
    Ok(())
}

async fn are_named(tenant: &TestTenant, holes: &[(&str, &str)]) -> Result<()> {
    isolated_within(
        TURN,
        tenant,
        "False",
        &["admission: the tenant's people may", "does not prevent it"],
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

/// Refusals prove nothing in a namespace that refuses valid objects too.
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
