//! The schema by which applications know tenants, and policies know logins. In each database with shared tables; the
//! operator's own, and nobody else writes in it.

use super::REGISTRY;
use super::catalog::{Grant, ObservedDatabase, Schema, Table};
use super::policy::{self, Policy, Ways, qualified, relation};
use crate::postgres::sql::Piece;
use crate::postgres::{Identifier, Statement};
use crate::sql;
use std::collections::BTreeMap;

/// A name and a type.
type Column = (&'static str, &'static str);

/// Tables of the registry, their columns, and how they are made.
const TABLES: [(&str, &[Column], &str); 3] = [
    (
        "tenant",
        &[
            ("id", "uuid"),
            ("number", "bigint"),
            ("name", "text"),
            ("parent", "uuid"),
            ("tier", "text"),
        ],
        "CREATE TABLE tenant_registry.tenant (id uuid PRIMARY KEY, number bigint GENERATED ALWAYS AS IDENTITY UNIQUE, \
         name text NOT NULL, parent uuid, tier text)",
    ),
    (
        "login",
        &[("role", "name"), ("tenant_id", "uuid")],
        "CREATE TABLE tenant_registry.login (role name PRIMARY KEY, \
         tenant_id uuid NOT NULL REFERENCES tenant_registry.tenant (id))",
    ),
    (
        "policy",
        &[
            ("relation", "oid"),
            ("name", "name"),
            ("source", "text"),
            ("qual", "text"),
            ("with_check", "text"),
        ],
        "CREATE TABLE tenant_registry.policy (relation oid, name name, source text NOT NULL, qual text, with_check text, \
         PRIMARY KEY (relation, name))",
    ),
];

/// Columns of `tenant` that earlier versions of the operator did not create.
const ADDED: [Column; 7] = [
    ("root", "uuid"),
    ("members", "uuid[]"),
    ("display_name", "text"),
    ("domain", "text"),
    ("settings", "jsonb"),
    ("settings_digest", "text"),
    ("created_at", "timestamp with time zone"),
];
const ADD: &str = "ALTER TABLE tenant_registry.tenant ADD COLUMN IF NOT EXISTS root uuid, ADD COLUMN IF NOT EXISTS members uuid[], \
    ADD COLUMN IF NOT EXISTS display_name text, ADD COLUMN IF NOT EXISTS domain text, \
    ADD COLUMN IF NOT EXISTS settings jsonb, ADD COLUMN IF NOT EXISTS settings_digest text, \
    ADD COLUMN IF NOT EXISTS created_at timestamp with time zone";

/// The registry as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryState {
    Absent,
    /// The registry as the operator makes it.
    Present,
    /// Somebody else's, or changed beyond repair; why.
    Foreign(String),
}

/// Judges the owner and completeness of the registry. Only tables of the operator's very role are its own: in anybody else's, triggers could act with the
/// operator's rights.
pub fn state(observed: &ObservedDatabase) -> RegistryState {
    let Some(schema) = observed.schemas.get(REGISTRY) else {
        return RegistryState::Absent;
    };
    let admin = &observed.admin;
    if schema.owner != *admin {
        return RegistryState::Foreign(format!(
            "belongs to role {}, not to the operator's role {admin}",
            schema.owner
        ));
    }
    let tables: Vec<&Table> = tables(observed).collect();
    if tables.is_empty() {
        return RegistryState::Absent;
    }
    for (name, columns, _) in TABLES {
        let Some(table) = tables.iter().find(|table| table.name == name) else {
            return RegistryState::Foreign(format!("has no table {name}"));
        };
        let added = added(name);
        let is_known = |name: &str, type_: &str| columns.iter().chain(added).any(|column| *column == (name, type_));
        if table.owner != *admin
            || table.kind != "r"
            || !columns.iter().all(|column| has(table, column))
            || !table.columns.iter().all(|(name, found)| is_known(name, &found.type_))
        {
            return RegistryState::Foreign(format!("has a table {name} that differs from the operator's"));
        }
    }
    RegistryState::Present
}

/// Returns true if the registry has every column that its rows are read by.
pub fn is_complete(observed: &ObservedDatabase) -> bool {
    let mut tenant = tables(observed).filter(|table| table.name == "tenant");
    state(observed) == RegistryState::Present && tenant.all(|table| ADDED.iter().all(|column| has(table, column)))
}

fn has(table: &Table, (column, type_): &Column) -> bool {
    table.columns.get(*column).is_some_and(|found| found.type_ == *type_)
}

fn added(table: &str) -> &'static [Column] {
    match table {
        "tenant" => &ADDED,
        _ => &[],
    }
}

