//! An unchanged tenant costs no write.

use crate::settled_tenants;
use crate::support::audit::{Audit, Write};
use crate::support::{Scene, operator, secs};
use anyhow::{Result, ensure};
use serde_json::json;

/// Use is counted for a while after the pods have started.
const SETTLE: u64 = 15;

/// No write; but one of when a DatabaseServer was last looked at, which is written every five minutes.
pub fn none(what: &str, writes: &[Write]) -> Result<()> {
    let is_time = |w: &&Write| w.resource == "databaseservers" && w.subresource == "status";
    let (times, writes): (Vec<&Write>, Vec<&Write>) = writes.iter().partition(is_time);
    ensure!(
        times.len() <= 1,
        "{what}: a server's status was written {} times",
        times.len()
    );
    let line = |w: &Write| {
        format!(
            "\n  {} {} {}/{} {}/{}",
            w.at, w.verb, w.resource, w.subresource, w.namespace, w.name
        )
    };
    ensure!(
        writes.is_empty(),
        "{what}: {} writes:{}",
        writes.len(),
        writes.iter().map(|w| line(w)).collect::<String>()
    );
    Ok(())
}

#[tokio::test]
async fn in_quiet_nothing_is_written() -> Result<()> {
    if !Audit::is_kept("in_quiet_nothing_is_written") {
        return Ok(());
    }
    let scene = Scene::new("quiet").await?;
    settled_tenants(&scene).await?;
    tokio::time::sleep(secs(SETTLE)).await;
    let log = Audit::now()?;
    tokio::time::sleep(secs(20)).await;
    none("20 seconds of quiet", &log.operator_writes()?)
}

#[tokio::test]
async fn a_restart_writes_nothing() -> Result<()> {
    if !Audit::is_kept("a_restart_writes_nothing") {
        return Ok(());
    }
    let scene = Scene::new("restart").await?;
    let tenants = settled_tenants(&scene).await?;
    tokio::time::sleep(secs(SETTLE)).await;
    let log = Audit::now()?;
    operator::renew(&scene.cluster).await?;
    // It has seen every tenant when it answers to a change of one.
    tokio::time::sleep(secs(10)).await;
    none("a restart", &log.operator_writes()?)?;
    tenants[0].patch(json!({"quota": {"pods": 9}})).await?;
    tenants[0].ready().await?;
    ensure!(
        !log.operator_writes()?.is_empty(),
        "the log does not show the operator's writes: this test proves nothing"
    );
    Ok(())
}
