//! Two tenants that name each other.

use crate::support::probe::{closed, closes, open};
use crate::support::{Scene, TestTenant, eventually, secs, server_workload, text};
use crate::traffic::Reachable;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

fn naming(scene: &Scene, peer: &str) -> Value {
    json!({"ingress": {"tenants": [{"name": format!("{}-{peer}", scene.name)}]}})
}

async fn state(tenant: &TestTenant, state: &str) -> Result<()> {
    eventually(&format!("{} to say {state}", tenant.name), secs(30), async || {
        let network = tenant.get().await?["status"]["effective"]["network"].clone();
        ensure!(text(&network["peers"][0]["state"]) == state, "it says {network}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_takes_both_and_ends_with_either() -> Result<()> {
    let scene = Scene::new("peers").await?;
    let tier = scene.tier(json!({})).await?;
    let workloads = json!([server_workload("web")]);
    let a = scene
        .tenant(
            "a",
            &tier,
            json!({"workloads": workloads, "network": naming(&scene, "b")}),
        )
        .await?;
    let b = scene.tenant("b", &tier, json!({"workloads": workloads})).await?;
    let c = scene
        .tenant(
            "c",
            &tier,
            json!({"workloads": workloads, "network": naming(&scene, "a")}),
        )
        .await?;
    let (a, b, c) = tokio::try_join!(Reachable::new(a), Reachable::new(b), Reachable::new(c))?;

    for one in [&a, &b, &c] {
        open("control: each reaches itself", one.from(), &one.address).await?;
    }
    state(&a.tenant, "Pending").await?;
    closed("one-sided, from the one who named", a.from(), &b.address).await?;
    closed("one-sided, from the one who was named", b.from(), &a.address).await?;

    b.tenant.patch(json!({"network": naming(&scene, "a")})).await?;
    open("mutual, one way", a.from(), &b.service).await?;
    open("mutual, the other way", b.from(), &a.address).await?;
    state(&a.tenant, "Agreed").await?;
    state(&b.tenant, "Agreed").await?;
    closed("a third who names one of them", c.from(), &a.address).await?;
    closed("a third from one of them", a.from(), &c.address).await?;

    b.tenant.patch(json!({"network": null})).await?;
    closes("withdrawn, one way", a.from(), &b.address).await?;
    closes("withdrawn, the other way", b.from(), &a.address).await?;
    state(&a.tenant, "Pending").await
}

#[tokio::test]
async fn a_peer_that_is_deleted_is_no_peer() -> Result<()> {
    let scene = Scene::new("expeer").await?;
    let tier = scene.tier(json!({})).await?;
    let a = scene
        .tenant("a", &tier, json!({"network": naming(&scene, "b")}))
        .await?;
    let b = scene
        .tenant("b", &tier, json!({"network": naming(&scene, "a")}))
        .await?;
    tokio::try_join!(a.ready(), b.ready())?;
    state(&a, "Agreed").await?;
    b.delete().await?;
    b.gone().await?;
    state(&a, "Pending").await
}
