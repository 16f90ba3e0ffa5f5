//! Policies as they should be, and the statements that make them so.

use super::GROUP;
use super::catalog::{ObservedDatabase, Table};
use super::select::Entry;
use crate::api::database_server::TenantColumnType;
use crate::postgres::sql::{Literal, list};
use crate::postgres::{Identifier, Statement};
use crate::sql;

/// The prefix of the operator's own policies, on any table.
pub const PREFIX: &str = "tenant_operator_";

/// A permissive policy.
#[derive(Clone, Debug)]
pub struct Policy {
    pub name: Identifier,
    /// True if it concerns SELECT only, and not all commands.
    pub read: bool,
    /// Sorted; none is PUBLIC.
    pub roles: Vec<Identifier>,
    pub using: Statement,
    pub check: Option<Statement>,
}

/// The roles that policies are for.
#[derive(Clone, Debug)]
pub struct Ways<'a> {
    pub group: &'a Identifier,
    /// Application roles that exist.
    pub applications: Vec<Identifier>,
    /// The migration role, where it exists.
    pub migration: Option<Identifier>,
    /// The operator's own role, where row-level security holds for it.
    pub operator: Option<Identifier>,
}

fn name(of: &str) -> Identifier {
    // Not empty, and well below 63 bytes.
    Identifier::new(format!("{PREFIX}{of}")).unwrap_or_else(|_| unreachable!())
}

fn policy(of: &str, roles: &[Identifier], using: Statement, check: Option<Statement>) -> Policy {
    let mut roles = roles.to_vec();
    roles.sort();
    roles.dedup();
    Policy {
        name: name(of),
        read: check.is_none(),
        roles,
        using,
        check,
    }
}

/// Returns the policies of a shared table: one for tenants and applications, and one for each role that sees everything.
///
/// No policy names a role that a tenant's role is a member of. Any member may execute `DROP OWNED BY` that role, which drops the policies that name it, for
/// everyone. So the first is for PUBLIC, and gives no rows to roles outside the registry. PostgreSQL would join two policies by OR, which no index on the
/// column serves in order; so there is one with one value.
pub fn of_table(entry: &Entry, ways: &Ways) -> Vec<Policy> {
    let rows = match &entry.subtenant {
        None => sql![&entry.column, " = "].join(choice(ways, own_value(entry.type_), current_value(entry.type_))),
        Some(column) => family_rows(entry, column, ways),
    };
    let mut policies = vec![policy("tenant", &[], rows.clone(), Some(rows))];
    if let Some(role) = &ways.migration {
        policies.push(policy(
            "migration",
            std::slice::from_ref(role),
            sql!["true"],
            Some(sql!["true"]),
        ));
    }
    if let Some(role) = &ways.operator {
        // The operator deletes a removed tenant's rows and checks that none is left; it writes nothing.
        policies.push(policy(
            "operator",
            std::slice::from_ref(role),
            sql!["true"],
            Some(sql!["false"]),
        ));
    }
    policies
}

/// Returns the value of an application's current tenant, or that of a tenant's login, which is a query.
fn choice(ways: &Ways, own: Statement, current: Statement) -> Statement {
    match application(ways) {
        None => sql!["("].join(own).join(sql![")"]),
        Some(is_application) => sql!["(SELECT CASE WHEN "]
            .join(is_application)
            .join(sql![" THEN "])
            .join(current)
            .join(sql![" ELSE ("])
            .join(own)
            .join(sql![") END)"]),
    }
}

/// Returns the rows of a table that families share: those of the topmost tenant of the family, and of these a subtenant has its own and those of the
/// tenants below it. A tenant that the registry does not have yet has none.
fn family_rows(entry: &Entry, column: &Identifier, ways: &Ways) -> Statement {
    let text = entry.type_ == TenantColumnType::Text;
    let of = |uuid: &'static str, as_text: &'static str| if text { as_text } else { uuid };
    let value = |what: &'static str| {
        let own = sql![
            "SELECT ",
            what,
            " FROM tenant_registry.login l JOIN tenant_registry.tenant t ON t.id = l.tenant_id WHERE l.role = current_user"
        ];
        let current = sql![
            "(SELECT ",
            what,
            " FROM tenant_registry.tenant t WHERE t.id = nullif(current_setting('app.current_tenant_id', true), '')::uuid)"
        ];
        choice(ways, own, current)
    };
    let root = of("coalesce(t.root, t.id)", "coalesce(t.root, t.id)::text");
    let members = of("t.members", "t.members::text[]");
    sql![&entry.column, " = "]
        .join(value(root))
        .join(sql![" AND (", column, " = ANY ("])
        .join(value(members))
        .join(sql![of("::uuid[]", "::text[]"), ") OR "])
        .join(value("t.root IS NULL"))
        .join(sql![")"])
}

