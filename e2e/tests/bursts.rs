//! Bursts: further requests pass at once, and over a minute the rate holds.

use crate::support::gateway::{Door, led_to, ready};
use crate::support::{Scene, eventually, secs};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The limit: requests in a second, and further ones at once.
const RATE: usize = 5;
const BURST: usize = 3;

#[tokio::test]
async fn a_burst_passes_at_once_and_the_rate_holds_over_a_minute() -> Result<()> {
    let Some(door) = Door::find("bursts") else {
        return Ok(());
    };
    let scene = Scene::new("bursts").await?;
    let tier = scene.tier(json!({})).await?;
    let limits = json!({"rateLimits": [{"requests": RATE, "unit": "Second", "burst": BURST}]});
    let (tenant, host) = led_to(&scene, "a", &tier, limits).await?;
    ready(&tenant).await?;
    eventually("the limiter to count", secs(15), async || {
        let answer = door.answers(200, &host, "/hostname", &[]).await?;
        let limits = answer.headers.get("x-ratelimit-limit").context("it does not")?;
        ensure!(limits.contains("8;w=1") && limits.contains("300;w=60"), "{limits}");
        Ok(())
    })
    .await?;
    eventually("a burst within one second of the clock", secs(30), async || {
        let second = next_second().await?;
        let statuses = door.without_a_pause(&host, "/hostname", &[], RATE + BURST + 1).await?;
        ensure!(now()?.as_secs() == second, "the second ended too early: {statuses:?}");
        let (passed, refused) = statuses.split_at(RATE + BURST);
        ensure!(
            passed.iter().all(|status| *status == 200) && refused == [429],
            "{statuses:?}"
        );
        Ok(())
    })
    .await?;
    // A minute's requests sent in a few seconds: then a new second has none left. Refused ones count too.
    eventually("the rate to hold", secs(60), async || {
        door.without_a_pause(&host, "/hostname", &[], 60 * RATE).await?;
        next_second().await?;
        let refused = door.answers(429, &host, "/hostname", &[]).await?;
        let after: u64 = refused.headers.get("retry-after").context("no Retry-After")?.parse()?;
        ensure!((1..=60).contains(&after), "Retry-After: {after}");
        Ok(())
    })
    .await
}

fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// Waits for the clock's next second, and returns it.
async fn next_second() -> Result<u64> {
    let next = now()?.as_secs() + 1;
    tokio::time::sleep(Duration::from_secs(next).saturating_sub(now()?)).await;
    Ok(next)
}
