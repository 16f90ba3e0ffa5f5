//! Owners' attempts.

use crate::support::{Cluster, Scene, TestTenant, eventually, path, pods, refused, secs, server_workload};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

async fn administrator(scene: &Scene) -> Result<(TestTenant, Cluster)> {
    let tier = scene.tier(json!({})).await?;
    let spec = json!({"owners": [{"kind": "User", "name": scene.name, "role": "Admin"}], "configuration": {"a": 1},
                      "workloads": [server_workload("web")]});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    let owner = scene.cluster.impersonate(&scene.name, &["system:authenticated"])?;
    Ok((tenant, owner))
}

#[tokio::test]
async fn a_workload_is_restarted_by_its_owner() -> Result<()> {
    let scene = Scene::new("restart").await?;
    let (tenant, owner) = administrator(&scene).await?;
    let at = path("deployments", &tenant.name, "web");
    let restart = |moment: &str| json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": moment}}}}});
    let mut former = tenant.pods("web", 1).await?;
    for (who, client, moment) in [
        ("the owner", &owner, "2026-01-02T03:04:05Z"),
        ("an administrator", &scene.cluster, "2026-01-02T03:04:06Z"),
    ] {
        client
            .patch(&at, &restart(moment))
            .await
            .with_context(|| format!("{who} restarts"))?;
        former = eventually(&format!("another pod after {who}'s restart"), secs(60), async || {
            let pods = tenant.pods("web", 1).await?;
            ensure!(pods != former, "it is still {pods:?}");
            Ok(pods)
        })
        .await?;
        // Another change is mended, and this one stays.
        scene
            .cluster
            .patch(&at, &json!({"spec": {"paused": true}}))
            .await
            .context("pause it")?;
        eventually("the pause to be mended", secs(10), async || {
            let web = scene.cluster.get(&at).await?;
            ensure!(web["spec"]["paused"].as_bool() != Some(true), "it is paused");
            let annotations = &web["spec"]["template"]["metadata"]["annotations"];
            ensure!(
                annotations["kubectl.kubernetes.io/restartedAt"] == moment,
                "{annotations}"
            );
            Ok(())
        })
        .await?;
    }
    let mut other = restart("2026-01-02T03:04:07Z");
    other["spec"]["replicas"] = json!(0);
    refused("restart and scale", owner.patch(&at, &other).await, &["managed by"])
}

#[tokio::test]
async fn the_operators_objects_are_out_of_reach() -> Result<()> {
    let scene = Scene::new("reach").await?;
    let (tenant, owner) = administrator(&scene).await?;
    let at = |resource: &str, name: &str| path(resource, &tenant.name, name);
    let note = json!({"metadata": {"annotations": {"note": "mine"}}});
    for (resource, name) in [
        ("resourcequotas", "tenant"),
        ("limitranges", "tenant"),
        ("networkpolicies", "tenant-operator-deny-all"),
        ("networkpolicies", "tenant-operator-allow-same-tenant"),
        ("rolebindings", "tenant-operator"),
        ("rolebindings", "tenant-operator-tenant-admin"),
        ("configmaps", "tenant-configuration"),
        ("deployments", "web"),
        ("services", "web"),
        ("serviceaccounts", "web"),
        ("tenantviews", tenant.name.as_str()),
    ] {
        let what = format!("{resource}/{name}");
        refused(
            &format!("patch {what}"),
            owner.patch(&at(resource, name), &note).await,
            &[],
        )?;
        refused(
            &format!("strip {what}"),
            owner
                .patch(&at(resource, name), &json!({"metadata": {"labels": null}}))
                .await,
            &[],
        )?;
        refused(&format!("delete {what}"), owner.delete(&at(resource, name)).await, &[])?;
    }
    let scale = format!("{}/scale", at("deployments", "web"));
    refused(
        "scale our workload",
        owner.patch(&scale, &json!({"spec": {"replicas": 0}})).await,
        &["managed by"],
    )?;
    let all = path("configmaps", &tenant.name, "");
    refused(
        "delete all ConfigMaps",
        owner.delete(&all).await,
        &["tenant-operator-managed"],
    )?;
    for label in [
        "pod-security.kubernetes.io/enforce",
        "tenant-operator.io/tenant-id",
        "own",
    ] {
        let patch = json!({"metadata": {"labels": {label: "privileged"}}});
        refused(
            label,
            owner.patch(&path("namespaces", "", &tenant.name), &patch).await,
            &["forbidden"],
        )?;
    }
    refused(
        "delete the namespace",
        owner.delete(&path("namespaces", "", &tenant.name)).await,
        &["forbidden"],
    )
}

