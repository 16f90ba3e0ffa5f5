//! One id, one tenant.

use crate::support::{Scene, TestTenant, condition, eventually, path, secs, summary, text};
use anyhow::{Context, Result, ensure};
use serde_json::json;

fn id(scene: &Scene, number: u32) -> String {
    let random: String = scene.name.chars().rev().take(6).collect();
    format!("00000000-0000-4000-8000-{random}{number:06x}")
}

#[tokio::test]
async fn of_two_tenants_at_the_same_moment_exactly_one_gets_it() -> Result<()> {
    let scene = Scene::new("race").await?;
    let tier = scene.tier(json!({})).await?;
    for round in 0..4 {
        let names = [format!("{}-x{round}", scene.name), format!("{}-y{round}", scene.name)];
        names.iter().for_each(|name| scene.will_make_tenant(name));
        let id = id(&scene, round);
        let create = async |name: &str| {
            let body = Scene::tenant_body(name, &tier, json!({"id": id}));
            scene
                .cluster
                .create(&path("tenants", "", ""), &body)
                .await
                .context("create")
        };
        tokio::try_join!(create(&names[0]), create(&names[1]))?;
        let pair = names.clone().map(|name| TestTenant::new(scene.cluster.clone(), &name));
        let winner = eventually("one to be Ready and one in conflict", secs(60), async || {
            let (one, two) = (pair[0].get().await?, pair[1].get().await?);
            let ready = |t| condition(t, "Ready").is_some_and(|c| c["status"] == "True");
            let lost = |t| condition(t, "Ready").is_some_and(|c| text(&c["reason"]).contains("Conflict"));
            ensure!(!(ready(&one) && ready(&two)), "both have the id {id}");
            ensure!(
                ready(&one) && lost(&two) || ready(&two) && lost(&one),
                "{} {}",
                summary(&one),
                summary(&two)
            );
            Ok(usize::from(ready(&two)))
        })
        .await?;
        let loser = &pair[1 - winner];
        loser.not_ready(&["Conflict"], &[&names[winner]]).await?;
        ensure!(
            !scene.cluster.exists(&path("namespaces", "", &loser.name)).await?,
            "the loser has a namespace"
        );
        ensure!(
            loser.get().await?["status"]["id"] != id.as_str(),
            "the loser's status has the id"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_id_is_free_again_when_its_tenant_is_gone() -> Result<()> {
    let scene = Scene::new("free").await?;
    let tier = scene.tier(json!({})).await?;
    let id = id(&scene, 0);
    let first = scene.tenant("first", &tier, json!({"id": id})).await?;
    first.ready().await?;
    let second = scene.tenant("second", &tier, json!({"id": id})).await?;
    second.not_ready(&["Conflict"], &[&first.name]).await?;
    first.delete().await?;
    first.gone().await?;
    second.ready().await?;
    ensure!(text(&second.get().await?["status"]["id"]) == id, "another id");
    Ok(())
}

#[tokio::test]
async fn an_id_of_its_own_is_given_and_kept() -> Result<()> {
    let scene = Scene::new("given").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    let ready = tenant.ready().await?;
    let id = text(&ready["status"]["id"]);
    ensure!(id.len() == 36 && ready["spec"]["id"].is_null(), "{ready}");
    // Lost with the status, it is found again by the marks.
    scene
        .cluster
        .patch(&(tenant.path() + "/status"), &json!({"status": {"id": null}}))
        .await?;
    eventually("the id to be back", secs(10), async || {
        let now = tenant.get().await?["status"]["id"].clone();
        ensure!(now == id.as_str(), "it is {now}");
        Ok(())
    })
    .await
}