fn tables(observed: &ObservedDatabase) -> impl Iterator<Item = &Table> {
    observed.tables.iter().filter(|table| table.schema == REGISTRY)
}

/// The statements that make it and keep it closed; none where it is as it should be.
pub fn statements(observed: &ObservedDatabase, ways: &Ways) -> Vec<Statement> {
    let mut statements = Vec::new();
    let present = state(observed) == RegistryState::Present;
    if !observed.schemas.contains_key(REGISTRY) {
        statements.push(sql!["CREATE SCHEMA tenant_registry"]);
    }
    if !present {
        statements.extend(TABLES.iter().map(|(_, _, create)| sql![*create]));
    }
    if !is_complete(observed) {
        statements.push(sql![ADD]);
    }
    let readers: Vec<Option<&str>> = std::iter::once(ways.group)
        .chain(&ways.applications)
        .chain(&ways.migration)
        .map(|role| Some(role.as_str()))
        .collect();
    // The tables' policies ask the registry with the rights of the session's role. Row-level security shows each role its
    // own login, and of its tenant the id, the number and its place in its family.
    let everyone = None;
    let usage = [(everyone, vec!["USAGE"])].into_iter().collect();
    let none = Vec::new();
    let on_schema = observed
        .schemas
        .get(REGISTRY)
        .map_or(&none, |schema: &Schema| &schema.grants);
    statements.extend(grants(&sql!["SCHEMA tenant_registry"], on_schema, &usage));
    for (name, ..) in TABLES {
        let virgin = Table {
            schema: REGISTRY.into(),
            name: name.into(),
            ..Table::default()
        };
        let found = tables(observed)
            .find(|table| present && table.name == name)
            .unwrap_or(&virgin);
        let (policies, select): (Option<Vec<Policy>>, Vec<Option<&str>>) = match name {
            "tenant" => (Some(policy::of_tenants(ways)), readers.clone()),
            "login" => (Some(policy::of_logins(ways)), vec![everyone]),
            _ => (None, Vec::new()),
        };
        // A table that is closed to all needs no policies, and must be readable before the others are reconciled.
        if let Some(policies) = policies {
            statements.extend(policy::statements(found, &policies, observed));
        }
        let Some(relation) = relation(found) else { continue };
        let wanted = select.iter().map(|role| (*role, vec!["SELECT"])).collect();
        statements.extend(grants(&sql!["TABLE "].join(relation.clone()), &found.grants, &wanted));
        let wanted: Vec<(Option<&str>, &'static str)> = match (name, &ways.migration) {
            ("tenant", Some(migration)) => {
                vec![(everyone, "SELECT"), (Some(migration.as_str()), "REFERENCES")]
            }
            ("tenant", None) => vec![(everyone, "SELECT")],
            _ => Vec::new(),
        };
        statements.extend(of_keys(found, &relation, &wanted));
    }
    statements
}

/// Columns of a tenant that policies read, and those that the migration role makes foreign keys to.
fn key_columns(privilege: &str) -> (&'static [&'static str], &'static str) {
    match privilege {
        "SELECT" => (&["id", "number", "root", "members"], " (id, number, root, members)"),
        _ => (&["id", "number"], " (id, number)"),
    }
}

