//! A tenant that stores more than its limit. The operator asks for sizes at its start, and every five minutes.

use super::together::Ticket;
use crate::support::database::{FORBIDDEN, Site};
use crate::support::{Scene, path, secs};
use anyhow::{Context, Result, ensure};
use serde_json::json;

const LIMIT: &str = "2Mi";
const FILL: &str =
    "CREATE TABLE filler AS SELECT n, repeat(md5(n::text), 30) AS content FROM generate_series(1, 5000) AS n";

pub async fn at_its_limit_a_tenant_reads_and_deletes_where_the_tier_says_so(restart: Ticket<'_>) -> Result<()> {
    let Some(site) = Site::find("at_its_limit_a_tenant_reads_and_deletes_where_the_tier_says_so") else {
        return Ok(());
    };
    let scene = Scene::new("dbroom").await?;
    let server = site.server(&scene, "pg", &scene.name, json!({})).await?;
    server.ready().await?;
    let selector = json!({"matchLabels": {"e2e": scene.name}});
    let tier = async |action: &str| {
        let database =
            json!({"model": "Schema", "serverSelector": selector, "maxStorage": LIMIT, "onStorageLimit": action});
        scene.tier(json!({"database": database})).await
    };
    let strict = tier("ReadOnly").await?;
    let lenient = tier("Report").await?;
    let (limited, told) = (
        scene.tenant("limited", &strict, json!({})).await?,
        scene.tenant("told", &lenient, json!({})).await?,
    );
    for tenant in [&limited, &told] {
        site.log_in(&tenant.with_database().await?).await?.works(FILL).await?;
    }
    restart.restarted(&scene.cluster).await?;

    limited
        .database_fails(secs(60), "StorageLimitReached", &["of at most 2097152", "not write"])
        .await?;
    told.condition("DatabaseReady", "True", &["StorageLimitReached"])
        .await?;
    told.ready().await?;
    site.log_in(&told.binding().await?)
        .await?
        .works("INSERT INTO filler VALUES (0, 'more')")
        .await?;
    let session = site.log_in(&limited.binding().await?).await?;
    for write in [
        "INSERT INTO filler VALUES (0, 'more')",
        "UPDATE filler SET content = content || 'x'",
        "CREATE TABLE more (n int)",
    ] {
        let refusal = session
            .run(write)
            .await
            .err()
            .with_context(|| format!("let through: {write}"))?;
        ensure!(refusal.code == FORBIDDEN, "{write}: {refusal}");
    }
    ensure!(
        session.one("SELECT count(*) FROM filler").await? == "5000",
        "it cannot read"
    );
    session.works("DELETE FROM filler WHERE n > 4990").await?;

    // More room, and it writes again.
    let at = path("tenanttiers", "", &strict);
    let more = json!({"spec": {"database": {"maxStorage": "1Gi"}}});
    scene.cluster.patch(&at, &more).await.context("patch the tier")?;
    let binding = limited.with_database().await?;
    let session = site.log_in(&binding).await?;
    session.works("INSERT INTO filler VALUES (0, 'more')").await?;
    ensure!(
        session.one("SELECT count(*) FROM filler").await? == "4991",
        "rows were lost"
    );
    Ok(())
}
