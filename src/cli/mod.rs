//! The command line.

mod database_script;
pub mod definitions;
mod documents;
mod input;
mod probe;
mod render;
mod statements;

use crate::settings::Settings;
use crate::{api, controller, telemetry};
use anyhow::Context;
use clap::{Parser, Subcommand};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Makes a Tenant's whole environment real, keeps it so, and proves that no tenant reaches another.
#[derive(Parser, Debug)]
#[command(name = "tenant-operator", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the operator against the cluster it is in, or the one KUBECONFIG names.
    Run(Box<Settings>),
    /// Print every object that a Tenant becomes, in the order of application, without a cluster.
    Render(Box<render::Render>),
    /// Print the statements that a superuser executes once on a DatabaseServer, so that the operator needs only CREATEROLE and CREATEDB.
    DatabaseScript(database_script::DatabaseScript),
    /// Runs in the operator's own short-lived pods in tenants' namespaces, to test the network.
    #[command(hide = true)]
    Probe(probe::Probe),
    /// Print the CustomResourceDefinitions.
    Crds {
        /// Write one file for each into this folder instead.
        #[arg(short, long)]
        output_dir: Option<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// Message before the program ends with a failure.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Run(settings) => {
            telemetry::logs::init(settings.log_format, &settings.log_level)?;
            controller::run::run(*settings).await
        }
        Command::Render(render) => print(&render.run()?),
        Command::DatabaseScript(script) => print(&script.run()?),
        Command::Probe(probe) => probe.run().await,
        Command::Crds { output_dir: None } => print(&api::yaml(&api::crds())?),
        Command::Crds {
            output_dir: Some(folder),
        } => write_crds(&folder),
    }
}

fn write_crds(folder: &Path) -> anyhow::Result<()> {
    for crd in api::crds() {
        let name = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let path = folder.join(format!("{}_{}.yaml", name("/spec/group"), name("/spec/names/plural")));
        std::fs::write(&path, api::yaml(std::slice::from_ref(&crd))?).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
