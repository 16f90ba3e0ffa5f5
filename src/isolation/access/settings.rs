//! Settings of the reviews of the API server's authorizers.

use crate::flags::{pause, period};
use clap::Args;
use std::time::Duration;

/// The settings of the survey.
#[derive(Args, Clone, Debug)]
pub struct ApiProbe {
    /// Time in which the operator asks the API server once, for each user and account of a tenant, whether other authorizers than RBAC allow
    /// access beyond the tenant; longer if the rate is not enough.
    #[arg(id = "api-probe-period", long = "api-probe-period", env = "API_PROBE_PERIOD", default_value = "1h", value_parser = period)]
    pub period: Duration,

    /// Maximum number of such questions in a second; 0 means none.
    #[arg(
        id = "api-probe-rate",
        long = "api-probe-rate",
        env = "API_PROBE_RATE",
        default_value_t = 10
    )]
    pub rate: u32,

    /// Time after which the operator repeats a question that the API server answered with yes. It reports only access that is still allowed.
    #[arg(id = "api-probe-recheck", long = "api-probe-recheck", env = "API_PROBE_RECHECK", default_value = "30s", value_parser = pause)]
    pub recheck: Duration,
}
