//! A host is one tenant's, and its people serve no other.

use crate::support::{Scene, TestTenant, condition, eventually, path, refused, secs, summary, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

fn ingress(host: &str) -> Value {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": {"rules": [
        {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}})
}

async fn asks(scene: &Scene, suffix: &str, tier: &str, hosts: &[&str]) -> Result<TestTenant> {
    let owners = json!([{"kind": "User", "name": format!("{}-{suffix}", scene.name), "role": "Admin"}]);
    let spec = json!({"owners": owners, "gateway": {"hosts": hosts}});
    scene.tenant(suffix, tier, spec).await
}

async fn is_refused(tenant: &TestTenant, host: &str, holder: &TestTenant) -> Result<()> {
    let words = ["spec.gateway.hosts", host, "belongs to tenant", &holder.name];
    tenant.not_ready(&["Conflict"], &words).await.map(|_| ())
}

#[tokio::test]
async fn a_host_is_the_first_ones_and_so_is_all_below_a_wildcard() -> Result<()> {
    let scene = Scene::new("hosts").await?;
    let tier = scene.tier(json!({})).await?;
    let zone = format!("{}.example.com", scene.name);
    let (shop, any, deep) = (format!("shop.{zone}"), format!("*.{zone}"), format!("a.b.{zone}"));
    let first = asks(&scene, "first", &tier, &[&shop]).await?;
    first.ready().await?;
    let same = asks(&scene, "same", &tier, &[&shop]).await?;
    is_refused(&same, &shop, &first).await?;
    // A wildcard over what another has, and what is below another's wildcard.
    let above = asks(&scene, "above", &tier, &[&any]).await?;
    is_refused(&above, &any, &first).await?;
    let other = format!("*.other.{zone}");
    let wide = asks(&scene, "wide", &tier, &[&other]).await?;
    wide.ready().await?;
    let below = format!("x.y.other.{zone}");
    let under = asks(&scene, "under", &tier, &[&below, &shop]).await?;
    is_refused(&under, &below, &wide).await?;
    let both = ["2 hosts in all are in the way", &shop, &first.name];
    under.not_ready(&["Conflict"], &both).await?;

    // All else is as asked, and is mended, while it asks for more than it can have.
    first.patch(json!({"gateway": {"hosts": [shop, deep, below]}})).await?;
    is_refused(&first, &below, &wide).await?;
    let annotation = namespace_hosts(&scene, &first).await?;
    ensure!(annotation == format!("{deep},{shop}"), "{annotation}");
    let wall = path("networkpolicies", &first.name, "tenant-operator-deny-all");
    scene.cluster.delete(&wall).await?;
    eventually("the wall to stand again", secs(20), async || {
        ensure!(scene.cluster.exists(&wall).await?, "it does not");
        Ok(())
    })
    .await?;

    // Given up, it is free, and whoever waits for it is told.
    under.delete().await?;
    under.gone().await?;
    wide.delete().await?;
    wide.gone().await?;
    first.ready().await?;
    first.patch(json!({"gateway": null})).await?;
    eventually("the host to be the next one's", secs(20), async || {
        let (same, above) = (same.get().await?, above.get().await?);
        let ready = |t: &Value| condition(t, "Ready").is_some_and(|c| c["status"] == "True");
        ensure!(!(ready(&same) && ready(&above)), "both have it");
        ensure!(ready(&same) || ready(&above), "{} {}", summary(&same), summary(&above));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_tenants_change_their_hosts_with_each_other() -> Result<()> {
    let scene = Scene::new("swap").await?;
    let tier = scene.tier(json!({})).await?;
    let hosts = ["c", "d"].map(|name| format!("{name}.{}.example.com", scene.name));
    let (one, two) = (
        asks(&scene, "one", &tier, &[&hosts[0]]).await?,
        asks(&scene, "two", &tier, &[&hosts[1]]).await?,
    );
    one.ready().await?;
    two.ready().await?;
    tokio::try_join!(
        one.patch(json!({"gateway": {"hosts": [hosts[1]]}})),
        two.patch(json!({"gateway": {"hosts": [hosts[0]]}}))
    )?;
    for tenant in [&one, &two] {
        tenant.ready().await?;
    }
    let now = [
        namespace_hosts(&scene, &one).await?,
        namespace_hosts(&scene, &two).await?,
    ];
    ensure!(now[0] == hosts[1] && now[1] == hosts[0], "{now:?}");
    Ok(())
}

#[tokio::test]
async fn a_tenant_that_is_gone_has_no_hosts_and_one_that_comes_back_takes_them_again() -> Result<()> {
    let scene = Scene::new("back").await?;
    let tier = scene.tier(json!({})).await?;
    let host = format!("{}.example.com", scene.name);
    let spec = json!({"gateway": {"hosts": [host]}, "deletionPolicy": "Retain"});
    let tenant = scene.tenant("", &tier, spec.clone()).await?;
    tenant.ready().await?;
    scene.will_leave_namespace(&tenant.name);
    let id = text(&tenant.get().await?["status"]["id"]);
    tenant.delete().await?;
    tenant.gone().await?;
    ensure!(namespace_hosts(&scene, &tenant).await?.is_empty(), "it has hosts still");
    // Under another id it finds its namespace taken, and its host free.
    let again = scene.tenant("", &tier, spec).await?;
    again.not_ready(&["Conflict"], &["spec.id"]).await?;
    again.patch(json!({"id": id, "deletionPolicy": "Delete"})).await?;
    again.ready().await?;
    ensure!(namespace_hosts(&scene, &again).await? == host, "it has no host");
    again.delete().await?;
    again.gone().await?;
    asks(&scene, "next", &tier, &[&host]).await?.ready().await.map(|_| ())
}

async fn namespace_hosts(scene: &Scene, tenant: &TestTenant) -> Result<String> {
    let namespace = scene.cluster.get(&path("namespaces", "", &tenant.name)).await?;
    Ok(text(
        &namespace["metadata"]["annotations"]["tenant-operator.io/allowed-hosts"],
    ))
}

#[tokio::test]
async fn of_two_tenants_at_the_same_moment_one_gets_it_at_most() -> Result<()> {
    let scene = Scene::new("hostrace").await?;
    let tier = scene.tier(json!({})).await?;
    for round in 0..3 {
        let zone = format!("{round}.{}.example.com", scene.name);
        let (exact, wildcard) = (format!("a.{zone}"), format!("*.{zone}"));
        let (suffixes, hosts) = (
            [format!("x{round}"), format!("y{round}")],
            [[exact.as_str()], [wildcard.as_str()]],
        );
        let pair = tokio::try_join!(
            asks(&scene, &suffixes[0], &tier, &hosts[0]),
            asks(&scene, &suffixes[1], &tier, &hosts[1])
        )?;
        eventually("one to be Ready and one in conflict", secs(60), async || {
            let (one, two) = (pair.0.get().await?, pair.1.get().await?);
            let ready = |t: &Value| condition(t, "Ready").is_some_and(|c| c["status"] == "True");
            let lost = |t: &Value| condition(t, "Ready").is_some_and(|c| text(&c["reason"]) == "Conflict");
            ensure!(!(ready(&one) && ready(&two)), "both have it");
            ensure!(
                ready(&one) && lost(&two) || ready(&two) && lost(&one),
                "{} {}",
                summary(&one),
                summary(&two)
            );
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn owners_serve_what_is_theirs() -> Result<()> {
    let scene = Scene::new("serves").await?;
    let tier = scene.tier(json!({})).await?;
    let host = format!("{}.example.com", scene.name);
    let tenant = asks(&scene, "a", &tier, &[&host]).await?;
    tenant.ready().await?;
    let owner = scene
        .cluster
        .impersonate(&format!("{}-a", scene.name), &["system:authenticated"])?;
    let all = path("ingresses", &tenant.name, "");
    owner.create(&all, &ingress(&host)).await.context("its own host")?;
    let words = ["spec.gateway.hosts", &host, "not: www.globex.com"];
    refused(
        "a foreign host",
        owner.create(&all, &ingress("www.globex.com")).await,
        &words,
    )?;
    // It cannot help itself to another one.
    let annotations = json!({"metadata": {"annotations": {"tenant-operator.io/allowed-hosts": "www.globex.com"}}});
    refused(
        "another host by annotation",
        owner.patch(&path("namespaces", "", &tenant.name), &annotations).await,
        &["forbidden"],
    )
}
