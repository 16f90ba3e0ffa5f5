//! Usage: the operator counts each tenant's requests separately.

use crate::support::gateway::{Door, led_to};
use crate::support::{Cluster, Scene, eventually, operator, secs};
use anyhow::{Result, ensure};
use serde_json::json;

/// Returns the operator's count of a tenant's requests.
async fn counted(cluster: &Cluster, name: &str, tenant: &str) -> Result<f64> {
    let line = format!("tenant_gateway_{name}_total{{tenant=\"{tenant}\"}} ");
    let mut total = 0.0;
    for pod in operator::pods(cluster).await? {
        let text = operator::metrics(cluster, &pod).await?;
        let values = text
            .lines()
            .filter_map(|each| each.strip_prefix(&line)?.trim().parse::<f64>().ok());
        total += values.sum::<f64>();
    }
    Ok(total)
}

#[tokio::test]
async fn requests_and_bytes_are_counted_for_whom_they_were_and_refusals_too() -> Result<()> {
    let Some(door) = Door::find("usage") else {
        return Ok(());
    };
    let scene = Scene::new("usage").await?;
    let tier = scene.tier(json!({})).await?;
    let limits = json!({"rateLimits": [{"requests": 20, "unit": "Hour"}]});
    let (a, at_a) = led_to(&scene, "a", &tier, limits).await?;
    let (b, at_b) = led_to(&scene, "b", &tier, json!({})).await?;
    a.ready().await?;
    b.ready().await?;
    let (mut served, mut refused) = (0.0, 0.0);
    for _ in 0..30 {
        match door.get(&at_a, "/hostname", &[]).await?.status {
            200 => served += 1.0,
            429 => refused += 1.0,
            other => anyhow::bail!("{other} was answered"),
        }
    }
    ensure!(served >= 20.0 && refused >= 1.0, "{served} served, {refused} refused");
    door.serves(&at_b, "/hostname", &[]).await?;
    eventually("what was sent to be counted", secs(120), async || {
        let of = async |name: &str, tenant: &str| counted(&scene.cluster, name, tenant).await;
        let (requests, limited) = (of("requests", &a.name).await?, of("limited_requests", &a.name).await?);
        ensure!(
            requests == served + refused && limited == refused,
            "{requests} counted and {limited} of them over the limit, of {served} and {refused}"
        );
        let (received, sent) = (of("received_bytes", &a.name).await?, of("sent_bytes", &a.name).await?);
        ensure!(
            received > 20.0 * served && sent > 20.0 * served,
            "{received} and {sent} bytes"
        );
        let other = of("requests", &b.name).await?;
        ensure!(other >= 1.0 && other < served, "{other} of the other tenant");
        Ok(())
    })
    .await
}
