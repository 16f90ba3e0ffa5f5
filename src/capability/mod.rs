//! What the capabilities have in common: the core of a valid Tenant, and what one capability contributes to another.

pub mod hardening;
pub mod jwks;
mod network;
pub mod peers;
pub mod placement;
pub mod quarantine;
mod report;
mod tenant;

pub use network::{Destination, Peering, Reach, ValidNetwork};
pub use quarantine::Quarantine;
pub use report::{Capability, Note, State};
pub use tenant::{TenantCore, ValidNamespace};
