//! A probe of the network, in a pod of its own.

use crate::flags::duration;
use crate::isolation::network::target::Target;
use crate::isolation::network::{dial, listen};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// A probe.
#[derive(Args, Debug)]
pub struct Probe {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(clap::Subcommand, Debug)]
enum Deed {
    /// Answer, TCP and UDP, until told to end.
    Listen,
    /// Dial, and write the report.
    Dial {
        /// KIND,tcp|udp,ADDRESS:PORT
        targets: Vec<Target>,
        /// Time that the network may take to isolate a new pod.
        #[arg(long, default_value = "15s", value_parser = duration)]
        settle: Duration,
        /// The path from which the kubelet reads a container's termination message.
        #[arg(long, default_value = "/dev/termination-log")]
        report: PathBuf,
    },
}

impl Probe {
    /// # Errors
    /// The probe cannot listen, or cannot write its report.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.deed {
            Deed::Listen => Ok(listen::listen().await?),
            Deed::Dial {
                targets,
                settle,
                report,
            } => {
                let found = dial::dial(targets, settle).await;
                Ok(tokio::fs::write(report, serde_json::to_vec(&found)?).await?)
            }
        }
    }
}
