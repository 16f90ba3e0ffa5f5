//! Settings of the network probes.

use super::target::TargetKind;
use crate::flags::{duration, items, period};
use clap::Args;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The settings of the network's probes.
#[derive(Args, Clone, Debug)]
pub struct NetworkProbe {
    /// Image of the probes: the operator's own; empty means that the network is not tried.
    #[arg(long = "network-probe-image", env = "NETWORK_PROBE_IMAGE", default_value = "")]
    pub image: String,

    /// Pull policy of that image.
    #[arg(
        long = "network-probe-pull-policy",
        env = "NETWORK_PROBE_PULL_POLICY",
        default_value = "IfNotPresent"
    )]
    pub pull_policy: String,

    /// Interval between two tries of each tenant's network, give or take a tenth.
    #[arg(long = "network-probe-period", env = "NETWORK_PROBE_PERIOD", default_value = "1h", value_parser = period)]
    pub period: Duration,

    /// Time that the network may take to isolate a new pod: only targets that are open after it count.
    #[arg(long = "network-probe-settle", env = "NETWORK_PROBE_SETTLE", default_value = "15s", value_parser = duration)]
    pub settle: Duration,

    /// Kinds of targets that the platform lets tenants reach, comma separated.
    // A plain `Vec` would make clap split by itself, and refuse the empty string that an unset chart value gives.
    #[arg(long = "network-probe-tolerated", env = "NETWORK_PROBE_TOLERATED", default_value = "", value_parser = kinds, hide_default_value = true)]
    pub tolerated: std::vec::Vec<TargetKind>,

    /// Addresses outside of the cluster, ADDRESS:PORT, comma separated, that only those tenants may reach whose spec says so.
    #[arg(long = "network-probe-external", env = "NETWORK_PROBE_EXTERNAL", default_value = "", value_parser = addresses, hide_default_value = true)]
    pub external: std::vec::Vec<SocketAddr>,

    /// Address of the operator's own pod, which tenants must not reach.
    #[arg(long = "pod-ip", env = "OPERATOR_POD_IP")]
    pub pod_ip: Option<IpAddr>,
}

fn kinds(text: &str) -> Result<Vec<TargetKind>, String> {
    items(text).map(|item| clap::ValueEnum::from_str(item, false)).collect()
}

fn addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    let parse = |item: &str| {
        item.parse()
            .map_err(|_| format!("{item} is not of the form ADDRESS:PORT"))
    };
    items(text).map(parse).collect()
}
