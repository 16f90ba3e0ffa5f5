//! The protection of each shared table, and the grants that follow it.

use super::group::revocation;
use super::{Plan, Wanted, Work, ways};
use crate::postgres::plan::{Step, Venue};
use crate::postgres::shared::catalog::{ObservedDatabase, Table};
use crate::postgres::shared::findings;
use crate::postgres::shared::policy::{self, qualified, relation};
use crate::postgres::shared::registry::{self, whom};
use crate::postgres::shared::report::{Finding, Severity};
use crate::postgres::shared::select::Chosen;
use crate::postgres::sql::Literal;
use crate::postgres::{Identifier, Statement};
use crate::sql;

/// Privileges of a tenant on its rows.
const PRIVILEGES: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// Protects the tables and grants them. Returns the objects that it covers: the tables, and sequences that may be granted.
pub(super) fn tables(wanted: &Wanted, observed: &ObservedDatabase, chosen: &[Chosen], plan: &mut Plan) -> Vec<i64> {
    let mut granted = Vec::new();
    let mut schemas: Vec<&Identifier> = chosen.iter().map(|chosen| &chosen.entry.schema).collect();
    schemas.sort();
    schemas.dedup();
    for name in schemas {
        schema(wanted, observed, name, plan);
    }
    for chosen in chosen {
        let table = chosen.table;
        let object = format!("{}/{}", wanted.database.as_str(), table.title());
        let ways = ways(wanted, chosen.entry, observed);
        let mut obstacles = findings::obstacles(wanted.database, chosen);
        granted.push(table.oid);
        // Where the column is not what the spec says no policy can be made; a table that is not shared at all may be meant.
        let can_have_policies = table.kind != "f" && findings::column(chosen).is_ok();
        let policies = match can_have_policies {
            true => policy::statements(table, &policy::of_table(chosen.entry, &ways), observed),
            false => Vec::new(),
        };
        if !policies.is_empty() && !table.ours {
            obstacles.push(findings::not_ours(wanted.database, chosen, observed));
        }
        let is_settled = can_have_policies && policies.is_empty();
        let revoke = revocation(table, wanted.group);
        if !obstacles.is_empty() {
            let is_open = table.granted(Some(wanted.group.as_str())).next().is_some();
            if is_open && revoke.is_empty() {
                obstacles.push(Finding::new(
                    Severity::Violation,
                    &object,
                    format!(
                        "is granted to {} by role {}, and the operator cannot revoke that",
                        wanted.group.as_str(),
                        table.owner
                    ),
                ));
            }
            plan.findings.extend(obstacles);
            plan.closed += 1;
            // The operator does as much as it can; each step narrows access, and never opens it.
            plan.work(object.clone(), revoke);
            if table.ours {
                plan.work(object, policies);
            }
            continue;
        }
        let grants = match chosen.part {
            true => revoke.clone(),
            false => {
                granted.extend(table.sequences.iter().map(|sequence| sequence.oid));
                grants(table, wanted.group)
            }
        };
        let strangers = strangers(table);
        if is_settled && grants.is_empty() && strangers.is_empty() {
            plan.protected += 1;
            continue;
        }
        if !table.ours {
            plan.closed += 1;
            plan.findings
                .push(findings::not_ours(wanted.database, chosen, observed));
            continue;
        }
        plan.closed += 1;
        let stays_open = is_settled || policy::is_former(table, chosen.entry, &ways, observed);
        let mut statements = policies;
        statements.extend(strangers);
        statements.extend(grants);
        plan.works.push(Work {
            otherwise: if stays_open { Vec::new() } else { revoke },
            ..Work::new(object, statements)
        });
    }
    granted
}

