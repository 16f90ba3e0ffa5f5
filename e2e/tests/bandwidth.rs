//! Bandwidth: a tenant's answers are as slow as its limit, and no other's.

use crate::support::Scene;
use crate::support::gateway::{Door, led_to, ready};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_tenants_answers_keep_to_its_bandwidth() -> Result<()> {
    let Some(door) = Door::find("bandwidth") else {
        return Ok(());
    };
    let scene = Scene::new("bandwidth").await?;
    let tier = scene
        .tier(json!({"gateway": {"bandwidthLimit": {"response": "1M"}}}))
        .await?;
    let slow = json!({"bandwidthLimit": {"response": "4Ki"}});
    let (a, at_a) = led_to(&scene, "a", &tier, slow).await?;
    let (b, at_b) = led_to(&scene, "b", &tier, json!({})).await?;
    ready(&a).await?;
    ready(&b).await?;
    // An answer of 16 KiB.
    let path = format!("/echo?msg={}", "x".repeat(16 << 10));
    let mut times = Vec::new();
    for host in [&at_a, &at_b] {
        door.serves(host, "/hostname", &[]).await?;
        let began = Instant::now();
        let answer = door.answers(200, host, &path, &[]).await?;
        let bytes = answer.body.trim().len();
        ensure!(bytes == 16 << 10, "{bytes} bytes");
        times.push(began.elapsed());
    }
    ensure!(times[0] > Duration::from_secs(2), "{times:?}: not slowed down");
    ensure!(times[1] < Duration::from_secs(1), "{times:?}: slowed down without need");
    a.patch(json!({"gateway": {"bandwidthLimit": {"response": "2M"}}}))
        .await?;
    a.not_ready(
        &["InvalidSpec"],
        &["spec.gateway.bandwidthLimit.response", "more than the 1M"],
    )
    .await
    .map(|_| ())
}
