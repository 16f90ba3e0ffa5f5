//! Tenants that have tenants.

use crate::support::probe::{closed, open};
use crate::support::scene::lay_over;
use crate::support::{
    Scene, TestTenant, condition, eventually, kubectl, path, secs, server_workload, shell_workload, text,
};
use crate::traffic::Reachable;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// A tier whose tenants have at most two children of the same tier.
fn with_subtenants() -> Value {
    json!({"subtenants": {"max": 2}})
}

/// A subtenant with a part of what its parent has.
fn below(parent: &TestTenant, spec: Value) -> Value {
    let mut whole = json!({"parent": parent.name, "quota": part()});
    lay_over(&mut whole, spec);
    whole
}

fn part() -> Value {
    json!({
        "requests.cpu": "200m", "requests.memory": "256Mi", "limits.cpu": "1", "limits.memory": "512Mi", "pods": 2,
        "requests.storage": "1Gi", "persistentvolumeclaims": 1
    })
}

async fn labels(tenant: &TestTenant) -> Result<[String; 2]> {
    let labels = tenant.get().await?["metadata"]["labels"].clone();
    Ok(["tenant-operator.io/root", "tenant-operator.io/parent"].map(|key| text(&labels[key]).to_owned()))
}

#[tokio::test]
async fn a_subtenant_inherits_configuration_and_suspension() -> Result<()> {
    let scene = Scene::new("heirs").await?;
    let tier = scene.tier(with_subtenants()).await?;
    let of_parent = json!({
        "configuration": {"brand": {"logo": "parent", "font": "serif"}},
        "subtenants": {"lockedConfiguration": ["/brand/logo"]},
    });
    // The child comes first, as in a file that is sorted by name.
    let parent_name = format!("{}-parent", scene.name);
    let of_child = json!({
        "parent": parent_name, "quota": part(), "workloads": [shell_workload("shell")], "configuration": {"brand": {"font": "sans"}},
    });
    let child = scene.tenant("child", &tier, of_child).await?;
    let parent = scene.tenant("parent", &tier, of_parent).await?;
    tokio::try_join!(parent.ready(), child.ready())?;
    let own = [parent.name.clone(), parent.name.clone()];
    ensure!(labels(&child).await? == own, "{:?}", labels(&child).await?);
    eventually("the parent's label", secs(15), async || {
        let labels = labels(&parent).await?;
        ensure!(labels == [parent.name.clone(), String::new()], "{labels:?}");
        Ok(())
    })
    .await?;
    let status = child.get().await?["status"].clone();
    ensure!(
        status["parent"]["name"] == parent.name.as_str() && status["parent"]["root"] == parent.name.as_str(),
        "{}",
        status["parent"]
    );

    let read = async || {
        let pod = child.pods("shell", 1).await?.remove(0);
        kubectl::exec(&child.name, &pod, &["cat", "/etc/tenant/configuration.json"]).await
    };
    let file: Value = serde_json::from_str(&read().await?)?;
    ensure!(file == json!({"brand": {"font": "sans", "logo": "parent"}}), "{file}");
    child
        .patch(json!({"configuration": {"brand": {"logo": "child"}}}))
        .await?;
    child
        .not_ready(&["InvalidSpec"], &["/brand/logo", &parent.name])
        .await?;
    child.patch(json!({"configuration": {"brand": {"logo": null}}})).await?;
    child.ready().await?;

    parent.patch(json!({"suspend": true})).await?;
    eventually("the child to be suspended", secs(60), async || {
        let tenant = child.condition("Ready", "True", &["Suspended"]).await?;
        let ready = condition(&tenant, "Ready").cloned().unwrap_or_default();
        ensure!(text(&ready["message"]).contains(&parent.name), "{ready}");
        Ok(())
    })
    .await?;
    let left = scene.cluster.names(&path("pods", &child.name, "")).await?;
    ensure!(left.is_empty(), "Suspended, and yet there are {left:?}");
    parent.patch(json!({"suspend": null})).await?;
    child.condition("Ready", "True", &["Ready"]).await?;
    child.pods("shell", 1).await.map(|_| ())
}

