//! With LOAD=1: requests through the gateway to tenants' pods and to PostgreSQL.

mod checks;
mod connections;
mod constant_rate;
mod issuer;
mod neighbours;
mod proxy_cpu;
mod report;
mod tenants;

use crate::cluster::{Cluster, WORKERS};
use crate::machine::Machine;
use crate::spec::{self, FLEET, LIMITS, Profile};
use crate::timing::until;
use crate::{Arguments, application, cleanup, fleet, operator, phases, routing, say};
use anyhow::{Context, Result, ensure};
use checks::Checked;
use connections::{Connections, Target};
use constant_rate::Answers;
use futures::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use issuer::Issuer;
use kube::api::PostParams;
use neighbours::Neighbours;
use proxy_cpu::Proxies;
pub use report::table;
use std::sync::Arc;
use std::time::Duration;
use tenant_operator::controller::run::attachment;
use tenant_operator::gateway::Controller;
pub use tenants::remove;

/// The requests to all tenants together: in a minute, and the share of one tenant's that read its rows.
const PER_MINUTE: f64 = 10_000.0;
const ROWS_SHARE: f64 = 0.1;
const TIME: Duration = Duration::from_secs(60);
/// Rows of the quiet tenant.
const ROWS: usize = 10;
/// The fewest tenants that share the requests without one that reaches its limit.
const FEWEST: usize = (PER_MINUTE as usize).div_ceil(LIMITS[0] as usize);
/// The time that the gateway's proxies have for changes that their controller has accepted.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// Everything that was measured.
pub struct Load {
    tenants: usize,
    machine: Machine,
    /// Requests spread over the fleet, and the rows that one tenant reads meanwhile.
    spread: Answers,
    rows: Answers,
    neighbours: Neighbours,
    checks: Vec<Checked>,
}

/// Makes all tenants and measures.
pub async fn run(cluster: &Cluster, arguments: &Arguments, replicas: i32) -> Result<Load> {
    let count = arguments.tenants;
    ensure!(
        count >= FEWEST,
        "--load needs {FEWEST} tenants or more: each may send {} requests a minute",
        LIMITS[0]
    );
    let machine = Machine::look(cluster, &arguments.revision).await?;
    cleanup::everything(cluster, replicas)
        .await
        .context("what an earlier bench left")?;
    let gateway = attachment(&operator::settings(cluster).await?)
        .filter(|gateway| gateway.controller == Controller::EnvoyGateway)
        .context("--load needs an operator that writes for Envoy Gateway")?;
    let issuer = Issuer::new()?;
    application::run(cluster).await?;
    let tier = spec::tier(Profile::Routes)?;
    cluster.tiers().create(&PostParams::default(), &tier).await?;
    say("tenants with pods, and one for each check");
    tenants::make(cluster, &gateway, &issuer).await?;
    say(format_args!("{count} tenants"));
    fleet::run(cluster, Profile::Routes, count).await?;
    routing::lag(cluster, &gateway, count).await?;
    phases::settle(&arguments.audit_log, count).await?;

    let connections = Arc::new(Connections::to(routing::address(cluster, &gateway).await?));
    let fleet = fleet_targets(cluster, count).await?;
    let [quiet, noisy] = [tenants::QUIET, tenants::NOISY].map(|tenant| tenants::rows(cluster, tenant));
    let [quiet, noisy] = [Arc::new(quiet.await?), Arc::new(noisy.await?)];
    let hosts = tenants::checked_hosts(cluster, &issuer).await?;
    let further = hosts.iter().map(|(_, target)| target).chain([&*quiet, &*noisy]);
    open(&connections, fleet.iter().map(|target| &**target).chain(further)).await?;
    for _ in 0..ROWS {
        let status = connections.post(&quiet, "a row of the quiet tenant").await?;
        ensure!(status == StatusCode::OK, "a row is refused: {status}");
    }

    say(format_args!("{PER_MINUTE} requests a minute"));
    let rate = PER_MINUTE / 60.0;
    let reads = [quiet.clone()];
    let (spread, rows) = tokio::join!(
        constant_rate::send(&connections, &fleet, rate * (1.0 - ROWS_SHARE), TIME),
        constant_rate::send(&connections, &reads, rate * ROWS_SHARE, TIME),
    );
    let neighbours = neighbours::run(&connections, &quiet, &noisy).await;
    say("the gateway's checks");
    let checks = checks::run(&connections, &hosts, Proxies::of(&gateway).as_ref()).await?;
    Ok(Load {
        tenants: count,
        machine,
        spread,
        rows,
        neighbours,
        checks,
    })
}

async fn fleet_targets(cluster: &Cluster, count: usize) -> Result<Vec<Arc<Target>>> {
    let reads = (0..count).map(|index| async move {
        let tenant = spec::name(FLEET, index);
        let key = routing::key(cluster, tenant.clone()).await?;
        Target::with_key(spec::host(&tenant), "/", &key).map(Arc::new)
    });
    stream::iter(reads).buffered(WORKERS).try_collect().await
}

/// Connects each client, and waits until all are served.
async fn open(connections: &Connections, targets: impl Iterator<Item = &Target>) -> Result<()> {
    let opened = targets.map(|target| async move {
        let mut last = Ok(());
        let served = until(&format!("{} to serve", target.host), READY_TIMEOUT, PAUSE, async || {
            last = connections.open(target).await;
            Ok(last.is_ok().then_some(()))
        })
        .await;
        served.map_err(|error| match last {
            Err(last) => last.context(error),
            Ok(()) => error,
        })
    });
    stream::iter(opened).buffer_unordered(WORKERS).try_collect().await
}
