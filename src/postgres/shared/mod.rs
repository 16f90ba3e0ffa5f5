//! Tables of the platform's own that tenants share, told apart by row-level security.
//!
//! ```text
//! catalog  → select → plan      → reconcile
//! observed   which    what to do  does it, and says what it cannot
//! ```
//!
//! A tenant comes in as itself (its rows follow from who it is, by the registry), or through an application that names it in
//! `app.current_tenant_id`. Tables are granted last, and to one group role only; what cannot be protected stays closed.

pub mod catalog;
mod findings;
pub mod plan;
pub mod policy;
mod reconcile;
mod registry;
mod removal;
mod report;
pub mod select;

pub use reconcile::reconcile;
pub use removal::{Left, remove_tenant};
pub use report::{Finding, Severity, SharedReport, script};

use super::Identifier;
use super::identifier::InvalidIdentifier;
use crate::api::database_server::SharedTables;

/// The role that shared tables are granted to; every tenant's owner role is a member.
pub const GROUP: &str = "tenant_operator_tenants";
/// The schema in which applications find tenants, in each database with shared tables.
pub const REGISTRY: &str = "tenant_registry";

/// A tenant as applications see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRow {
    /// A UUID.
    pub id: String,
    pub name: String,
    /// The parent's id.
    pub parent: Option<String>,
    pub tier: String,
    /// The role that the tenant's logins act as.
    pub owner_role: Identifier,
}

/// Returns the kinds of access to the tables in the spec.
///
/// # Errors
/// A name that PostgreSQL cannot have.
pub fn wanted(spec: &[SharedTables]) -> Result<super::plan::Shared, InvalidIdentifier> {
    let mut databases: Vec<Identifier> = Vec::new();
    let mut search_path: Vec<Identifier> = Vec::new();
    for tables in spec {
        for (list, name) in [(&mut databases, &tables.database), (&mut search_path, &tables.schema)] {
            let name = Identifier::new(name.as_str())?;
            if !list.contains(&name) {
                list.push(name);
            }
        }
    }
    Ok(super::plan::Shared {
        group: group(),
        databases,
        search_path,
    })
}

fn group() -> Identifier {
    Identifier::new(GROUP).unwrap_or_else(|_| unreachable!())
}