/// Returns the grants on the columns that say whose rows are whose, and on no other single column.
fn of_keys(found: &Table, relation: &Statement, wanted: &[(Option<&str>, &'static str)]) -> Vec<Statement> {
    let mut statements = Vec::new();
    let is_wanted = |grant: &Grant| {
        wanted.contains(&(grant.grantee.as_deref(), grant.privilege.as_str()))
            && grant
                .column
                .as_deref()
                .is_some_and(|column| key_columns(&grant.privilege).0.contains(&column))
    };
    let (expected, foreign): (Vec<&Grant>, Vec<&Grant>) =
        found.column_grants.iter().partition(|grant| is_wanted(grant));
    let mut robbed = Vec::new();
    for grant in foreign {
        let (Some(whom), Some(column)) = (whom(grant.grantee.as_deref()), grant.column.as_deref()) else {
            continue;
        };
        let Ok(column) = Identifier::new(column) else { continue };
        statements.push(
            sql!["REVOKE ALL (", &column, ") ON TABLE "]
                .join(relation.clone())
                .join(sql![" FROM "])
                .join(whom),
        );
        robbed.push(grant.grantee.as_deref());
    }
    // A revocation on a column, or on the whole table, removes this grant with it.
    let is_revoked = |grantee: Option<&str>| {
        robbed.contains(&grantee) || (grantee.is_none() && found.grants.iter().any(|grant| grant.grantee.is_none()))
    };
    for &(grantee, privilege) in wanted {
        let is_this = |grant: &&&Grant| grant.grantee.as_deref() == grantee && grant.privilege == privilege;
        let (columns, list) = key_columns(privilege);
        let has_all = expected.iter().filter(is_this).count() == columns.len();
        if has_all && !is_revoked(grantee) {
            continue;
        }
        let Some(whom) = whom(grantee) else { continue };
        statements.push(
            sql!["GRANT ", privilege, list, " ON TABLE "]
                .join(relation.clone())
                .join(sql![" TO "])
                .join(whom),
        );
    }
    statements
}

/// Returns `GRANT … ON what TO …` and `REVOKE … ON what FROM …`, so that exactly these privileges are granted.
pub fn grants(what: &Statement, found: &[Grant], wanted: &BTreeMap<Option<&str>, Vec<&'static str>>) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut grantees: Vec<Option<&str>> = found.iter().map(|grant| grant.grantee.as_deref()).collect();
    grantees.sort_unstable();
    grantees.dedup();
    for grantee in grantees {
        let wanted = wanted.get(&grantee);
        let is_wanted =
            |grant: &Grant| !grant.grantable && wanted.is_some_and(|wanted| wanted.contains(&grant.privilege.as_str()));
        let mut theirs = found.iter().filter(|grant| grant.grantee.as_deref() == grantee);
        if let (false, Some(whom)) = (theirs.all(is_wanted), whom(grantee)) {
            statements.push(
                sql!["REVOKE ALL ON "]
                    .join(what.clone())
                    .join(sql![" FROM "])
                    .join(whom)
                    .and([" CASCADE".into()]),
            );
        }
    }
    for (grantee, privileges) in wanted {
        let theirs = || found.iter().filter(|grant| grant.grantee.as_deref() == *grantee);
        let exactly = theirs().all(|grant| !grant.grantable && privileges.contains(&grant.privilege.as_str()));
        let missing = privileges
            .iter()
            .any(|privilege| !theirs().any(|grant| grant.privilege == *privilege));
        if exactly && !missing {
            continue;
        }
        let Some(whom) = whom(*grantee) else { continue };
        let mut pieces: Vec<Piece> = vec!["GRANT ".into()];
        for (i, privilege) in privileges.iter().enumerate() {
            if i > 0 {
                pieces.push(", ".into());
            }
            pieces.push((*privilege).into());
        }
        statements.push(
            Statement::new(pieces)
                .join(sql![" ON "])
                .join(what.clone())
                .join(sql![" TO "])
                .join(whom),
        );
    }
    statements
}

/// A role, or PUBLIC, as it stands in a statement; None for one that cannot be written.
pub fn whom(grantee: Option<&str>) -> Option<Statement> {
    match grantee {
        None => Some(sql!["PUBLIC"]),
        Some(name) => Identifier::new(name).ok().map(|name| sql![&name]),
    }
}

/// Returns true if a text is a UUID in its usual form.
pub fn is_uuid(text: &str) -> bool {
    let dash = |i: usize| matches!(i, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(i, byte)| match dash(i) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        })
}

/// Returns excess grants to the group in this database, and the statements that revoke them.
pub fn excess(observed: &ObservedDatabase, granted: &[i64], schemas: &[&str]) -> Vec<(String, Option<Statement>)> {
    let mut found = Vec::new();
    // Printed with quotes where it needs them.
    let is =
        |identity: &str, schema: &str| identity == schema || identity == format!("\"{}\"", schema.replace('"', "\"\""));
    let is_schema = |identity: &str| is(identity, REGISTRY) || schemas.iter().any(|schema| is(identity, schema));
    for holding in &observed.holdings {
        let name = holding.name.as_deref().zip(holding.schema.as_deref());
        match holding.class.as_str() {
            "pg_class" if granted.contains(&holding.oid) => {}
            "pg_class" if holding.schema.as_deref() == Some(REGISTRY) => {}
            "pg_namespace" if is_schema(&holding.identity) => {}
            // Another check covers them.
            "pg_default_acl" => {}
            "pg_class" => {
                let what = if holding.kind == "sequence" {
                    "SEQUENCE "
                } else {
                    "TABLE "
                };
                let relation = name.and_then(|(name, schema)| qualified(schema, name));
                let revoke = relation
                    .zip(Identifier::new(observed.group.as_str()).ok())
                    .map(|(relation, group)| sql!["REVOKE ALL ON ", what].join(relation).join(sql![" FROM ", &group]));
                found.push((format!("{} {}", holding.kind, holding.identity), revoke));
            }
            _ => found.push((format!("{} {}", holding.kind, holding.identity), None)),
        }
    }
    found
}
