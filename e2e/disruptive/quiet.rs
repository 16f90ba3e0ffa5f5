//! An unchanged tenant costs no write.

use crate::database::{Unchanged, only_read};
use crate::reports::Reported;
use crate::settled_tenants;
use crate::support::audit::{Audit, Write};
use crate::support::{Scene, eventually, operator, secs};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;

/// For so long the operator must not have written before quiet begins: use is counted for a while after the pods have started.
const SILENCE: Duration = Duration::from_secs(8);
/// Longer than two periods of the operator's periodic work (see [`crate::hasty::PERIODS`]): servers, their sizes and admission every 10 s, give or take a
/// tenth. Openings and housekeeping come every 15 s.
const QUIET: u64 = 25;
/// Three looks at a server with its sizes, and the statements that ask every five seconds whether it is there: a run showed 10.
const STATEMENTS: usize = 20;
/// Longer than a new process takes for its first look at every tenant and for delayed work: it looks at openings once more after 15 s.
const BEGINNING: u64 = 20;

/// No write; but one of when a DatabaseServer was last looked at, which is written every five minutes.
fn none(what: &str, writes: &[Write]) -> Result<()> {
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

/// One quiet for all: tenants with something of everything, with databases, and with reports, which remain.
pub async fn nothing_is_written_in_quiet_and_after_a_restart() -> Result<Option<Reported>> {
    if !Audit::is_kept("in quiet nothing is written") {
        return Ok(None);
    }
    let (scene, stored) = (Scene::new("quiet").await?, Scene::new("dbquiet").await?);
    let log = Audit::now()?;
    let settled = async {
        tokio::try_join!(
            settled_tenants(&scene),
            Unchanged::settled(&stored),
            Reported::settled()
        )
    };
    let (tenants, databases, reported) = settled.await?;
    is_silent(&log).await?;

    let log = Audit::now()?;
    let statements = databases.as_ref().map(Unchanged::log).transpose()?;
    tokio::time::sleep(secs(QUIET)).await;
    none(&format!("{QUIET} seconds of quiet"), &log.operator_writes()?)?;
    if let Some(statements) = &statements {
        only_read(statements, QUIET, STATEMENTS)?;
    }

    let log = Audit::now()?;
    operator::renew(&scene.cluster).await?;
    tokio::time::sleep(secs(BEGINNING)).await;
    none("a restart", &log.operator_writes()?)?;
    tenants[0].patch(json!({"quota": {"pods": 9}})).await?;
    tenants[0].ready().await?;
    ensure!(
        !log.operator_writes()?.is_empty(),
        "the log does not show the operator's writes: this test proves nothing"
    );
    Ok(Some(reported))
}

/// Waits until the operator has written nothing for a while.
async fn is_silent(log: &Audit) -> Result<()> {
    let last = std::cell::Cell::new((0, tokio::time::Instant::now()));
    eventually("the operator to have nothing to write", secs(90), async || {
        let (before, since) = last.get();
        let writes = log.operator_writes()?;
        if writes.len() != before {
            last.set((writes.len(), tokio::time::Instant::now()));
        }
        let newest = writes
            .last()
            .map(|w| format!("{} {} {}/{}", w.at, w.resource, w.namespace, w.name));
        ensure!(
            writes.len() == before && since.elapsed() >= SILENCE,
            "it wrote {newest:?} {:?} ago",
            since.elapsed()
        );
        Ok(())
    })
    .await
}
