//! Settings of the admission check.

use crate::flags::period;
use clap::{ArgAction, Args};
use std::time::Duration;

/// Settings of the checks by dry-run.
#[derive(Args, Clone, Debug)]
pub struct AdmissionProbe {
    /// Test by dry-run whether the API server refuses forbidden objects; needs the right to impersonate tenant-operator:examiner.
    #[arg(id = "admission-probe", long = "admission-probe", env = "ADMISSION_PROBE", default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enabled: bool,

    /// Time between two such tests for each tenant, give or take a tenth.
    #[arg(id = "admission-probe-period", long = "admission-probe-period", env = "ADMISSION_PROBE_PERIOD", default_value = "1h", value_parser = period)]
    pub period: Duration,
}
