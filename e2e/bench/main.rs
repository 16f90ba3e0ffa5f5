//! `make bench`: times N tenants on a real control plane, beside a plain client that writes the same objects.
//!
//! One run, in this order: the floor, the operator's turn, a minute of quiet, changes beside a noisy tenant, a restart, removal. With `--database` each tenant
//! has a schema on one PostgreSQL server, which has a floor and figures of its own. With `--routes` each has routes through the gateway.
//!
//! With `--load` the run is another one: requests through the gateway to such tenants, to tenants' pods, and to PostgreSQL. The bench always removes its objects.

mod application;
mod audit;
mod change;
mod cleanup;
mod cluster;
mod database;
mod fairness;
mod fleet;
mod floor;
mod load;
mod machine;
mod noise;
mod operator;
mod phases;
mod record;
mod report;
mod routing;
mod sessions;
mod spec;
mod sql_floor;
mod statements;
mod timing;
mod watches;

use anyhow::{Context, Result, bail};
use clap::Parser;
use cluster::Cluster;
use spec::Profile;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Measures the operator that is installed in the cluster of KUBECONFIG.
#[derive(Parser)]
struct Arguments {
    /// Number of tenants.
    #[arg(long, env = "N", default_value_t = 200)]
    tenants: usize,
    /// The API server's audit log.
    #[arg(long, env = "AUDIT_LOG")]
    audit_log: PathBuf,
    /// Length of the quiet, in seconds, without a write.
    #[arg(long, default_value_t = 60)]
    quiet: u64,
    /// The files of a PostgreSQL server of the bench's own (database.sh): every tenant has its database there.
    #[arg(long)]
    database: Option<PathBuf>,
    /// With --database: how many seconds after the last tenant was Ready, or the operator was restarted, the quiet begins at the earliest. After ten
    /// minutes logins are tried again.
    #[arg(long, default_value_t = 660)]
    age: u64,
    /// With --database: with how many tenants the quiet is measured once more.
    #[arg(long, default_value_t = 50)]
    few: usize,
    /// Every tenant has a host of its own at the gateway, an API key and a limit, and shares one application; none has a workload.
    #[arg(long, conflicts_with = "database")]
    routes: bool,
    /// The same tenants, and requests to them through the gateway. None of the other phases.
    #[arg(long, conflicts_with_all = ["database", "routes"])]
    load: bool,
    /// Revision of the build, for the record.
    #[arg(long, default_value = "unknown")]
    revision: String,
    /// The file that the table is put into, the newest first.
    #[arg(long)]
    record: Option<PathBuf>,
}

impl Arguments {
    fn profile(&self) -> Profile {
        match (self.routes, &self.database) {
            (true, _) => Profile::Routes,
            (false, Some(_)) => Profile::Database,
            (false, None) => Profile::Workload,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let cluster = Cluster::connect().await?;
    let replicas = operator::replicas(&cluster).await?.max(1);
    database::abandon(&cluster).await?;
    let measured = tokio::select! {
        measured = measure(&cluster, arguments, replicas) => measured,
        () = interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    let cleaned = cleanup::everything(&cluster, replicas)
        .await
        .context("what the bench made could not all be removed");
    let Measured { table, missed } = measured?;
    cleaned?;
    println!("{table}");
    if let Some(file) = &arguments.record {
        record::insert(file, &table)?;
    }
    if !missed.is_empty() {
        bail!("not reached: {}", missed.join("; "));
    }
    Ok(())
}

/// The table of a run, and the bounds that it did not keep.
struct Measured {
    table: String,
    missed: Vec<String>,
}

async fn measure(cluster: &Cluster, arguments: &Arguments, replicas: i32) -> Result<Measured> {
    if arguments.load {
        let load = load::run(cluster, arguments, replicas).await?;
        return Ok(Measured {
            table: load::table(&load),
            missed: load.missed(),
        });
    }
    let figures = phases::all(cluster, arguments, replicas).await?;
    Ok(Measured {
        table: report::table(&figures),
        missed: figures.missed(),
    })
}

async fn interrupted() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
    }
}

/// Says how far it is.
fn say(message: impl std::fmt::Display) {
    eprintln!("bench: {message}");
}
