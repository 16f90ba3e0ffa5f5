//! The database of a tenant, as spec and tier agree.

use crate::api::{DatabaseModel, StorageLimitAction};
use crate::postgres::Identifier;
use kube::core::Selector;

/// A shared application, and its login on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseApplication {
    pub name: String,
    pub role: Identifier,
}

/// Desired database of a tenant.
#[derive(Clone, Debug)]
pub struct ValidDatabase {
    pub model: DatabaseModel,
    /// Connection limit of each login.
    pub connection_limit: i32,
    pub extensions: Vec<Identifier>,
    /// Default settings of each session.
    pub settings: Vec<(&'static str, String)>,
    /// Selector of the servers that may have the data.
    pub selector: Selector,
    /// Maximum size in bytes.
    pub max_storage: Option<i64>,
    pub on_storage_limit: StorageLimitAction,
    /// The applications that serve it with a login of their own.
    pub applications: Vec<DatabaseApplication>,
    /// Time of issue of the credentials that, by the status, open this database.
    pub opened_by: Option<String>,
}
