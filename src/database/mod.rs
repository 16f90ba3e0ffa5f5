//! Tenants' databases: the placement of a tenant, its credentials and their Secret, and the loop of each server.
//! `crate::postgres` does the work on a server.

pub mod address;
mod application_logins;
mod assignment;
mod binding;
mod capability;
pub mod connect;
mod inspection;
pub mod login_check;
pub mod metrics;
pub mod pass;
pub mod placement_record;
mod rate_limiter;
mod registry;
pub mod release;
pub mod secret;
pub mod server_loop;
pub mod server_selection;
mod server_state;
pub mod servers;
pub mod settings;
pub mod status;
mod valid;
mod validate;

pub use binding::Attachment;
pub use capability::Database;
pub use servers::Databases;
pub use valid::{DatabaseApplication, ValidDatabase};