#[tokio::test]
async fn marks_cannot_be_faked() -> Result<()> {
    let scene = Scene::new("fake").await?;
    let (tenant, owner) = administrator(&scene).await?;
    let id = tenant.get().await?["status"]["id"].clone();
    let faked = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "faked", "labels": {
        "app.kubernetes.io/managed-by": "tenant-operator", "tenant-operator.io/tenant": tenant.name,
        "tenant-operator.io/tenant-id": id}}});
    refused(
        "a faked object",
        owner.create(&path("configmaps", &tenant.name, ""), &faked).await,
        &["bears the marks"],
    )
}

#[tokio::test]
async fn what_is_the_owners_own_is_theirs() -> Result<()> {
    let scene = Scene::new("own").await?;
    let (tenant, owner) = administrator(&scene).await?;
    let to = |resource: &str| path(resource, &tenant.name, "");
    owner
        .create(&to("deployments"), &pods::deployment("own", 0))
        .await
        .context("a Deployment")?;
    let scale = path("deployments", &tenant.name, "own/scale");
    owner
        .patch(&scale, &json!({"spec": {"replicas": 1}}))
        .await
        .context("scale the own Deployment")?;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"a": "b"}});
    owner.create(&to("configmaps"), &map).await.context("a ConfigMap")?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "stringData": {"a": "b"}});
    owner.create(&to("secrets"), &secret).await.context("a Secret")?;
    for (resource, name) in [("deployments", "own"), ("configmaps", "own"), ("secrets", "own")] {
        owner
            .delete(&path(resource, &tenant.name, name))
            .await
            .with_context(|| format!("delete {resource}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn access_can_be_given_as_far_as_it_is_held() -> Result<()> {
    let scene = Scene::new("give").await?;
    let (tenant, owner) = administrator(&scene).await?;
    let to = path("rolebindings", &tenant.name, "");
    let binding = |name: &str, role: &str| -> Value {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "bob"}]})
    };
    owner
        .create(&to, &binding("bob-views", "tenant-operator-tenant-viewer"))
        .await
        .context("bind a viewer")?;
    for role in [
        "cluster-admin",
        "admin",
        "tenant-operator-namespace",
        "tenant-operator-break-glass",
    ] {
        refused(
            role,
            owner.create(&to, &binding("bob-rules", role)).await,
            &["forbidden"],
        )?;
    }
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "more"},
        "rules": [{"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["delete"]}]});
    refused(
        "a Role beyond one's own",
        owner.create(&path("roles", &tenant.name, ""), &role).await,
        &["forbidden"],
    )
}

#[tokio::test]
async fn another_tenant_is_out_of_sight() -> Result<()> {
    let scene = Scene::new("sight").await?;
    let (_, owner) = administrator(&scene).await?;
    let tier = scene.tier(json!({})).await?;
    let other = scene.tenant("other", &tier, json!({})).await?;
    other.ready().await?;
    for resource in ["pods", "configmaps", "secrets", "tenantviews", "services"] {
        refused(
            resource,
            owner.get(&path(resource, &other.name, "")).await,
            &["forbidden"],
        )?;
    }
    refused(
        "its namespace",
        owner.get(&path("namespaces", "", &other.name)).await,
        &["forbidden"],
    )?;
    refused(
        "a pod there",
        owner.create(&path("pods", &other.name, ""), &pods::server("p")).await,
        &["forbidden"],
    )
}