/// Returns the test whether the current user is an application: a policy `TO` these roles would hold for it. It compares names, since after a restore another
/// role may have the OID; a role that no longer exists matches nobody, without an error.
fn application(ways: &Ways) -> Option<Statement> {
    let is = |role: &Identifier| sql!["pg_has_role(to_regrole(", Literal(role.to_string()), ")::oid, 'USAGE')"];
    ways.applications
        .iter()
        .map(is)
        .reduce(|a, b| a.join(sql![" OR "]).join(b))
}

/// Returns the expected value of the tenant column for a tenant's login.
fn own_value(type_: TenantColumnType) -> Statement {
    match type_ {
        TenantColumnType::Uuid => {
            sql!["SELECT l.tenant_id FROM tenant_registry.login l WHERE l.role = current_user"]
        }
        TenantColumnType::Text => {
            sql!["SELECT l.tenant_id::text FROM tenant_registry.login l WHERE l.role = current_user"]
        }
        TenantColumnType::Integer => sql![
            "SELECT t.number FROM tenant_registry.login l JOIN tenant_registry.tenant t ON t.id = l.tenant_id \
             WHERE l.role = current_user"
        ],
    }
}

/// Returns the expected value of the tenant column for the application's current tenant. Unset and empty values are no tenant.
fn current_value(type_: TenantColumnType) -> Statement {
    match type_ {
        TenantColumnType::Uuid => sql!["nullif(current_setting('app.current_tenant_id', true), '')::uuid"],
        // The cast to uuid makes an invalid id an error here too.
        TenantColumnType::Text => sql!["nullif(current_setting('app.current_tenant_id', true), '')::uuid::text"],
        TenantColumnType::Integer => sql!["nullif(current_setting('app.current_tenant_id', true), '')::bigint"],
    }
}

/// The policies of `tenant_registry.tenant`: a tenant sees itself, applications see all.
pub fn of_tenants(ways: &Ways) -> Vec<Policy> {
    let own = sql!["id = ("].join(own_value(TenantColumnType::Uuid)).join(sql![")"]);
    let mut policies = vec![policy("tenant", &[], own, None)];
    if !ways.applications.is_empty() {
        policies.push(policy("application", &ways.applications, sql!["true"], None));
    }
    if let Some(role) = &ways.migration {
        policies.push(policy("migration", std::slice::from_ref(role), sql!["true"], None));
    }
    policies.extend(everything(ways));
    policies
}

/// The policies of `tenant_registry.login`: a role sees whose login it is, if it is one.
pub fn of_logins(ways: &Ways) -> Vec<Policy> {
    let own = policy("tenant", &[], sql!["role = current_user"], None);
    std::iter::once(own).chain(everything(ways)).collect()
}

fn everything(ways: &Ways) -> Option<Policy> {
    let role = std::slice::from_ref(ways.operator.as_ref()?);
    Some(policy("operator", role, sql!["true"], Some(sql!["true"])))
}

/// Returns the statements that enable and force row-level security on a table and reconcile the operator's policies; none where nothing differs.
///
/// An expression's text does not show whether it is the desired one: each version prints it differently. So the operator records PostgreSQL's text when it
/// makes the policy, in a table that only it can read.
pub fn statements(table: &Table, wanted: &[Policy], observed: &ObservedDatabase) -> Vec<Statement> {
    let Some(relation) = relation(table) else {
        return Vec::new();
    };
    let mut statements = Vec::new();
    if !table.enabled {
        statements.push(
            sql!["ALTER TABLE "]
                .join(relation.clone())
                .join(sql![" ENABLE ROW LEVEL SECURITY"]),
        );
    }
    if !table.forced {
        statements.push(
            sql!["ALTER TABLE "]
                .join(relation.clone())
                .join(sql![" FORCE ROW LEVEL SECURITY"]),
        );
    }
    for found in &table.policies {
        let is_wanted = wanted.iter().any(|policy| policy.name.as_str() == found.name);
        if found.name.starts_with(PREFIX)
            && !is_wanted
            && let Ok(name) = Identifier::new(found.name.as_str())
        {
            statements.push(sql!["DROP POLICY ", &name, " ON "].join(relation.clone()));
            statements.push(forget(&relation, &name));
        }
    }
    for policy in wanted {
        let create = create(policy, &relation);
        let source = create.to_string();
        if holds(table, policy, &source, observed) {
            continue;
        }
        let name = &policy.name;
        if table.policies.iter().any(|found| found.name == name.as_str()) {
            statements.push(sql!["DROP POLICY ", name, " ON "].join(relation.clone()));
        }
        statements.push(create);
        statements.push(forget(&relation, name));
        statements.push(
            sql![
                "INSERT INTO tenant_registry.policy (relation, name, source, qual, with_check) SELECT polrelid, polname, ",
                Literal(source),
                ", pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE polname = ",
                Literal(name.as_str()),
                " AND polrelid = "
            ]
            .join(oid(&relation)),
        );
    }
    statements
}