#[tokio::test]
async fn a_parent_outlives_its_children() -> Result<()> {
    let scene = Scene::new("dynasty").await?;
    let tier = scene.tier(with_subtenants()).await?;
    let parent = scene.tenant("parent", &tier, json!({})).await?;
    let first = scene.tenant("first", &tier, below(&parent, json!({}))).await?;
    tokio::try_join!(parent.ready(), first.ready())?;
    parent.delete().await?;
    parent.not_ready(&["Terminating"], &[&first.name]).await?;
    ensure!(
        scene.cluster.exists(&path("namespaces", "", &parent.name)).await?,
        "the parent's namespace went before its child"
    );
    first.not_ready(&["InvalidSpec"], &["is being deleted"]).await?;
    first.delete().await?;
    first.gone().await?;
    parent.gone().await
}

#[tokio::test]
async fn the_tier_bounds_a_family() -> Result<()> {
    let scene = Scene::new("clan").await?;
    let tier = scene.tier(with_subtenants()).await?;
    let other = scene.tier(json!({})).await?;
    let parent = scene.tenant("parent", &tier, json!({"quota": {"pods": 6}})).await?;
    let first = scene.tenant("first", &tier, below(&parent, json!({}))).await?;
    first.ready().await?;
    let deeper = scene.tenant("deeper", &tier, below(&first, json!({}))).await?;
    deeper.not_ready(&["InvalidSpec"], &["level 2", &parent.name]).await?;
    let much = json!({"quota": {"pods": 7}});
    let second = scene.tenant("second", &tier, below(&parent, much)).await?;
    second
        .not_ready(&["InvalidSpec"], &["7 is more than the 6", &parent.name])
        .await?;
    second.patch(json!({"quota": {"pods": 1}})).await?;
    second.ready().await?;
    let third = scene.tenant("third", &other, below(&parent, json!({}))).await?;
    third.not_ready(&["InvalidSpec"], &["spec.tier", &other]).await?;
    let fourth = scene.tenant("fourth", &tier, below(&parent, json!({}))).await?;
    fourth.not_ready(&["InvalidSpec"], &["2 older subtenants"]).await?;
    let orphan = scene
        .tenant("orphan", &tier, json!({"parent": format!("{}-none", scene.name)}))
        .await?;
    orphan
        .not_ready(&["ParentNotFound"], &[&format!("{}-none", scene.name)])
        .await?;

    let moved = second
        .patch(json!({"parent": null}))
        .await
        .expect_err("the parent was removed");
    ensure!(format!("{moved:#}").contains("parent is immutable"), "{moved:#}");
    // One that goes leaves its place to a younger one.
    for tenant in [&third, &second] {
        tenant.delete().await?;
        tenant.gone().await?;
    }
    fourth.ready().await.map(|_| ())
}

#[tokio::test]
async fn no_traffic_flows_within_a_family_unless_both_ask_for_it() -> Result<()> {
    let scene = Scene::new("kin").await?;
    let tier = scene.tier(with_subtenants()).await?;
    let workloads = json!([server_workload("web")]);
    let parent = scene.tenant("parent", &tier, json!({"workloads": workloads})).await?;
    let of_child = || below(&parent, json!({"workloads": workloads}));
    let first = scene.tenant("first", &tier, of_child()).await?;
    let second = scene.tenant("second", &tier, of_child()).await?;
    let (parent, first, second) =
        tokio::try_join!(Reachable::new(parent), Reachable::new(first), Reachable::new(second))?;
    for one in [&parent, &first, &second] {
        open("control: each reaches itself", one.from(), &one.address).await?;
    }
    closed("from the parent", parent.from(), &first.address).await?;
    closed("to the parent", first.from(), &parent.address).await?;
    closed("between siblings", first.from(), &second.address).await?;

    let naming = |peer: &TestTenant| json!({"network": {"ingress": {"tenants": [{"name": peer.name}]}}});
    parent.tenant.patch(naming(&first.tenant)).await?;
    first.tenant.patch(naming(&parent.tenant)).await?;
    open("from the parent, once both ask for it", parent.from(), &first.service).await?;
    closed("between siblings all the same", second.from(), &first.address).await
}
