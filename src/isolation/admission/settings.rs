//! What the operator is told about how it tries admission.

use crate::flags::period;
use clap::{ArgAction, Args};
use std::time::Duration;

/// The settings of what is tried by dry-run.
#[derive(Args, Clone, Debug)]
pub struct AdmissionProbe {
    /// Try by dry-run whether what tenants must not make is refused; needs the right to impersonate tenant-operator:examiner.
    #[arg(id = "admission-probe", long = "admission-probe", env = "ADMISSION_PROBE", default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enabled: bool,

    /// How often that is tried for each tenant, give or take a tenth.
    #[arg(id = "admission-probe-period", long = "admission-probe-period", env = "ADMISSION_PROBE_PERIOD", default_value = "1h", value_parser = period)]
    pub period: Duration,
}
