//! Tenants' databases: the placement of a tenant, its credentials and their Secret, and the loop of each server.
//! `crate::postgres` does the work on a server.

pub mod address;
mod binding;
mod capability;
pub mod claim;
pub mod connect;
mod inspection;
pub mod isolation;
pub mod metrics;
pub mod pass;
pub mod placement;
mod registry;
pub mod release;
mod scheduling;
pub mod secret;
pub mod server_loop;
mod server_state;
pub mod servers;
pub mod settings;
pub mod status;
mod turns;
mod valid;
mod validate;

pub use binding::Attachment;
pub use capability::Database;
pub use servers::Databases;
pub use valid::ValidDatabase;
