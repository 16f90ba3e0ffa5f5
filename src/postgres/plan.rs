//! Observed catalog + wanted state → the statements between the two. Pure. Every call compares everything, so it also completes half-done work and reverts
//! others' changes.

use super::catalog::{Catalog, Intent};
use super::password::Verifier;
use super::sql::Literal;
use super::{Identifier, Names, Statement};
use crate::conditions::others_in_the_way;
use crate::sql;

mod logins;
mod members;
mod places;
mod privileges;
mod removal;
mod roles;
pub use places::{MissingPlace, create_extension, installed, missing_place};
pub use privileges::revoke_all;
pub use removal::{has_nothing, removal, retention, suspension};
pub use roles::take_back;

/// The schema that shared extensions are installed in; nobody but the operator can make anything there.
pub const EXTENSIONS: &str = "extensions";
/// In a database of its own a tenant works in this schema.
pub const PUBLIC: &str = "public";

/// Desired state of a tenant's roles and place.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub tenant_id: String,
    pub names: Names,
    pub place: Place,
    pub logins: [Login; 2],
    /// Connection limit of each login.
    pub connection_limit: i32,
    /// Defaults of each session, `statement_timeout` and the like.
    pub settings: Vec<(&'static str, String)>,
    /// Extensions, all of which the server allows and can install, each after those that it requires.
    pub extensions: Vec<Identifier>,
    /// True if the tenant may write.
    pub writable: bool,
    /// The logins of shared applications that may become the tenant; None where no application serves it. Where one does, the tenant's own logins
    /// make nothing: their triggers and functions would run in the application's sessions, which may become other tenants too.
    pub applications: Option<Vec<Identifier>>,
}

impl Wanted {
    /// The role that the logins act as.
    pub fn acting(&self) -> &Identifier {
        match self.reads_only() {
            false => &self.names.owner,
            true => &self.names.reader,
        }
    }

    /// Returns true if the logins act as the reader.
    pub fn reads_only(&self) -> bool {
        !self.writable || self.applications.is_some()
    }

    /// The role that applications become.
    pub fn served_as(&self) -> &Identifier {
        match self.writable {
            true => &self.names.owner,
            false => &self.names.reader,
        }
    }
}

/// Location of a tenant's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A schema in the database of the operator's records.
    Schema,
    /// A database of its own.
    Database,
    /// Tables of the platform.
    Shared(Shared),
}

impl Place {
    /// The databases that a tenant's data is in; it logs in to the first. `records` has the operator's records.
    pub fn databases<'a>(&'a self, names: &'a Names, records: &'a str) -> Vec<&'a str> {
        match self {
            Self::Schema => vec![records],
            Self::Database => vec![names.place.as_str()],
            Self::Shared(shared) => shared.databases.iter().map(Identifier::as_str).collect(),
        }
    }

    /// The schema that is the tenant's own, if one is.
    pub fn schema<'a>(&self, names: &'a Names) -> Option<&'a str> {
        match self {
            Self::Schema => Some(names.place.as_str()),
            Self::Database => Some(PUBLIC),
            Self::Shared(_) => None,
        }
    }
}

/// Access of a tenant to the platform's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The role that the tables are granted to; every tenant's owner role is a member.
    pub group: Identifier,
    /// The databases they are in.
    pub databases: Vec<Identifier>,
    /// The schemas they are in.
    pub search_path: Vec<Identifier>,
}

/// Desired state of one of the two logins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// True if it may log in. One that never could need not exist.
    pub open: bool,
    /// A new password.
    pub password: Option<Verifier>,
}

/// Place in which a statement runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Venue {
    /// One transaction with its neighbours, in the database of the operator's records.
    Records,
    /// A statement alone, since PostgreSQL refuses it in a transaction.
    Alone,
    /// One transaction with its neighbours, in this database.
    Inside(Identifier),
    /// A statement alone, in this database.
    AloneInside(Identifier),
}

impl Venue {
    /// Returns true if a statement with this venue is executed in one transaction with its neighbours of the same.
    pub fn is_transaction(&self) -> bool {
        matches!(self, Self::Records | Self::Inside(_))
    }
}

/// One statement and where it is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub venue: Venue,
    pub statement: Statement,
}

/// Something of a wanted name that is not marked as this tenant's.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error(
    "{kind} {name} exists on the server and is not marked as this tenant's; the operator leaves it unchanged{}",
    others_in_the_way("object", .others)
)]
pub struct Conflict {
    pub kind: &'static str,
    pub name: String,
    /// Kinds and names of further ones.
    pub others: Vec<String>,
}

