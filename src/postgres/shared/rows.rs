//! The rows of the registry: which tenant a login is, and what applications know of a tenant.

use super::catalog::{ObservedDatabase, Tenant};
use super::findings::is_tenants;
use super::plan::{Plan, Work};
use super::registry::is_uuid;
use super::report::{Finding, Severity};
use super::{REGISTRY, RegistryRow, TenantDetails};
use crate::postgres::Statement;
use crate::postgres::catalog::Catalog;
use crate::postgres::sql::{Hidden, Literal};
use crate::sql;
use std::collections::BTreeMap;

/// Number of rows that one statement writes.
const BATCH: usize = 200;

/// Drawn numbers follow the highest that the platform chose.
const FOLLOW: [&str; 2] = [
    "SELECT setval(s.name, greatest(",
    ", coalesce(pg_sequence_last_value(s.name::regclass), 1))) \
     FROM (SELECT pg_get_serial_sequence('tenant_registry.tenant', 'number') AS name) s",
];

/// Plans the statements that bring the rows up to date. None is ever deleted from `tenant` here: keys of the platform's may cascade.
pub fn rows(database: &str, observed: &ObservedDatabase, wanted: &[RegistryRow], catalog: &Catalog, plan: &mut Plan) {
    let object = format!("{database}/{REGISTRY}.tenant");
    let mut numbers = Numbers::of(observed);
    let mut tenants = Vec::new();
    let mut logins = Vec::new();
    let mut alone = Vec::new();
    let owns = |role: &str, id: &str| {
        let found = catalog.roles.get(role);
        found.is_none_or(|found| catalog.is_ours("role", role, found.oid, id))
    };
    for row in wanted {
        let id = row.id.to_ascii_lowercase();
        if !is_uuid(&id) {
            let what = format!("accepts only UUIDs as tenant ids, not {id}");
            plan.findings.push(Finding::new(Severity::Violation, &object, what));
            continue;
        }
        let role = row.owner_role.as_str();
        let login = owns(role, &row.id) && observed.logins.get(role) != Some(&id);
        let found = observed.tenants.get(&id);
        let mut statements = Vec::new();
        match numbers.taken(row, &id, found, database) {
            Err(conflict) => {
                plan.conflicts.insert(row.id.clone(), conflict);
                if found.is_none() {
                    continue;
                }
            }
            Ok(Some(number)) => {
                // Not with those of others: each of them must be entered whether this number is free or not.
                statements.extend(numbered(row, &id, number));
                statements.extend(login.then(|| self::logins(&[(role, id.clone())])));
            }
            Ok(None) => {}
        }
        if statements.is_empty() {
            if found.is_none_or(|found| !is_current(found, row)) {
                tenants.push((id.clone(), row));
            }
            if login {
                logins.push((role, id.clone()));
            }
        }
        let is_written = |details: &&TenantDetails| found.is_some_and(|found| found.details == details.written());
        let details = row.details.as_ref().filter(|details| !is_written(details));
        statements.extend(details.map(|details| update(&id, details)));
        if !statements.is_empty() {
            alone.push((row, statements));
        }
    }
    let mut statements: Vec<Statement> = stale(observed, catalog)
        .into_iter()
        .map(|role| sql!["DELETE FROM tenant_registry.login WHERE role = ", Literal(role)])
        .collect();
    statements.extend(tenants.chunks(BATCH).map(insert));
    statements.extend(logins.chunks(BATCH).map(self::logins));
    plan.work(object.clone(), statements);
    for (row, statements) in alone {
        plan.works.push(Work {
            tenant: Some(row.id.clone()),
            ..Work::new(format!("{object} of tenant {}", row.name), statements)
        });
    }
}

/// The numbers of the registry, and their holders.
struct Numbers(BTreeMap<i64, String>);

impl Numbers {
    fn of(observed: &ObservedDatabase) -> Self {
        let numbered = observed.tenants.values();
        Self(
            numbered
                .filter_map(|tenant| Some((tenant.number?, tenant.name.clone())))
                .collect(),
        )
    }

    /// Returns the number under which the tenant is to be entered; None where it is entered already, or the registry draws one.
    ///
    /// # Errors
    /// Another tenant's number, or another one than the tenant has.
    fn taken(
        &mut self,
        row: &RegistryRow,
        id: &str,
        found: Option<&Tenant>,
        database: &str,
    ) -> Result<Option<i64>, String> {
        let Some(number) = row.number else { return Ok(None) };
        match (found, self.0.get(&number)) {
            (Some(found), _) if found.number == Some(number) => Ok(None),
            (Some(found), _) => Err(format!(
                "spec.number: tenant {id} has the number {} in database {database}, which never changes: set that one",
                found.number.unwrap_or_default()
            )),
            (None, Some(holder)) => Err(format!(
                "spec.number: {number} belongs to tenant {holder} in database {database}: choose another one"
            )),
            (None, None) => {
                self.0.insert(number, row.name.clone());
                Ok(Some(number))
            }
        }
    }
}

