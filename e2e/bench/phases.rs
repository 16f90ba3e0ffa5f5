//! The phases of a run, one after the other.

use crate::audit::{Counts, Mark};
use crate::cluster::Cluster;
use crate::database::{self, Site};
use crate::fairness::{self, Fairness};
use crate::fleet::Fleet;
use crate::floor::{Common, Floor};
use crate::machine::Machine;
use crate::operator::{self, Metrics};
use crate::routing::{self, Routing};
use crate::sessions::Sessions;
use crate::spec::{self, FLEET, FLOOR, Profile};
use crate::sql_floor::{self, SqlFloor};
use crate::statements::{Place, Statements};
use crate::timing::{patience, until};
use crate::{Arguments, application, cleanup, fleet, floor, say};
use anyhow::{Context, Result, anyhow, ensure};
use kube::api::{ListParams, PostParams};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenant_operator::api::TenantTier;
use tenant_operator::capability::World;
use tenant_operator::controller::run::attachment;
use tenant_operator::controller::run::platform;
use tenant_operator::database::ValidDatabase;
use tenant_operator::gateway::Controller;
use tenant_operator::tenant::{self, Capabilities, capabilities};

/// The time without a write after which the operator counts as settled.
const SETTLED: Duration = Duration::from_secs(5);

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
    /// CPU of the same time.
    pub quiet_used: Metrics,
    /// None where there is but one tenant, and with --routes.
    pub fairness: Option<Fairness>,
    /// With --routes.
    pub routing: Option<Routing>,
    pub restart: Duration,
    pub restart_asked: Counts,
    pub restart_used: Metrics,
    pub removal: Duration,
    /// With --database.
    pub sql: Option<Sql>,
}

/// Measurements of the PostgreSQL server.
pub struct Sql {
    pub version: String,
    pub floor: SqlFloor,
    /// From the first create until it had settled, as the rest here.
    pub asked: Statements,
    /// The most connections at once.
    pub connections: i64,
    pub quiet: Statements,
    pub restart: Statements,
    pub few: usize,
    /// The same time of quiet with so few tenants.
    pub few_quiet: Statements,
    /// Statements for the removal of one tenant, on average over those removed to leave few.
    pub removal: f64,
}

