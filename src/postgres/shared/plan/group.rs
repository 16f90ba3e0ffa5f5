//! The group role that shared tables are granted to: its attributes, its members and its privileges.

use super::{Plan, Wanted};
use crate::postgres::catalog::Catalog;
use crate::postgres::plan::{Step, Venue, take_back};
use crate::postgres::shared::catalog::{Given, ObservedDatabase, Table};
use crate::postgres::shared::findings;
use crate::postgres::shared::policy::relation;
use crate::postgres::shared::registry;
use crate::postgres::shared::report::{Finding, Severity};
use crate::postgres::shared::select::Chosen;
use crate::postgres::sql::Literal;
use crate::postgres::version::PG_16;
use crate::postgres::{Identifier, Statement};
use crate::sql;

/// The role that the tables are granted to. False: it is not there, or not as it must be.
pub(super) fn group(wanted: &Wanted, catalog: &Catalog, observed: &ObservedDatabase, plan: &mut Plan) -> bool {
    let name = wanted.group;
    let records = |statement| Step {
        venue: Venue::Records,
        statement,
    };
    let Some(role) = observed.role(name.as_str()) else {
        plan.group.push(records(sql!["CREATE ROLE ", name, " NOLOGIN"]));
        plan.group.push(records(sql![
            "INSERT INTO tenant_operator.object (tenant_id, kind, oid, name) SELECT '', 'role', oid, rolname FROM pg_roles \
             WHERE rolname = ",
            Literal(name.as_str()),
            " ON CONFLICT (kind, name) DO UPDATE SET oid = excluded.oid, tenant_id = excluded.tenant_id"
        ]));
        return false;
    };
    if wanted.mark != Some(role.oid) {
        plan.findings.push(Finding::new(
            Severity::Violation,
            name.as_str(),
            "exists on the server and is not the role that the operator created: the operator grants no table to it",
        ));
        return false;
    }
    let excess = [
        (role.superuser, " NOSUPERUSER"),
        (role.bypass_rls, " NOBYPASSRLS"),
        (role.create_role, " NOCREATEROLE"),
        (role.login, " NOLOGIN"),
    ];
    for (_, attribute) in excess.into_iter().filter(|(wrong, _)| *wrong) {
        plan.group.push(records(sql!["ALTER ROLE ", name, attribute]));
    }
    for other in &role.member_of {
        if let Ok(other) = Identifier::new(other.as_str()) {
            plan.group.push(records(sql!["REVOKE ", &other, " FROM ", name]));
        }
    }
    let is_stranger = |member: &&String| !findings::is_tenants(member) && **member != catalog.admin.name;
    for member in role.members.iter().filter(is_stranger) {
        if let Ok(member) = Identifier::new(member.as_str()) {
            plan.group.push(records(sql!["REVOKE ", name, " FROM ", &member]));
        }
    }
    true
}

/// Returns true if tenants are more through the group than they should be.
pub(super) fn is_dangerous(wanted: &Wanted, observed: &ObservedDatabase) -> bool {
    observed
        .role(wanted.group.as_str())
        .is_some_and(|role| role.superuser || role.bypass_rls || role.create_role || !role.member_of.is_empty())
}

/// Revokes the group's privileges on the tables, where the operator may.
pub(super) fn revoke(chosen: &[Chosen], wanted: &Wanted, plan: &mut Plan) {
    for chosen in chosen {
        let statements = revocation(chosen.table, wanted.group);
        plan.work(
            format!("{}/{}", wanted.database.as_str(), chosen.table.title()),
            statements,
        );
    }
}

/// Returns the statement that revokes every privilege on a table from the group; none without privileges or if the operator may not.
pub(super) fn revocation(table: &Table, group: &Identifier) -> Vec<Statement> {
    let holds = table.granted(Some(group.as_str())).next().is_some()
        || table
            .column_grants
            .iter()
            .any(|grant| grant.grantee.as_deref() == Some(group.as_str()));
    relation(table)
        .filter(|_| holds && table.ours)
        .map(|relation| sql!["REVOKE ALL ON TABLE "].join(relation).join(sql![" FROM ", group]))
        .into_iter()
        .collect()
}

/// Returns the excess privileges of the group.
pub(super) fn leave(wanted: &Wanted, observed: &ObservedDatabase, granted: &[i64], plan: &mut Plan) {
    defaults(wanted, observed, plan);
    let database = wanted.database.as_str();
    let schemas: Vec<&str> = wanted.entries.iter().map(|entry| entry.schema.as_str()).collect();
    for (what, statement) in registry::excess(observed, granted, &schemas) {
        let object = format!("{database}/{what}");
        match statement {
            Some(statement) => plan.work(object, vec![statement]),
            None => plan.findings.push(Finding::new(
                Severity::Weakness,
                object,
                format!("is granted to {}, and so to every tenant", wanted.group.as_str()),
            )),
        }
    }
}

/// Takes back default privileges that give to the group, and those that a tenant, as a member, made for it.
fn defaults(wanted: &Wanted, observed: &ObservedDatabase, plan: &mut Plan) {
    let group = wanted.group;
    let (own, mut others): (Vec<&Given>, Vec<&Given>) =
        observed.given.iter().partition(|given| given.role == group.as_str());
    others.sort_by_key(|given| &given.role);
    let revoked = |given: &[&Given]| -> Vec<Statement> {
        let statement = |given: &&Given| take_back(&Identifier::new(given.role.as_str()).ok()?, &given.default);
        given.iter().filter_map(statement).collect()
    };
    let mut statements = revoked(&own);
    // The group is the operator's to join, and it leaves again.
    if own.iter().any(|given| !given.ours) {
        let options = if observed.version >= PG_16 {
            " WITH INHERIT TRUE, SET FALSE"
        } else {
            ""
        };
        statements.insert(0, sql!["GRANT ", group, " TO CURRENT_USER", options]);
        statements.push(sql!["REVOKE ", group, " FROM CURRENT_USER"]);
    }
    let object = |role: &str| format!("{}/default privileges of role {role}", wanted.database.as_str());
    plan.work(object(group.as_str()), statements);
    let (ours, foreign): (Vec<&Given>, Vec<&Given>) = others.into_iter().partition(|given| given.ours);
    for of_role in ours.chunk_by(|a, b| a.role == b.role) {
        plan.work(object(&of_role[0].role), revoked(of_role));
    }
    for of_role in foreign.chunk_by(|a, b| a.role == b.role) {
        let what = format!("give to {}, and so to every tenant", group.as_str());
        let remedy = revoked(of_role).into_iter().map(|statement| Step {
            venue: Venue::Inside(wanted.database.clone()),
            statement,
        });
        plan.findings
            .push(Finding::new(Severity::Weakness, object(&of_role[0].role), what).with(remedy));
    }
}