fn is_current(found: &Tenant, row: &RegistryRow) -> bool {
    (&found.name, found.tier.as_ref()) == (&row.name, Some(&row.tier))
        && (&found.parent, &found.root) == (&uuid(row.parent.as_ref()), &uuid(row.root.as_ref()))
        && found.members == members(row)
}

fn uuid(id: Option<&String>) -> Option<String> {
    id.map(|id| id.to_ascii_lowercase()).filter(|id| is_uuid(id))
}

fn members(row: &RegistryRow) -> Vec<String> {
    row.members.iter().filter_map(|id| uuid(Some(id))).collect()
}

/// Logins that are no tenant's, or another's.
fn stale<'a>(observed: &'a ObservedDatabase, catalog: &Catalog) -> Vec<&'a String> {
    // A role that the catalog does not know may be newer than it: another call may just have entered it.
    let is_wrong = |role: &str, id: &str| {
        let marked = || {
            let mark = catalog.mark("role", role);
            mark.is_some_and(|mark| mark.tenant_id.eq_ignore_ascii_case(id))
        };
        !is_tenants(role) || (catalog.roles.contains_key(role) && !marked())
    };
    let wrong = observed.logins.iter().filter(|(role, id)| is_wrong(role, id));
    let mut stale: Vec<&String> = wrong.map(|(role, _)| role).collect();
    stale.sort();
    stale
}

/// `id, name, parent, root, members, tier` of a row.
fn values(id: &str, row: &RegistryRow) -> Statement {
    let of = |id: Option<&String>| uuid(id).map_or(sql!["NULL"], |id| sql![Literal(id), "::uuid"]);
    let members = match members(row) {
        members if members.is_empty() => sql!["NULL"],
        members => sql![Literal(format!("{{{}}}", members.join(","))), "::uuid[]"],
    };
    sql![Literal(id), "::uuid, ", Literal(&row.name), ", "]
        .join(of(row.parent.as_ref()))
        .join(sql![", "])
        .join(of(row.root.as_ref()))
        .join(sql![", "])
        .join(members)
        .join(sql![", ", Literal(&row.tier)])
}

fn insert(batch: &[(String, &RegistryRow)]) -> Statement {
    let values = batch
        .iter()
        .map(|(id, row)| sql!["("].join(values(id, row)).join(sql![")"]));
    sql!["INSERT INTO tenant_registry.tenant (id, name, parent, root, members, tier) VALUES "]
        .join(list(values))
        .join(sql![
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name, parent = excluded.parent, root = excluded.root, \
             members = excluded.members, tier = excluded.tier"
        ])
}

/// Enters a tenant under a number that the platform chose.
fn numbered(row: &RegistryRow, id: &str, number: i64) -> [Statement; 2] {
    let insert =
        sql!["INSERT INTO tenant_registry.tenant (id, name, parent, root, members, tier, number) OVERRIDING SYSTEM VALUE VALUES ("]
            .join(values(id, row))
            .join(sql![", ", number, ")"]);
    [insert, sql![FOLLOW[0], number, FOLLOW[1]]]
}

fn logins<T: AsRef<str>>(batch: &[(T, String)]) -> Statement {
    let values = batch
        .iter()
        .map(|(role, id)| sql!["(", Literal(role), ", ", Literal(id), "::uuid)"]);
    sql!["INSERT INTO tenant_registry.login (role, tenant_id) VALUES "]
        .join(list(values))
        .join(sql![" ON CONFLICT (role) DO UPDATE SET tenant_id = excluded.tenant_id"])
}

fn update(id: &str, details: &TenantDetails) -> Statement {
    let text = |text: &Option<String>| text.as_ref().map_or(sql!["NULL"], |text| sql![Literal(text)]);
    let (settings, digest) = match &details.settings {
        Some(settings) => (sql![Hidden(&settings.json), "::jsonb"], sql![Literal(&settings.digest)]),
        None => (sql!["NULL"], sql!["NULL"]),
    };
    let created_at = text(&details.created_at).join(sql!["::timestamptz"]);
    sql!["UPDATE tenant_registry.tenant SET display_name = "]
        .join(text(&details.display_name))
        .join(sql![", domain = "])
        .join(text(&details.domain))
        .join(sql![", created_at = "])
        .join(created_at)
        .join(sql![", settings = "])
        .join(settings)
        .join(sql![", settings_digest = "])
        .join(digest)
        .join(sql![" WHERE id = ", Literal(id), "::uuid"])
}

fn list(values: impl Iterator<Item = Statement>) -> Statement {
    let comma = |a: Statement, b: Statement| a.join(sql![", "]).join(b);
    values.reduce(comma).unwrap_or_else(|| Statement::new(Vec::new()))
}

#[cfg(test)]
#[path = "rows_test.rs"]
mod tests;
