//! Network isolation: a pod of the tenant dials targets that it must not reach, and that are known to listen.

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

/// The port on which probes listen.
pub const PORT: u16 = 7007;
