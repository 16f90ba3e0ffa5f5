//! The book of a tenant's quota: what it reserves is never used twice.

use crate::support::{
    Scene, TestTenant, condition, eventually, meanwhile, operator, path, pods, secs, server_workload, text,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What each namespace held when it was last looked at.
type Held = BTreeMap<String, i64>;

/// Sums the pods that these namespaces hold, all at one moment: what their quotas allow, and after these were lowered what runs on. The quota controller
/// itself counts a pod too many while it counts anew, so a use above what a namespace held before is no measure of the book.
async fn pods_of(scene: &Scene, namespaces: &[String], held: &RefCell<Held>) -> Result<i64> {
    let quotas = scene.cluster.list(&path("resourcequotas", "", "")).await?;
    let amount = |quota: &Value, pointer: &str| -> i64 {
        let amount = quota.pointer(pointer).map(text);
        amount.and_then(|amount| amount.parse().ok()).unwrap_or(0)
    };
    let mut held = held.borrow_mut();
    for quota in quotas.iter().filter(|quota| quota["metadata"]["name"] == "tenant") {
        let namespace = text(&quota["metadata"]["namespace"]);
        let allowed = amount(quota, "/spec/hard/pods").max(amount(quota, "/status/hard/pods"));
        let used = amount(quota, "/status/used/pods");
        let former = held.get(&namespace).copied().unwrap_or(used);
        if namespaces.contains(&namespace) {
            held.insert(namespace, allowed.max(used.min(former)));
        }
    }
    Ok(held.values().sum())
}

/// Makes these changes while the namespaces never hold more than eight pods.
async fn never_above_eight<T>(
    scene: &Scene,
    namespaces: &[String],
    changes: impl Future<Output = Result<T>>,
) -> Result<T> {
    let held = RefCell::default();
    meanwhile(changes, async || {
        let count = pods_of(scene, namespaces, &held).await?;
        ensure!(count <= 8, "{count} of 8 pods are held: {:?}", held.borrow());
        Ok(())
    })
    .await
}

/// The ConfigMap with a tenant's book.
async fn book(scene: &Scene, tenant: &TestTenant) -> Result<Option<Value>> {
    let selector = format!(
        "?labelSelector=tenant-operator.io/tenant%3D{},tenant-operator.io/claim%3Dquota",
        tenant.name
    );
    let all = scene
        .cluster
        .list(&(path("configmaps", operator::NAMESPACE, "") + &selector))
        .await?;
    Ok(all.into_iter().next())
}

/// A tenant of eight pods with two more namespaces, each of which asks for all eight.
async fn crowded(scene: &Scene) -> Result<(TestTenant, Vec<String>)> {
    let tier = scene.tier(json!({"quota": {"pods": 8}})).await?;
    let tenant = scene
        .tenant("", &tier, json!({"namespaces": [{"name": "a"}, {"name": "b"}]}))
        .await?;
    tenant.ready().await?;
    let namespaces = ["", "-a", "-b"]
        .map(|suffix| format!("{}{suffix}", tenant.name))
        .to_vec();
    for namespace in &namespaces {
        scene
            .cluster
            .create(&path("deployments", namespace, ""), &pods::deployment("own", 8))
            .await
            .context("a Deployment")?;
    }
    Ok((tenant, namespaces))
}

#[tokio::test]
async fn shares_that_change_at_random_are_never_used_twice() -> Result<()> {
    let scene = Scene::new("book").await?;
    let (tenant, namespaces) = crowded(&scene).await?;
    let changes = async {
        for _ in 0..8 {
            let a = fastrand::u32(0..=8);
            let b = fastrand::u32(0..=8 - a);
            let named = json!([{"name": "a", "quota": {"pods": a}}, {"name": "b", "quota": {"pods": b}}]);
            tenant.patch(json!({"namespaces": named})).await?;
            // All pods end, as often as it takes: one may come back before its namespace's quota is lowered.
            eventually("the shares to be granted", secs(60), async || {
                for namespace in &namespaces {
                    let all = path("pods", namespace, "") + "?gracePeriodSeconds=0";
                    scene.cluster.delete(&all).await?;
                }
                let told = tenant.get().await?;
                let granted = condition(&told, "QuotaGranted").cloned().unwrap_or_default();
                let is_new = granted["observedGeneration"] == told["metadata"]["generation"];
                ensure!(is_new && granted["reason"] == "Ready", "{granted}");
                Ok(())
            })
            .await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    never_above_eight(&scene, &namespaces, changes).await?;
    let book = book(&scene, &tenant).await?.context("a book")?;
    let content: Value = serde_json::from_str(&text(&book["data"]["book"]))?;
    ensure!(
        content["granted"]["pods"] == "8" && content["open"] == true,
        "{content}"
    );
    Ok(())
}

#[tokio::test]
async fn a_lost_book_is_made_anew_without_an_overrun() -> Result<()> {
    let scene = Scene::new("lost-book").await?;
    let (tenant, namespaces) = crowded(&scene).await?;
    let former = book(&scene, &tenant).await?.context("a book")?;
    let changes = async {
        scene
            .cluster
            .delete(&path(
                "configmaps",
                operator::NAMESPACE,
                &text(&former["metadata"]["name"]),
            ))
            .await
            .context("delete the book")?;
        tenant
            .patch(json!({"namespaces": [{"name": "a", "quota": {"pods": 6}}, {"name": "b", "quota": {"pods": 1}}]}))
            .await?;
        tenant
            .condition("QuotaGranted", "False", &["WaitingForRelease"])
            .await?;
        for namespace in [&namespaces[0], &namespaces[2]] {
            scene
                .cluster
                .patch(
                    &path("deployments", namespace, "own"),
                    &json!({"spec": {"replicas": 1}}),
                )
                .await?;
        }
        tenant.condition("QuotaGranted", "True", &["Ready"]).await?;
        let count = pods_of(&scene, &namespaces[1..2], &RefCell::default()).await?;
        ensure!(count == 6, "{count} of 6");
        Ok::<_, anyhow::Error>(())
    };
    never_above_eight(&scene, &namespaces, changes).await?;
    let now = book(&scene, &tenant).await?.context("a book")?;
    ensure!(
        now["metadata"]["uid"] != former["metadata"]["uid"],
        "the book is the former one"
    );
    Ok(())
}

#[tokio::test]
async fn a_tenant_with_one_namespace_has_no_book() -> Result<()> {
    let scene = Scene::new("no-book").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant(
            "",
            &tier,
            json!({"quota": {"pods": 1}, "workloads": [server_workload("web")]}),
        )
        .await?;
    tenant.ready().await?;
    tenant.patch(json!({"quota": {"pods": 2}})).await?;
    tenant.ready().await?;
    ensure!(book(&scene, &tenant).await?.is_none(), "there is a book");
    // It has one once there are others to divide with, and none when it is gone.
    tenant.patch(json!({"namespaces": [{"name": "more"}]})).await?;
    tenant.ready().await?;
    let granted = condition(&tenant.get().await?, "QuotaGranted").cloned();
    ensure!(
        granted.is_some_and(|granted| granted["status"] == "True"),
        "the quota is not granted"
    );
    ensure!(book(&scene, &tenant).await?.is_some(), "there is no book");
    tenant.delete().await?;
    tenant.gone().await?;
    ensure!(book(&scene, &tenant).await?.is_none(), "the book is left");
    Ok(())
}

#[tokio::test]
async fn a_subtenant_waits_for_its_sibling_and_says_so() -> Result<()> {
    let scene = Scene::new("siblings").await?;
    let tier = scene
        .tier(json!({"quota": {"pods": 8}, "subtenants": {"max": 4}}))
        .await?;
    let parent = scene.tenant("", &tier, json!({})).await?;
    parent.ready().await?;
    let web = |replicas: u32| {
        let mut web = server_workload("web");
        web["replicas"] = json!(replicas);
        json!([web])
    };
    // A key that a subtenant does not name is its tier's whole amount.
    let named = |pods: u32| {
        json!({"pods": pods, "requests.cpu": "500m", "requests.memory": "256Mi", "limits.cpu": "3", "limits.memory": "1Gi",
               "requests.storage": "1Gi", "persistentvolumeclaims": 1})
    };
    let below = |pods: u32| json!({"parent": parent.name, "quota": named(pods), "workloads": web(pods)});
    let eu = scene.tenant("eu", &tier, below(5)).await?;
    let us = scene.tenant("us", &tier, below(2)).await?;
    eu.ready().await?;
    us.ready().await?;

    // All five pods of one run on while the other asks for more.
    eu.patch(json!({"quota": {"pods": 1}})).await?;
    eu.condition("QuotaGranted", "True", &["UsedAboveQuota"]).await?;
    us.patch(json!({"quota": {"pods": 6}, "workloads": web(6)})).await?;
    let told = us.condition("QuotaGranted", "False", &["WaitingForRelease"]).await?;
    let message = text(&condition(&told, "QuotaGranted").cloned().unwrap_or_default()["message"]);
    for part in [
        format!("tenant {} has granted", parent.name),
        format!("tenant {} holds 5", eu.name),
    ] {
        ensure!(message.contains(&part), "no {part:?} in: {message}");
    }

    let all = [&parent, &eu, &us].map(|tenant| tenant.name.clone());
    let released = async {
        eu.patch(json!({"workloads": web(1)})).await?;
        us.condition("QuotaGranted", "True", &["Ready"]).await?;
        us.pods("web", 6).await
    };
    never_above_eight(&scene, &all, released).await?;

    // What a deleted subtenant had is its parent's again.
    us.delete().await?;
    us.gone().await?;
    let content = eventually("the parent to have all of it", secs(60), async || {
        let book = book(&scene, &parent).await?.context("a book")?;
        let content: Value = serde_json::from_str(&text(&book["data"]["book"]))?;
        let own = &content["reserved"][format!("namespace/{}", parent.name)];
        ensure!(own["pods"] == "7", "{content}");
        Ok(content)
    })
    .await?;
    ensure!(!content.to_string().contains(&us.name), "{content}");
    Ok(())
}