/// The group may look into a shared schema, and make nothing in it.
fn schema(wanted: &Wanted, observed: &ObservedDatabase, name: &Identifier, plan: &mut Plan) {
    let Some(schema) = observed.schemas.get(name.as_str()) else {
        return;
    };
    let object = format!("{}/{}", wanted.database.as_str(), name.as_str());
    let has = |privilege: &str| {
        schema
            .grants
            .iter()
            .any(|grant| grant.grantee.as_deref() == Some(wanted.group.as_str()) && grant.privilege == privilege)
    };
    let mut statements = Vec::new();
    if has("CREATE") {
        statements.push(sql!["REVOKE CREATE ON SCHEMA ", name, " FROM ", wanted.group]);
    }
    let usage = sql!["GRANT USAGE ON SCHEMA ", name, " TO ", wanted.group];
    if !has("USAGE") {
        statements.push(usage.clone());
    }
    if statements.is_empty() || schema.ours {
        return plan.work(object, statements);
    }
    plan.findings.push(
        Finding::new(
            Severity::Violation,
            object,
            format!(
                "belongs to role {}, in which the operator's role {} is not a member: the operator cannot open it to tenants",
                schema.owner, observed.admin
            ),
        )
        .with(statements.into_iter().map(|statement| Step {
            venue: Venue::Inside(wanted.database.clone()),
            statement,
        })),
    );
}

/// The last steps to a table: the group may do these four things with it and no other, and use its columns' sequences.
fn grants(table: &Table, group: &Identifier) -> Vec<Statement> {
    let Some(relation) = relation(table) else {
        return Vec::new();
    };
    let wanted = [(Some(group.as_str()), PRIVILEGES.to_vec())].into_iter().collect();
    let granted_before: Vec<_> = table.granted(Some(group.as_str())).cloned().collect();
    let mut statements = Vec::new();
    let of_columns = |grant: &crate::postgres::shared::catalog::Grant| grant.grantee.as_deref() == Some(group.as_str());
    let mut grants = registry::grants(&sql!["TABLE "].join(relation.clone()), &granted_before, &wanted);
    if table.column_grants.iter().any(of_columns) {
        grants = revocation(table, group);
        grants.extend(registry::grants(&sql!["TABLE "].join(relation.clone()), &[], &wanted));
    }
    for sequence in &table.sequences {
        let Some(name) = qualified(&sequence.schema, &sequence.name) else {
            continue;
        };
        if sequence.grants.iter().any(|privilege| privilege != "USAGE") {
            grants.push(
                sql!["REVOKE SELECT, UPDATE ON SEQUENCE "]
                    .join(name.clone())
                    .join(sql![" FROM ", group]),
            );
        }
        if !sequence.grants.iter().any(|privilege| privilege == "USAGE") {
            grants.push(sql!["GRANT USAGE ON SEQUENCE "].join(name).join(sql![" TO ", group]));
        }
    }
    if !grants.is_empty() {
        statements.push(guard(table, &relation));
    }
    statements.extend(grants);
    statements
}

/// Aborts the rest of the transaction if the table of this name is now another one, or is not protected.
fn guard(table: &Table, relation: &Statement) -> Statement {
    sql![
        "SELECT 1 / (SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND oid = ",
        table.oid,
        " AND oid = ",
        Literal(relation.to_string()),
        "::regclass)"
    ]
}

/// Revokes grants to single tenants by hand.
fn strangers(table: &Table) -> Vec<Statement> {
    let Some(relation) = relation(table) else {
        return Vec::new();
    };
    let mut names: Vec<&str> = table
        .grants
        .iter()
        .chain(&table.column_grants)
        .filter_map(|grant| grant.grantee.as_deref())
        .filter(|name| findings::is_tenants(name))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| whom(Some(name)))
        .map(|whom| {
            sql!["REVOKE ALL ON TABLE "]
                .join(relation.clone())
                .join(sql![" FROM "])
                .join(whom)
        })
        .collect()
}

/// Returns true if the operator sees all rows of a table, of any tenant.
pub fn shows_all(wanted: &Wanted, chosen: &Chosen, observed: &ObservedDatabase) -> bool {
    let policies = policy::of_table(chosen.entry, &ways(wanted, chosen.entry, observed));
    observed.superuser || !chosen.table.enabled || policy::statements(chosen.table, &policies, observed).is_empty()
}
