//! What the operator is told about how often servers are looked at.

use crate::flags::period;
use clap::Args;
use std::time::Duration;

/// The periods of looking at DatabaseServers.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// How often each server is looked at, give or take a tenth: somebody's changes to tenants' parts are undone within it.
    #[arg(id = "database-period", long = "database-period", env = "DATABASE_PERIOD", default_value = "1m", value_parser = period)]
    pub period: Duration,

    /// How often each server is asked for sizes and for grants inside schemas; at a look.
    #[arg(id = "database-usage-period", long = "database-usage-period", env = "DATABASE_USAGE_PERIOD", default_value = "5m", value_parser = period)]
    pub usage_period: Duration,
}
