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
pub mod group;
mod marks;
pub mod plan;
pub mod policy;
mod reconcile;
mod registry;
mod removal;
mod report;
mod rows;
pub mod select;

pub use catalog::Details;
pub use reconcile::reconcile;
pub use removal::{Left, remove_tenant};
pub use report::{Finding, RowSeen, Severity, SharedReport, script};

use super::Identifier;
use super::identifier::InvalidIdentifier;
use crate::api::database_server::SharedTables;

/// The beginning of a group's name, and the whole name of one that a former release made.
pub const GROUP: &str = "tenant_operator_tenants";
/// The schema in which applications find tenants, in each database with shared tables.
pub const REGISTRY: &str = "tenant_registry";

/// A tenant as applications see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRow {
    /// A UUID.
    pub id: String,
    /// A number that the platform chose; None: the registry draws one.
    pub number: Option<i64>,
    pub name: String,
    /// The parent's id.
    pub parent: Option<String>,
    /// The id of the topmost tenant of its family, where that is another.
    pub root: Option<String>,
    /// The ids of itself and of the tenants below it, in order, where it is a subtenant.
    pub members: Vec<String>,
    pub tier: String,
    /// The role that the tenant's logins act as.
    pub owner_role: Identifier,
    /// None: the row keeps those that it has.
    pub details: Option<TenantDetails>,
}

/// The columns of a tenant that only applications need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantDetails {
    pub display_name: Option<String>,
    pub domain: Option<String>,
    /// RFC 3339, in UTC, in seconds.
    pub created_at: Option<String>,
    pub settings: Option<Settings>,
}

impl TenantDetails {
    /// Returns the details as the registry has them once they are written.
    pub fn written(&self) -> Details {
        // PostgreSQL's text holds no NUL.
        let text = |text: &Option<String>| text.as_ref().map(|text| text.replace('\0', ""));
        Details {
            display_name: text(&self.display_name),
            domain: text(&self.domain),
            settings_digest: self.settings.as_ref().map(|settings| settings.digest.clone()),
            created_at: self.created_at.clone(),
        }
    }
}

/// A tenant's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub json: String,
    pub digest: String,
}

/// Returns the kinds of access to the tables in the spec, which are granted to this group.
///
/// # Errors
/// A name that PostgreSQL cannot have.
pub fn wanted(spec: &[SharedTables], group: Identifier) -> Result<super::plan::Shared, InvalidIdentifier> {
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
        group,
        databases,
        search_path,
    })
}
