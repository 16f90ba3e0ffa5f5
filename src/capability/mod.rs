//! The shape that all capabilities have, the core of a valid Tenant, and what one capability gives to another.

pub mod allowed;
pub mod applications;
pub mod claim;
mod contract;
mod core;
mod failure;
pub mod family;
pub mod hardening;
mod invalid;
pub mod jwks;
mod network;
pub mod object_watches;
mod outcome;
mod pass;
pub mod peers;
pub mod placement;
pub mod quarantine;
mod report;
pub mod tenants;
mod valid_tenant;
mod world;

pub use applications::SharedServices;
pub use contract::{Asked, Capability, Deletion, Observation, Released, Revocation};
pub use core::{TenantCore, ValidNamespace, id, identity, namespace_field, namespaces};
pub use failure::{Failure, Withheld};
pub use family::{Child, Family, ObservedFamily};
pub use invalid::{Amounts, Invalid, MAX_REASON, amounts, canonical, duration, resource_list};
pub use network::{Destination, Peering, Reach, ValidNetwork, cidr};
pub use object_watches::Watching;
pub use outcome::{ReconcileOutcome, Reports};
pub use pass::{Pass, Planned, Stage};
pub use quarantine::Quarantine;
pub use report::{Description, Gate, Note, Report, State, WriteStatus};
pub use tenants::Tenants;
pub use valid_tenant::{Binding, Contributions, Egress, ValidTenant};
pub use world::{PeerTenant, Platform, World};
