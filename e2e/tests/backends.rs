//! Routes with several backends: each gets its share of the requests.

use crate::support::gateway::{Door, ready};
use crate::support::{Scene, TestTenant, eventually, secs, server_workload};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// A tenant with the workloads `stable` and `other`, whose one route has these backends; and its host.
async fn led_to_both(scene: &Scene, tier: &str, backends: Value) -> Result<(TestTenant, String)> {
    let host = format!("{}.example.com", scene.name);
    let spec = json!({
        "network": {"ingress": {"gateway": "Allow"}},
        "workloads": [server_workload("stable"), server_workload("other")],
        "gateway": {"hosts": [host], "routes": [{"backends": backends}]},
    });
    Ok((scene.tenant("", tier, spec).await?, host))
}

/// The number of requests that each of the two workloads answers, of so many.
async fn answered(door: &Door, host: &str, requests: usize) -> Result<(usize, usize)> {
    let (mut stable, mut other) = (0, 0);
    for _ in 0..requests {
        let pod = door.answers(200, host, "/hostname", &[]).await?.body;
        stable += usize::from(pod.starts_with("stable-"));
        other += usize::from(pod.starts_with("other-"));
    }
    ensure!(stable + other == requests, "{stable} + {other} of {requests}");
    Ok((stable, other))
}

#[tokio::test]
async fn requests_are_shared_out_by_weight() -> Result<()> {
    let Some(door) = Door::find("backends") else {
        return Ok(());
    };
    let scene = Scene::new("backends").await?;
    let tier = scene.tier(json!({})).await?;
    let weights = |other: u32| json!([{"workload": "stable", "weight": 3}, {"workload": "other", "weight": other}]);
    let (tenant, host) = led_to_both(&scene, &tier, weights(1)).await?;
    ready(&tenant).await?;
    eventually("both to answer", secs(15), async || {
        let (stable, other) = answered(&door, &host, 60).await?;
        ensure!(other > 0 && other < stable, "{stable} to {other} instead of 3 to 1");
        Ok(())
    })
    .await?;
    tenant
        .patch(json!({"gateway": {"routes": [{"backends": weights(0)}]}}))
        .await?;
    eventually("one of them to answer alone", secs(15), async || {
        let (_, other) = answered(&door, &host, 10).await?;
        ensure!(other == 0, "{other} of 10 without any weight");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_fallback_answers_while_the_others_have_no_pod() -> Result<()> {
    let Some(door) = Door::find("backends") else {
        return Ok(());
    };
    let scene = Scene::new("fallback").await?;
    let tier = scene.tier(json!({})).await?;
    let backends = json!([{"workload": "stable"}, {"workload": "other", "fallback": true}]);
    let (tenant, host) = led_to_both(&scene, &tier, backends).await?;
    ready(&tenant).await?;
    eventually("the first to answer", secs(15), async || {
        let (_, other) = answered(&door, &host, 10).await?;
        ensure!(other == 0, "the fallback answered {other} of 10 without need");
        Ok(())
    })
    .await?;

    let workloads = |replicas: u32| {
        let mut stable = server_workload("stable");
        stable["replicas"] = json!(replicas);
        json!({"workloads": [stable, server_workload("other")]})
    };
    tenant.patch(workloads(0)).await?;
    eventually("the fallback to answer", secs(30), async || {
        let (stable, _) = answered(&door, &host, 10).await?;
        ensure!(stable == 0, "{stable} of 10 were answered by a workload without pods");
        Ok(())
    })
    .await?;
    tenant.patch(workloads(1)).await?;
    eventually("the first to answer again", secs(60), async || {
        let (_, other) = answered(&door, &host, 10).await?;
        ensure!(other == 0, "the fallback still answered {other} of 10");
        Ok(())
    })
    .await
}
