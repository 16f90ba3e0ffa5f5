//! Versions of TLS: a host of the tenant refuses older ones.

use crate::certificates::{put, secured};
use crate::support::certificate::SelfSigned;
use crate::support::gateway::{Door, curl, ready};
use crate::support::{Scene, eventually, secs};
use anyhow::{Result, ensure};
use serde_json::json;

/// Asks for a host by TLS of this version and none later.
async fn at_most(door: &Door, trusted: &str, host: &str, version: &str) -> Result<String> {
    let mut arguments = [
        "--silent",
        "--show-error",
        "--max-time",
        "10",
        "--tls-max",
        version,
        "--cacert",
        trusted,
    ]
    .map(String::from)
    .to_vec();
    arguments.extend(["--resolve".into(), format!("{host}:443:{}", door.address)]);
    arguments.push(format!("https://{host}/hostname"));
    curl(arguments).await
}

#[tokio::test]
async fn a_host_refuses_what_is_older_than_its_version_of_tls() -> Result<()> {
    let Some(door) = Door::find("tls_versions") else {
        return Ok(());
    };
    let scene = Scene::new("versions").await?;
    let tier = scene.tier(json!({})).await?;
    let (tenant, host) = secured(&scene, "a", &tier, json!({})).await?;
    let own = SelfSigned::new(&scene, "own", &host)?;
    put(&tenant, &own).await?;
    ready(&tenant).await?;
    let trusted = own.trusted();
    eventually("TLS 1.2 to be served", secs(15), async || {
        at_most(&door, &trusted, &host, "1.2").await.map(|_| ())
    })
    .await?;
    let tls = json!([{"hosts": [host], "secretName": "shop-tls", "minVersion": "1.3"}]);
    tenant.patch(json!({"gateway": {"tls": tls}})).await?;
    ready(&tenant).await?;
    eventually("TLS 1.2 to be refused", secs(15), async || {
        let older = at_most(&door, &trusted, &host, "1.2").await;
        let refusal = older.err().map(|error| format!("{error:#}")).unwrap_or_default();
        ensure!(refusal.to_lowercase().contains("protocol version"), "{refusal:?}");
        Ok(())
    })
    .await?;
    at_most(&door, &trusted, &host, "1.3").await.map(|_| ())
}
