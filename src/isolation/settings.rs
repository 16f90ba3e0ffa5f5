//! Flags of the proof that tenants are apart.

use super::access::settings::ApiProbe;
use super::admission::settings::AdmissionProbe;
use super::network::settings::NetworkProbe;
use clap::{ArgAction, Args};

/// How it is proven that tenants are apart.
#[derive(Args, Clone, Debug)]
pub struct IsolationSettings {
    /// How authorizers are asked.
    #[command(flatten)]
    pub api_probe: ApiProbe,

    /// Report the proof of each tenant as a ClusterReport or ClusterPolicyReport, where the cluster has either.
    #[arg(long = "isolation-reports", env = "ISOLATION_REPORTS", default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub reports: bool,

    /// How admission is tried.
    #[command(flatten)]
    pub admission_probe: AdmissionProbe,

    /// How the network is tried.
    #[command(flatten)]
    pub network_probe: NetworkProbe,
}