fn oid(relation: &Statement) -> Statement {
    sql![Literal(relation.to_string()), "::regclass"]
}

/// Deletes the record of a policy.
fn forget(relation: &Statement, name: &Identifier) -> Statement {
    sql!["DELETE FROM tenant_registry.policy WHERE relation = "]
        .join(oid(relation))
        .join(sql![" AND name = ", Literal(name.as_str())])
}

/// Returns true if a table has the operator's policies from before these were `TO PUBLIC`. They show nobody more rows, although any tenant can drop them. Where
/// the table cannot be locked for a change, it stays open until it can.
pub fn is_former(table: &Table, entry: &Entry, ways: &Ways, observed: &ObservedDatabase) -> bool {
    let Some(relation) = relation(table) else {
        return false;
    };
    let rows = |value: Statement| sql![&entry.column, " = "].join(value);
    let own = rows(sql!["("].join(own_value(entry.type_)).join(sql![")"]));
    let current = rows(current_value(entry.type_));
    let mut known = of_table(entry, ways);
    known.push(policy(
        "tenant",
        std::slice::from_ref(ways.group),
        own.clone(),
        Some(own),
    ));
    if !ways.applications.is_empty() {
        known.push(policy(
            "application",
            &ways.applications,
            current.clone(),
            Some(current),
        ));
    }
    let is_known = |name: &str| {
        let mut known = known.iter().filter(|policy| policy.name.as_str() == name);
        known.any(|policy| holds(table, policy, &create(policy, &relation).to_string(), observed))
    };
    let mut ours = table.policies.iter().filter(|found| found.name.starts_with(PREFIX));
    table.enabled && table.forced && ours.all(|found| is_known(&found.name))
}

/// Returns changes of a table's protection by others, if the operator still wants that protection.
pub fn losses(table: &Table, wanted: &[Policy], observed: &ObservedDatabase) -> Vec<String> {
    let Some(relation) = relation(table) else {
        return Vec::new();
    };
    let records = || observed.records.iter().filter(|record| record.relation == table.oid);
    let mut losses = Vec::new();
    for policy in wanted {
        let name = policy.name.as_str();
        let Some(record) = records().find(|record| record.name == name) else {
            continue;
        };
        let what = match table.policies.iter().find(|found| found.name == name) {
            None if record.source.contains(GROUP) => "was dropped, which every tenant could do",
            None => "was dropped",
            Some(found) => {
                let is_printed = found.qual == record.qual && found.check == record.check;
                let source = create(policy, &relation).to_string();
                // Only its expressions reveal a policy that the operator itself now wants otherwise.
                if is_printed && (record.source != source || holds(table, policy, &source, observed)) {
                    continue;
                }
                "was changed"
            }
        };
        losses.push(format!("policy {name} {what}"));
    }
    if records().next().is_some() && !(table.enabled && table.forced) {
        losses.push("row-level security was switched off".into());
    }
    losses
}

fn holds(table: &Table, policy: &Policy, source: &str, observed: &ObservedDatabase) -> bool {
    let name = policy.name.as_str();
    let Some(found) = table.policies.iter().find(|found| found.name == name) else {
        return false;
    };
    let mut roles: Vec<Option<&str>> = policy.roles.iter().map(|role| Some(role.as_str())).collect();
    if roles.is_empty() {
        roles.push(None);
    }
    let command = if policy.read { "r" } else { "*" };
    let printed = |record: &super::catalog::Record| {
        record.relation == table.oid
            && record.name == name
            && record.source == source
            && record.qual == found.qual
            && record.check == found.check
    };
    found.permissive
        && found.command == command
        && found.roles.iter().map(Option::as_deref).eq(roles)
        && observed.records.iter().any(printed)
}

fn create(policy: &Policy, relation: &Statement) -> Statement {
    let command = if policy.read { " FOR SELECT TO " } else { " FOR ALL TO " };
    let mut statement = sql!["CREATE POLICY ", &policy.name, " ON "]
        .join(relation.clone())
        .join(sql![command])
        .join(match policy.roles.as_slice() {
            [] => sql!["PUBLIC"],
            roles => list(roles),
        })
        .join(sql![" USING ("])
        .join(policy.using.clone())
        .join(sql![")"]);
    if let Some(check) = &policy.check {
        statement = statement
            .join(sql![" WITH CHECK ("])
            .join(check.clone())
            .join(sql![")"]);
    }
    statement
}

/// A table's name in a statement; None for one that cannot be written.
pub fn relation(table: &Table) -> Option<Statement> {
    qualified(&table.schema, &table.name)
}

/// A name in a schema.
pub fn qualified(schema: &str, name: &str) -> Option<Statement> {
    let (schema, name) = (Identifier::new(schema).ok()?, Identifier::new(name).ok()?);
    Some(sql![&schema, ".", &name])
}

#[cfg(test)]
#[path = "policy_test.rs"]
mod tests;
