//! Tenants' databases: which server a tenant is placed on, its credentials and their Secret, and what is watched over on each
//! server. What is done on a server itself is `crate::postgres`.

pub mod agent;
pub mod claim;
pub mod isolation;
pub mod metrics;
pub mod pass;
pub mod placement;
pub mod release;
pub mod secret;
pub mod servers;
pub mod settings;
pub mod status;
mod turns;
mod valid;

use crate::capability::Capability;
use crate::conditions::{kind, reason};

pub use servers::Databases;
pub use valid::ValidDatabase;

/// How the database is reported.
pub const CAPABILITY: Capability = Capability {
    name: "database",
    condition: kind::DATABASE_READY,
    not_ready: reason::DATABASE_NOT_READY,
    ready: "the server has it as asked, and the credentials in the Secret were seen to open it",
    suspended: Some("nobody is let in; all data is kept"),
    quarantined: Some("nobody is let in while the tenant is in quarantine; all data is kept"),
    awaits: "the namespaces come first",
};
