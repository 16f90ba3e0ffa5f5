//! Drift of a tenant's bounds.

use crate::drift::{LIMIT, deleted, edited, mended};
use crate::support::{Scene, eventually, operator, path, secs};
use anyhow::{Context, Result, ensure};
use serde_json::json;

#[tokio::test]
async fn of_quota_limits_policies_and_access() -> Result<()> {
    let scene = Scene::new("driftb").await?;
    let tier = scene.tier(json!({})).await?;
    let owner = json!({"kind": "User", "name": scene.name, "role": "Admin"});
    let network = json!({"ingress": {"gateway": "Allow"}, "egress": {"apiServer": "Allow",
        "to": [{"cidr": "203.0.113.0/24", "ports": [{"port": 443}]}]}});
    let tenant = scene
        .tenant("", &tier, json!({"owners": [owner], "network": network}))
        .await?;
    tenant.ready().await?;

    edited(
        &tenant,
        "resourcequotas",
        "tenant",
        json!({"spec": {"hard": {"count/widgets.example.com": "3"}}}),
    )
    .await?;
    edited(
        &tenant,
        "resourcequotas",
        "tenant",
        json!({"spec": {"hard": {"requests.cpu": null}}}),
    )
    .await?;
    mended(
        &tenant,
        "resourcequotas",
        "tenant",
        json!({"spec": {"hard": {"pods": "1000"}}}),
    )
    .await?;
    mended(&tenant, "limitranges", "tenant", json!({"spec": {"limits": []}})).await?;
    let open = json!({"spec": {"ingress": [{}], "egress": [{}]}});
    for name in [
        "deny-all",
        "allow-same-tenant",
        "allow-dns",
        "allow-api-server",
        "allow-egress",
        "allow-gateway",
    ] {
        mended(
            &tenant,
            "networkpolicies",
            &format!("tenant-operator-{name}"),
            open.clone(),
        )
        .await?;
    }
    let more = json!({"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}]});
    mended(&tenant, "rolebindings", "tenant-operator-tenant-admin", more).await?;
    // The operator's own way in: lost, it is made again.
    deleted(&tenant, "rolebindings", operator::NAME).await?;
    edited(
        &tenant,
        "serviceaccounts",
        "default",
        json!({"automountServiceAccountToken": true}),
    )
    .await?;
    tenant.ready().await?;
    Ok(())
}

#[tokio::test]
async fn of_a_namespaces_labels() -> Result<()> {
    let scene = Scene::new("driftns").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant("", &tier, json!({"namespaces": [{"name": "more"}]}))
        .await?;
    tenant.ready().await?;
    let at = path("namespaces", "", &format!("{}-more", tenant.name));
    let before = scene.cluster.get(&at).await?["metadata"]["labels"].clone();
    for edit in [
        json!({"pod-security.kubernetes.io/enforce": "baseline"}),
        json!({"tenant-operator.io/isolation": "SharedData"}),
        json!({"app.kubernetes.io/managed-by": "someone"}),
    ] {
        scene
            .cluster
            .patch(&at, &json!({"metadata": {"labels": edit}}))
            .await
            .with_context(|| edit.to_string())?;
        eventually(
            &format!("the namespace to be mended of {edit}"),
            secs(LIMIT),
            async || {
                let now = scene.cluster.get(&at).await?["metadata"]["labels"].clone();
                ensure!(now == before, "its labels are {now}");
                Ok(())
            },
        )
        .await?;
    }
    Ok(())
}

/// The operator removes its objects that the spec no longer asks for, even those that others made.
#[tokio::test]
async fn what_bears_the_marks_and_is_not_asked_for_goes() -> Result<()> {
    let scene = Scene::new("stray").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    tenant.ready().await?;
    let id = tenant.get().await?["status"]["id"].clone();
    let stray = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "stray", "labels": {
        "app.kubernetes.io/managed-by": "tenant-operator", "tenant-operator.io/tenant": tenant.name,
        "tenant-operator.io/tenant-id": id}}, "spec": {"podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"]}});
    scene
        .cluster
        .create(&path("networkpolicies", &tenant.name, ""), &stray)
        .await
        .context("a stray policy")?;
    eventually("the stray policy to go", secs(LIMIT), async || {
        ensure!(
            !scene
                .cluster
                .exists(&path("networkpolicies", &tenant.name, "stray"))
                .await?,
            "it is there"
        );
        Ok(())
    })
    .await
}
