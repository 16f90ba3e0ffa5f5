//! The driver of one Tenant: observe, revoke, validate, plan, apply, report. It knows capabilities by their list only.

pub mod capabilities;
pub mod cleanup;
pub mod family;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod observe;
pub mod plan;
pub mod provision;
#[cfg(test)]
mod quota_fault_test;
#[cfg(test)]
mod refusal_test;
pub mod revocation;
pub mod status;
#[cfg(test)]
mod termination_test;
pub mod tier_change;
#[cfg(test)]
mod toy_test;
pub mod validate;

pub use capabilities::Capabilities;
pub use plan::{Environment, plan};
pub use validate::{validate, validate_but_quota};
