//! Tenants' databases: which server a tenant is placed on, its credentials and their Secret, and what is watched over on each
//! server. What is done on a server itself is `crate::postgres`.

pub mod agent;
pub mod claim;
pub mod placement;
pub mod release;
pub mod secret;
pub mod servers;
pub mod settings;
pub mod status;
pub mod tend;
mod turns;

pub use servers::Databases;
