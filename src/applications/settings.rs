//! Settings of the applications that tenants' pods reach.

use clap::{ArgAction, Args};

/// The settings of the applications that tenants' pods reach.
#[derive(Args, Clone, Debug, Default)]
pub struct ApplicationSettings {
    /// Let tiers open shared applications to their tenants' pods: the operator writes NetworkPolicies in the applications' namespaces.
    #[arg(id = "application-policies", long = "application-policies", env = "APPLICATION_POLICIES", default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub policies: bool,
}
