//! Findings on and around shared tables that the operator does not repair by itself.

mod bypass;
mod privileges;
mod relations;

pub use bypass::bypasses;

use super::catalog::{ObservedDatabase, Table};
use super::group::is_group;
use super::policy::{PREFIX, relation};
use super::report::{Finding, Severity};
use super::select::{Chosen, Entry};
use crate::postgres::plan::{Step, Venue};
use crate::postgres::version::PG_16;
use crate::postgres::{Identifier, Statement};
use crate::sql;

use Severity::{Hint, Violation};

/// Returns true if a role has a name as the operator gives to tenants' roles.
pub fn is_tenants(role: &str) -> bool {
    let Some(rest) = role.strip_prefix("t_") else {
        return false;
    };
    let (digest, suffix) = rest.split_at_checked(20).unwrap_or((rest, "?"));
    digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && matches!(suffix, "" | "_a" | "_b" | "_r")
}

/// Returns true if a role is the operator's own or made by it, and so no way for an application to come in.
pub fn is_reserved(role: &str) -> bool {
    is_group(role) || is_tenants(role)
}

fn inside(database: &Identifier, statement: Option<Statement>) -> Option<Step> {
    statement.map(|statement| Step {
        venue: Venue::Inside(database.clone()),
        statement,
    })
}

/// Checks that the tenant column exists and has a type for the spec's values.
///
/// # Errors
/// Description of the problem.
pub fn column(chosen: &Chosen) -> Result<(), String> {
    let columns = std::iter::once(&chosen.entry.column).chain(&chosen.entry.subtenant);
    columns.map(Identifier::as_str).try_for_each(|name| typed(chosen, name))
}

fn typed(chosen: &Chosen, name: &str) -> Result<(), String> {
    match chosen.table.columns.get(name) {
        None => Err(format!(
            "has no column {name}, so no row belongs to a tenant: the operator keeps the table closed to tenants"
        )),
        Some(column) if !chosen.entry.types().contains(&column.type_.as_str()) => Err(format!(
            "has a column {name} of type {}, where sharedTables has {:?}: the operator keeps the table closed to tenants",
            column.type_, chosen.entry.type_
        )),
        Some(_) => Ok(()),
    }
}

/// Returns the reasons to keep a table closed to tenants, except a missing membership of the operator.
pub fn obstacles(database: &Identifier, chosen: &Chosen) -> Vec<Finding> {
    let table = chosen.table;
    let object = format!("{}/{}", database.as_str(), table.title());
    let mut found = Vec::new();
    if table.kind == "f" {
        found.push(Finding::new(
            Violation,
            &object,
            "is a foreign table, which cannot have row-level security: the operator keeps it closed to tenants",
        ));
    } else if let Err(what) = column(chosen) {
        found.push(Finding::new(Violation, &object, what));
    }
    for policy in &table.policies {
        let concerns_tenants = |role: &Option<String>| role.as_deref().is_none_or(is_reserved);
        if policy.permissive && !policy.name.starts_with(PREFIX) && policy.roles.iter().any(concerns_tenants) {
            found.push(
                Finding::new(
                    Violation,
                    &object,
                    format!(
                        "has a permissive policy {} of another role, which opens more rows than the operator's: the operator keeps the table \
                         closed to tenants",
                        policy.name
                    ),
                )
                .with(inside(database, drop_policy(table, &policy.name))),
            );
        }
    }
    found
}

fn drop_policy(table: &Table, name: &str) -> Option<Statement> {
    let name = Identifier::new(name).ok()?;
    Some(sql!["DROP POLICY ", &name, " ON "].join(relation(table)?))
}

/// Reports a table of a role for which the operator cannot act.
pub fn not_ours(database: &Identifier, chosen: &Chosen, observed: &ObservedDatabase) -> Finding {
    let table = chosen.table;
    let names = (
        Identifier::new(table.owner.as_str()),
        Identifier::new(observed.admin.as_str()),
    );
    let remedy = match (&chosen.entry.migration, names) {
        // To be a member of a superuser is to be one.
        (Some(migration), _) if table.owner_superuser => relation(table).map(|relation| Step {
            venue: Venue::Inside(database.clone()),
            statement: sql!["ALTER TABLE "].join(relation).join(sql![" OWNER TO ", migration]),
        }),
        (_, (Ok(owner), Ok(admin))) if !table.owner_superuser => Some(Step {
            venue: Venue::Alone,
            statement: match observed.version >= PG_16 {
                true => sql!["GRANT ", &owner, " TO ", &admin, " WITH INHERIT TRUE, SET TRUE"],
                false => sql!["GRANT ", &owner, " TO ", &admin],
            },
        }),
        _ => None,
    };
    Finding::new(
        Violation,
        format!("{}/{}", database.as_str(), table.title()),
        format!(
            "belongs to role {}, in which the operator's role {} is not a member: the operator cannot keep row-level security on it",
            table.owner, observed.admin
        ),
    )
    .with(remedy)
}

/// Reports problems of the roles in the spec.
pub fn roles(database: &str, entries: &[Entry], observed: &ObservedDatabase, findings: &mut Vec<Finding>) {
    let mut note = |severity, role: &str, what: String| {
        let finding = Finding::new(severity, format!("role {role}"), what);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    };
    let is_application = |name: &str| {
        entries
            .iter()
            .any(|entry| entry.applications.iter().any(|role| role.as_str() == name))
    };
    for entry in entries {
        for role in &entry.applications {
            let name = role.as_str();
            if is_reserved(name) || name == observed.admin {
                note(
                    Violation,
                    name,
                    "belongs to the operator and cannot be an application role".into(),
                );
                continue;
            }
            if entry.migration.as_ref() == Some(role) {
                note(
                    Violation,
                    name,
                    format!(
                        "is an application role and the migration role in database {database}: the operator does not let it see all rows"
                    ),
                );
            }
            let Some(found) = observed.role(name) else {
                note(Hint, name, "is in applicationRoles and does not exist".into());
                continue;
            };
            if found.superuser {
                note(
                    Violation,
                    name,
                    "is an application role and a superuser: row-level security does not apply to it".into(),
                );
            } else if found.bypass_rls {
                note(
                    Violation,
                    name,
                    "is an application role and has BYPASSRLS: row-level security does not apply to it".into(),
                );
            }
            if found.create_role && !found.superuser && observed.version < PG_16 {
                note(
                    Violation,
                    name,
                    "is an application role and has CREATEROLE, which before PostgreSQL 16 is enough to become any other role".into(),
                );
            }
            for other in found.reaches.iter().filter(|other| !is_application(other)) {
                note(
                    Violation,
                    name,
                    format!(
                        "is an application role and can act as role {other}, which may see or open more than one tenant's rows"
                    ),
                );
            }
        }
        match &entry.migration {
            None => note(
                Hint,
                &format!("for migrations in {database}/{}", entry.schema.as_str()),
                "is missing: forced row-level security hides all rows from the owner of the tables too".into(),
            ),
            Some(role) if is_reserved(role.as_str()) => {
                note(
                    Violation,
                    role.as_str(),
                    "belongs to the operator and cannot be the migration role".into(),
                );
            }
            Some(role) if observed.role(role.as_str()).is_none() => {
                note(Hint, role.as_str(), "is the migrationRole and does not exist".into());
            }
            Some(_) => {}
        }
    }
}