/// Runs all phases.
pub async fn all(cluster: &Cluster, arguments: &Arguments, replicas: i32) -> Result<Figures> {
    let (count, log) = (arguments.tenants, arguments.audit_log.as_path());
    let machine = Machine::look(cluster, &arguments.revision).await?;
    cleanup::everything(cluster, replicas)
        .await
        .context("what an earlier bench left")?;
    let site = match &arguments.database {
        Some(dir) => Some(Arc::new(Site::open(dir).await?)),
        None => None,
    };
    let profile = arguments.profile();
    let tier = cluster
        .tiers()
        .create(&PostParams::default(), &spec::tier(profile)?)
        .await?;
    let settings = operator::settings(cluster).await?;
    let platform = platform(&settings);
    let gateway = attachment(&settings);
    let capabilities = capabilities::offline(gateway.clone());
    let applications = settings.gateway.application_namespaces.iter();
    let world = World {
        cluster_cidrs: settings.cluster_cidrs.clone(),
        shared_hosts: gateway.as_ref().map(|gateway| gateway.shared_hosts.clone()),
        application_namespaces: applications.map(|namespace| (namespace.clone(), None)).collect(),
        ..World::default()
    };
    if profile == Profile::Routes {
        let controller = gateway.as_ref().map(|gateway| gateway.controller);
        ensure!(
            controller == Some(Controller::EnvoyGateway),
            "--routes needs an operator that writes for Envoy Gateway"
        );
        application::run(cluster).await?;
    }

    // Where the operator watched, the floor would be its work too.
    operator::scale(cluster, 0).await?;
    let sql_floor = match &site {
        Some(site) => Some(floor_of(site, &capabilities, &tier, &world, count).await?),
        None => None,
    };
    let common = Common {
        profile,
        tier,
        platform,
        capabilities,
        gateway: gateway.clone(),
        world,
        site: site.clone(),
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
    let place = || site.as_ref().map(|site| Place::now(&site.log)).transpose();
    let sessions = match &site {
        Some(site) => {
            site.announce(cluster).await?;
            database::ready(cluster).await?;
            Some(Sessions::watch(site).await?)
        }
        None => None,
    };
    settle(log, count).await?;
    let begin = place()?;
    let (mark, before) = (Mark::now(log)?, operator::metrics(cluster, &pod).await?);
    let fleet = fleet::run(cluster, profile, count).await?;
    say(format_args!("operator: {:.1} s", fleet.total.as_secs_f64()));
    let lag = match gateway.filter(|_| profile == Profile::Routes) {
        Some(to) => Some(routing::lag(cluster, &to, count).await?),
        None => None,
    };
    settle(log, count).await?;
    let (asked, after) = (mark.since(operator::USER)?, operator::metrics(cluster, &pod).await?);
    let used = after.since(&before);
    let sql_asked = since(begin.as_ref())?;

    let quiet = Duration::from_secs(arguments.quiet);
    let age = Duration::from_secs(if site.is_some() { arguments.age } else { 0 });
    tokio::time::sleep(age).await;
    say(format_args!("{} s of quiet", quiet.as_secs()));
    let (mark, begin, before) = (Mark::now(log)?, place()?, operator::metrics(cluster, &pod).await?);
    tokio::time::sleep(quiet).await;
    let (quiet_asked, sql_quiet) = (mark.since(operator::USER)?, since(begin.as_ref())?);
    let quiet_used = operator::metrics(cluster, &pod).await?.since(&before);

    let (fairness, routing) = match lag {
        Some(lag) => (None, Some(routing::run(cluster, log, count, lag).await?)),
        None => (fairness::run(cluster, FLEET, count).await?, None),
    };
    settle(log, count).await?;

    say("restart");
    let (mark, begin) = (Mark::now(log)?, place()?);
    let (restart, pod) = restart(cluster, &pod).await?;
    settle(log, count).await?;
    let (restart_asked, restart_used) = (mark.since(operator::USER)?, operator::metrics(cluster, &pod).await?);
    let (sql_restart, restarted) = (since(begin.as_ref())?, Instant::now());
    let few = if site.is_some() { arguments.few.min(count) } else { 0 };
    let begin = place()?;
    let mut removal = cleanup::by_operator(cluster, FLEET, few).await?;
    let (sql_removal, mut sql_few) = (since(begin.as_ref())?, Statements::default());
    if site.is_some() {
        settle(log, count).await?;
        tokio::time::sleep(age.saturating_sub(restarted.elapsed())).await;
        say(format_args!("{} s of quiet, {few} tenants", quiet.as_secs()));
        let begin = place()?;
        tokio::time::sleep(quiet).await;
        sql_few = since(begin.as_ref())?;
        removal += cleanup::by_operator(cluster, FLEET, 0).await?;
    }
    let sql = site.zip(sql_floor).map(|(site, floor)| Sql {
        version: site.version.clone(),
        floor,
        asked: sql_asked,
        connections: sessions.map(|sessions| sessions.most()).unwrap_or_default(),
        quiet: sql_quiet,
        restart: sql_restart,
        few,
        few_quiet: sql_few,
        removal: sql_removal.all as f64 / (count - few).max(1) as f64,
    });
    Ok(Figures {
        tenants: count,
        machine,
        floor,
        fleet,
        asked,
        used,
        quiet,
        quiet_asked,
        quiet_used,
        fairness,
        routing,
        restart,
        restart_asked,
        restart_used,
        removal,
        sql,
    })
}

/// Counts the later statements to PostgreSQL; none without a server.
fn since(place: Option<&Place>) -> Result<Statements> {
    place.map_or_else(|| Ok(Statements::default()), Place::since)
}

async fn floor_of(
    site: &Site,
    capabilities: &Capabilities,
    tier: &TenantTier,
    world: &World,
    count: usize,
) -> Result<SqlFloor> {
    let mut tenant = spec::tenant(Profile::Database, FLOOR, 0)?;
    tenant.metadata.uid = Some("00000000-0000-4000-8000-000000000000".into());
    let valid = tenant::validate(capabilities, &tenant, tier, world).map_err(|reasons| anyhow!("{reasons:?}"))?;
    let database: &ValidDatabase = valid.part().context("the tier gives no database")?;
    sql_floor::run(site, database, count).await
}

/// Waits until the operator writes nothing any more; so many tenants are proven apart one after the other.
pub async fn settle(log: &Path, tenants: usize) -> Result<()> {
    let end = Instant::now() + patience(tenants);
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
