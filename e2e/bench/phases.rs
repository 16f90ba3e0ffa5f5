//! The phases of a run, one after the other.

use crate::audit::{Counts, Mark};
use crate::cluster::Cluster;
use crate::fleet::Fleet;
use crate::floor::{Common, Floor};
use crate::machine::Machine;
use crate::operator::{self, Metrics};
use crate::spec::{self, FLOOR};
use crate::timing::{patience, until};
use crate::{Arguments, cleanup, fleet, floor, say};
use anyhow::{Context, Result};
use kube::api::{ListParams, PostParams};
use std::path::Path;
use std::time::{Duration, Instant};
use tenant_operator::controller::run::platform;
use tenant_operator::tenant::World;

/// When the operator has written nothing for this long it has settled.
const SETTLED: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(90);

/// Everything that was measured.
pub struct Figures {
    pub tenants: usize,
    pub machine: Machine,
    pub floor: Floor,
    pub fleet: Fleet,
    /// From the first create until it had settled.
    pub asked: Counts,
    /// CPU of the same time; memory at its end.
    pub used: Metrics,
    pub quiet: Duration,
    pub quiet_asked: Counts,
    pub restart: Duration,
    pub restart_asked: Counts,
    pub restart_used: Metrics,
    pub removal: Duration,
}

/// Runs all phases.
pub async fn all(cluster: &Cluster, arguments: &Arguments, replicas: i32) -> Result<Figures> {
    let (count, log) = (arguments.tenants, arguments.audit_log.as_path());
    let machine = Machine::look(cluster, &arguments.revision).await?;
    cleanup::everything(cluster, replicas)
        .await
        .context("what an earlier bench left")?;
    let tier = cluster.tiers().create(&PostParams::default(), &spec::tier()?).await?;
    let settings = operator::settings(cluster).await?;
    let world = World {
        cluster_cidrs: settings.cluster_cidrs.clone(),
        ..World::default()
    };

    // Where the operator watched, the floor would be its work too.
    operator::scale(cluster, 0).await?;
    let common = Common {
        tier,
        platform: platform(&settings),
        world,
    };
    let floor = floor::run(cluster, common, count).await?;
    say(format_args!(
        "floor: {} writes, {:.1} s",
        floor.writes,
        floor.total.as_secs_f64()
    ));
    cleanup::by_force(cluster, FLOOR).await?;

    say("the operator's turn");
    operator::scale(cluster, replicas).await?;
    let pod = operator::leader(cluster).await?;
    settle(log).await?;
    let (mark, before) = (Mark::now(log)?, operator::metrics(cluster, &pod).await?);
    let fleet = fleet::run(cluster, count).await?;
    say(format_args!("operator: {:.1} s", fleet.total.as_secs_f64()));
    settle(log).await?;
    let (asked, after) = (mark.since(operator::USER)?, operator::metrics(cluster, &pod).await?);
    let used = after.since(&before);

    let quiet = Duration::from_secs(arguments.quiet);
    say(format_args!("{} s of quiet", quiet.as_secs()));
    let mark = Mark::now(log)?;
    tokio::time::sleep(quiet).await;
    let quiet_asked = mark.since(operator::USER)?;

    say("restart");
    let mark = Mark::now(log)?;
    let (restart, pod) = restart(cluster, &pod).await?;
    settle(log).await?;
    let (restart_asked, restart_used) = (mark.since(operator::USER)?, operator::metrics(cluster, &pod).await?);
    let removal = cleanup::by_operator(cluster).await?;
    Ok(Figures {
        tenants: count,
        machine,
        floor,
        fleet,
        asked,
        used,
        quiet,
        quiet_asked,
        restart,
        restart_asked,
        restart_used,
        removal,
    })
}

/// Waits until the operator writes nothing any more.
async fn settle(log: &Path) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let mark = Mark::now(log)?;
        tokio::time::sleep(SETTLED).await;
        if mark.since(operator::USER)?.writes == 0 || Instant::now() > end {
            return Ok(());
        }
    }
}

/// Ends the operator's pod. Returns how long it takes until its successor has looked at every tenant, and its name.
async fn restart(cluster: &Cluster, pod: &str) -> Result<(Duration, String)> {
    let tenants = cluster
        .tenants()
        .list_metadata(&ListParams::default())
        .await?
        .items
        .len();
    let started = Instant::now();
    operator::delete(cluster, pod).await?;
    let pause = Duration::from_millis(100);
    until(
        "the operator to be in sync after its restart",
        patience(tenants),
        pause,
        async || {
            let successor = operator::leader(cluster).await?;
            if successor == pod {
                return Ok(None);
            }
            // It may not listen yet.
            let metrics = operator::metrics(cluster, &successor).await.unwrap_or_default();
            Ok((metrics.reconciles >= tenants as f64).then(|| (started.elapsed(), successor)))
        },
    )
    .await
}
