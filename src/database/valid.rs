//! The database of a tenant, as spec and tier agree.

use crate::api::{DatabaseModel, StorageLimitAction};
use crate::postgres::Identifier;
use kube::core::Selector;

/// A tenant's database as it should be.
#[derive(Clone, Debug)]
pub struct ValidDatabase {
    pub model: DatabaseModel,
    /// Of each login.
    pub connection_limit: i32,
    pub extensions: Vec<Identifier>,
    /// Defaults of each session.
    pub settings: Vec<(&'static str, String)>,
    /// Which servers it may be on.
    pub selector: Selector,
    /// In bytes.
    pub max_storage: Option<i64>,
    pub on_storage_limit: StorageLimitAction,
    /// When the credentials were issued that the status reports as seen to open this database.
    pub opened_by: Option<String>,
}
