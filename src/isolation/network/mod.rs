//! Whether the network keeps a tenant's pods apart: a pod of the tenant dials what it must not reach, and what listens there is
//! known to listen.

pub mod dial;
pub mod endpoint_slices;
pub mod endpoints;
pub mod foreign_policies;
pub mod listen;
pub mod outcome;
pub mod pods;
pub mod policies;
pub mod prober;
pub mod schedule;
pub mod settings;
pub mod target;

/// Where probes listen.
pub const PORT: u16 = 7007;