/// Returns statements that bring a tenant's part of a server nearer to the wanted state; none when it is reached. Not always all of them: call it again with
/// the observation after their execution.
///
/// # Errors
/// A foreign object has a name of the tenant. The operator leaves it unchanged.
pub fn plan(wanted: &Wanted, catalog: &Catalog) -> Result<Vec<Step>, Conflict> {
    ours(&wanted.names, &wanted.tenant_id, catalog)?;
    let mut plan = Plan {
        wanted,
        catalog,
        steps: Vec::new(),
        last: Vec::new(),
    };
    plan.owner();
    plan.announce();
    plan.reader();
    for login in 0..2 {
        plan.login(login);
    }
    match &wanted.place {
        Place::Schema => plan.schema(),
        Place::Database => plan.database(),
        Place::Shared(shared) => plan.shared(shared),
    }
    plan.leave_other_databases();
    plan.hand_over();
    plan.applications();
    for login in 0..2 {
        plan.end_sessions(login);
    }
    plan.steps.append(&mut plan.last);
    Ok(plan.steps)
}

/// Checks that every object with the tenant's names has its mark too.
fn ours(names: &Names, tenant_id: &str, catalog: &Catalog) -> Result<(), Conflict> {
    let place = names.place.as_str();
    let roles = names.roles().map(|name| {
        let role = catalog.roles.get(name.as_str());
        ("role", name.as_str(), role.map(|role| role.oid))
    });
    let places = [("schema", &catalog.schemas), ("database", &catalog.databases)]
        .map(|(kind, places)| (kind, place, places.get(place).map(|place| place.oid)));
    let is_foreign = |(kind, name, oid): &(&'static str, &str, Option<i64>)| {
        oid.is_some_and(|oid| !catalog.is_ours(kind, name, oid, tenant_id))
    };
    let mut foreign = roles.into_iter().chain(places).filter(is_foreign);
    let Some((kind, name, _)) = foreign.next() else {
        return Ok(());
    };
    Err(Conflict {
        kind,
        name: name.into(),
        others: foreign.map(|(kind, name, _)| format!("{kind} {name}")).collect(),
    })
}

/// The database that was begun under this intent.
fn begun(catalog: &Catalog, intent: &Intent) -> Option<Identifier> {
    let name = intent.database();
    catalog
        .databases
        .contains_key(name.as_str())
        .then(|| Identifier::new(name).ok())
        .flatten()
}

/// Ends every session of a role, and gives them a moment to be gone.
fn terminate(role: &Identifier) -> Statement {
    sql![
        "SELECT count(pg_terminate_backend(pid)), pg_sleep(0.05) FROM pg_stat_activity WHERE usename = ",
        Literal(role.as_str())
    ]
}

struct Plan<'a> {
    wanted: &'a Wanted,
    catalog: &'a Catalog,
    steps: Vec<Step>,
    /// Step that the server may refuse without consequences for others.
    last: Vec<Step>,
}

impl Plan<'_> {
    fn records(&mut self, statement: Statement) {
        self.steps.push(Step {
            venue: Venue::Records,
            statement,
        });
    }

    fn alone(&mut self, statement: Statement) {
        self.steps.push(Step {
            venue: Venue::Alone,
            statement,
        });
    }

    fn mark(&mut self, kind: &'static str, name: &Identifier) {
        let from = match kind {
            "role" => "oid, rolname FROM pg_roles WHERE rolname = ",
            "schema" => "oid, nspname FROM pg_namespace WHERE nspname = ",
            _ => "oid, datname FROM pg_database WHERE datname = ",
        };
        let id = Literal(self.wanted.tenant_id.clone());
        self.records(sql![
            "INSERT INTO tenant_operator.object (tenant_id, kind, oid, name) SELECT ",
            id,
            ", ",
            Literal(kind),
            ", ",
            from,
            Literal(name.as_str()),
            // Somebody else dropped the object that had this mark.
            " ON CONFLICT (kind, name) DO UPDATE SET oid = excluded.oid, revision = NULL, created_at = now() \
             WHERE object.tenant_id = excluded.tenant_id"
        ]);
    }

    /// A step that the server may refuse: it comes after all others, and by itself.
    fn try_last(&mut self, statement: Statement) {
        self.last.push(Step {
            venue: Venue::Alone,
            statement,
        });
    }

    fn inside(&mut self, database: &Identifier, statement: Statement) {
        self.steps.push(Step {
            venue: Venue::Inside(database.clone()),
            statement,
        });
    }
}

/// A name of this program's own.
fn well_known(name: &'static str) -> Identifier {
    Identifier::new(name).unwrap_or_else(|_| unreachable!())
}

/// Returns the grantee of a privilege; None where no statement can name it.
fn whom(grantee: Option<&str>) -> Option<Statement> {
    match grantee {
        None => Some(sql!["PUBLIC"]),
        Some(name) => Identifier::new(name).ok().map(|name| sql![&name]),
    }
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;

#[cfg(test)]
#[path = "plan/absence_test.rs"]
mod absence_test;

#[cfg(test)]
#[path = "plan/applications_test.rs"]
mod applications_test;
