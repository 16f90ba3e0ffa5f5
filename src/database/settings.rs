//! The flags of the inspection of database servers.

use crate::flags::period;
use clap::Args;
use std::time::Duration;

/// Periods of the inspection of DatabaseServers.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// Period of a server's inspection, give or take a tenth. The operator reverts manual changes within it.
    #[arg(id = "database-period", long = "database-period", env = "DATABASE_PERIOD", default_value = "1m", value_parser = period)]
    pub period: Duration,

    /// Period of the queries for sizes and for grants inside schemas.
    #[arg(id = "database-usage-period", long = "database-usage-period", env = "DATABASE_USAGE_PERIOD", default_value = "5m", value_parser = period)]
    pub usage_period: Duration,
}
