//! Flags of the proof that tenants are apart.

use super::access::settings::ApiProbe;
use super::admission::settings::AdmissionProbe;
use super::network::settings::NetworkProbe;
use clap::{ArgAction, Args};

/// Settings of the isolation checks.
#[derive(Args, Clone, Debug)]
pub struct IsolationSettings {
    /// Settings of reviews.
    #[command(flatten)]
    pub api_probe: ApiProbe,

    /// Write the results of each tenant's checks as a ClusterReport or ClusterPolicyReport, if the cluster has either.
    #[arg(long = "isolation-reports", env = "ISOLATION_REPORTS", default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub reports: bool,

    /// Settings of the admission check.
    #[command(flatten)]
    pub admission_probe: AdmissionProbe,

    /// Settings of the network check.
    #[command(flatten)]
    pub network_probe: NetworkProbe,
}
