//! Sessions that stay at one pod.

use crate::support::gateway::{Answer, Door, led_to, ready};
use crate::support::{Scene, eventually, secs, server_workload};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::collections::BTreeSet;

/// The pods that answer so many requests with these headers.
async fn pods(door: &Door, host: &str, headers: &[&str], requests: usize) -> Result<BTreeSet<String>> {
    let mut pods = BTreeSet::new();
    for _ in 0..requests {
        pods.insert(door.answers(200, host, "/hostname", headers).await?.body);
    }
    Ok(pods)
}

/// The cookie of a session, as a client sends it back.
fn cookie(answer: &Answer) -> Result<String> {
    let set = answer.headers.get("set-cookie").context("no cookie")?;
    let (pair, attributes) = set.split_once(';').context("no attributes")?;
    let expected = ["Max-Age=3600", "Path=/", "HttpOnly"];
    ensure!(expected.iter().all(|attribute| attributes.contains(attribute)), "{set}");
    Ok(format!("Cookie: {pair}"))
}

#[tokio::test]
async fn the_requests_of_a_session_stay_at_one_pod() -> Result<()> {
    let Some(door) = Door::find("sessions") else {
        return Ok(());
    };
    let scene = Scene::new("sessions").await?;
    let tier = scene.tier(json!({})).await?;
    let by_cookie = json!({"type": "Cookie", "sessionName": "sid", "absoluteTimeout": "1h"});
    let gateway = json!({"traffic": {"sessionPersistence": by_cookie}});
    let (tenant, host) = led_to(&scene, "a", &tier, gateway).await?;
    let mut web = server_workload("web");
    web["replicas"] = json!(3);
    tenant.patch(json!({"workloads": [web]})).await?;
    ready(&tenant).await?;
    eventually(
        "several pods to answer clients without a session",
        secs(20),
        async || {
            let all = pods(&door, &host, &[], 12).await?;
            ensure!(all.len() > 1, "{all:?} alone");
            Ok(())
        },
    )
    .await?;
    let first = door.answers(200, &host, "/hostname", &[]).await?;
    let session = cookie(&first)?;
    let seen = pods(&door, &host, &[&session], 12).await?;
    ensure!(
        seen == BTreeSet::from([first.body.clone()]),
        "{seen:?} instead of {}",
        first.body
    );
    let again = door.answers(200, &host, "/hostname", &[&session]).await?;
    ensure!(!again.headers.contains_key("set-cookie"), "a second cookie");

    let by_header = json!({"type": "Header", "sessionName": "X-Session-ID", "absoluteTimeout": null});
    tenant
        .patch(json!({"gateway": {"traffic": {"sessionPersistence": by_header}}}))
        .await?;
    eventually("the header to decide", secs(15), async || {
        let answer = door.answers(200, &host, "/hostname", &[]).await?;
        ensure!(!answer.headers.contains_key("set-cookie"), "still by cookie");
        let mut all = BTreeSet::new();
        for session in ["one", "two", "three", "four", "five", "six", "seven", "eight"] {
            let seen = pods(&door, &host, &[&format!("X-Session-ID: {session}")], 3).await?;
            ensure!(seen.len() == 1, "{seen:?} for one session");
            all.extend(seen);
        }
        ensure!(all.len() > 1, "{all:?} for all sessions");
        Ok(())
    })
    .await
}
