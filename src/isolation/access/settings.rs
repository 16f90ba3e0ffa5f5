//! What the operator is told about how it asks the API server's authorizers.

use crate::flags::{pause, period};
use clap::Args;
use std::time::Duration;

/// The settings of the survey.
#[derive(Args, Clone, Debug)]
pub struct ApiProbe {
    /// In what time it is asked once of each of a tenant's people and accounts whether the API server lets them do anything beyond their
    /// tenant, RBAC aside; longer where the rate does not suffice.
    #[arg(id = "api-probe-period", long = "api-probe-period", env = "API_PROBE_PERIOD", default_value = "1h", value_parser = period)]
    pub period: Duration,

    /// How many such questions are asked in a second at most; 0 means none.
    #[arg(
        id = "api-probe-rate",
        long = "api-probe-rate",
        env = "API_PROBE_RATE",
        default_value_t = 10
    )]
    pub rate: u32,

    /// After how long it is asked again what was answered with yes: only what is allowed still is told, and for as long as it is.
    #[arg(id = "api-probe-recheck", long = "api-probe-recheck", env = "API_PROBE_RECHECK", default_value = "30s", value_parser = pause)]
    pub recheck: Duration,
}
