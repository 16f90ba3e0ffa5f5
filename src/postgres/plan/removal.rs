//! The end of a tenant on a server: nobody comes in any more, and then nothing is left.

use super::members::revocation;
use super::roles::as_member;
use super::{Conflict, Step, Venue, begun, ours, revoke_all, terminate};
use crate::postgres::catalog::Catalog;
use crate::postgres::sql::Literal;
use crate::postgres::{Identifier, Names, Statement};
use crate::sql;
use std::collections::BTreeSet;

/// Up to so many relations and functions are dropped at once; each is locked until all are.
const AT_ONCE: i64 = 300;

/// Returns true where a server has nothing of a tenant's: no mark, and no role that could be its login. A schema or database of its name is of others.
pub fn has_nothing(names: &Names, tenant_id: &str, catalog: &Catalog) -> bool {
    let exists = |role: &Identifier| catalog.roles.contains_key(role.as_str());
    !catalog.knows(tenant_id) && !names.roles().into_iter().any(exists)
}

/// The statements that remove all that is marked as a tenant's; none when nothing is left. To be called again, as
/// [`plan`](super::plan).
///
/// # Errors
/// A foreign object has a name of the tenant. The operator leaves it unchanged.
pub fn removal(names: &Names, tenant_id: &str, catalog: &Catalog) -> Result<Vec<Step>, Conflict> {
    if has_nothing(names, tenant_id, catalog) {
        return Ok(Vec::new());
    }
    ours(names, tenant_id, catalog)?;
    let exists = |role: &&Identifier| catalog.roles.contains_key(role.as_str());
    let place = &names.place;
    // Before any drop, the logins close and their sessions end.
    let mut steps: Vec<Step> = names
        .roles()
        .into_iter()
        .filter(exists)
        .filter_map(|role| as_member(catalog, role))
        .map(records)
        .collect();
    steps.extend(close_logins(names, catalog, " NOLOGIN"));
    if catalog.databases.contains_key(place.as_str()) {
        steps.push(alone(drop_database(catalog, place)));
    }
    if let Some(intent) = catalog.intents.get(place.as_str()) {
        if let Some(begun) = begun(catalog, intent) {
            steps.push(alone(drop_database(catalog, &begun)));
        }
        steps.push(records(sql![
            "DELETE FROM tenant_operator.intent WHERE name = ",
            Literal(place.as_str())
        ]));
    }
    if let Some(schema) = catalog.schemas.get(place.as_str()) {
        if schema.objects.is_none_or(|objects| objects > AT_ONCE) {
            steps.push(alone(empty(place)));
        }
        steps.push(records(sql!["DROP SCHEMA ", place, " CASCADE"]));
    }
    // Objects and grants of the roles in other databases, which were once open to them, can be removed only from within.
    let roles: Vec<&Identifier> = names.roles().into_iter().filter(exists).collect();
    let holds = |role: &Identifier, database: &str| {
        let holdings = catalog.roles.get(role.as_str()).map(|role| role.holdings.as_slice());
        holdings
            .into_iter()
            .flatten()
            .any(|holding| *holding.database == *database)
    };
    let found = roles.iter().filter_map(|role| catalog.roles.get(role.as_str()));
    let databases: BTreeSet<&str> = found
        .flat_map(|role| &role.holdings)
        .map(|holding| &*holding.database)
        .filter(|database| *database != catalog.database && *database != place.as_str())
        .collect();
    for name in databases {
        let Ok(database) = Identifier::new(name) else {
            continue;
        };
        let holders: Vec<&Identifier> = roles.iter().copied().filter(|role| holds(role, name)).collect();
        steps.push(Step {
            venue: Venue::AloneInside(database.clone()),
            statement: revoke_all(&holders, catalog.version),
        });
        steps.extend(holders.into_iter().map(|role| Step {
            venue: Venue::Inside(database.clone()),
            statement: drop_owned(role),
        }));
    }
    if !roles.is_empty() {
        steps.push(alone(revoke_all(&roles, catalog.version)));
    }
    steps.extend(roles.iter().copied().map(drop_owned).map(records));
    // Logins first: they are members of the owner.
    for role in names.roles().into_iter().rev().filter(exists) {
        steps.push(records(sql!["DROP ROLE ", role]));
    }
    if catalog.knows(tenant_id) {
        steps.push(records(sql![
            "DELETE FROM tenant_operator.object WHERE tenant_id = ",
            Literal(tenant_id)
        ]));
    }
    Ok(steps)
}

fn drop_owned(role: &Identifier) -> Statement {
    sql!["DROP OWNED BY ", role, " CASCADE"]
}

/// The statements that let nobody in and keep everything: for a tenant that is gone and whose data stays.
///
/// # Errors
/// A foreign object has a name of the tenant. The operator leaves it unchanged.
pub fn retention(names: &Names, tenant_id: &str, catalog: &Catalog) -> Result<Vec<Step>, Conflict> {
    if has_nothing(names, tenant_id, catalog) {
        return Ok(Vec::new());
    }
    ours(names, tenant_id, catalog)?;
    let steps = close_logins(names, catalog, " NOLOGIN PASSWORD NULL");
    if steps.is_empty() {
        return Ok(steps);
    }
    let logins = names.logins.iter();
    let memberships = logins
        .filter(|login| catalog.roles.contains_key(login.as_str()))
        .filter_map(|login| as_member(catalog, login))
        .map(records);
    Ok(memberships.chain(steps).collect())
}

/// A superuser forces all sessions to end. Other roles may not do so while autovacuum works there. Without force the server ends autovacuum itself, and the
/// tenant's own sessions are gone by then.
fn drop_database(catalog: &Catalog, name: &Identifier) -> Statement {
    let force = if catalog.admin.superuser { " WITH (FORCE)" } else { "" };
    // A former attempt may be at it still, and come to its end first.
    sql!["DROP DATABASE IF EXISTS ", name, force]
}

/// The statements that let nobody in for a while, and keep everything, passwords too.
///
/// # Errors
/// A foreign object has a name of the tenant. The operator leaves it unchanged.
pub fn suspension(names: &Names, tenant_id: &str, catalog: &Catalog) -> Result<Vec<Step>, Conflict> {
    if has_nothing(names, tenant_id, catalog) {
        return Ok(Vec::new());
    }
    ours(names, tenant_id, catalog)?;
    Ok(close_logins(names, catalog, " NOLOGIN"))
}

fn close_logins(names: &Names, catalog: &Catalog, attributes: &'static str) -> Vec<Step> {
    let mut steps = close_to_others(names, catalog);
    let mut sessions = Vec::new();
    for login in &names.logins {
        let Some(role) = catalog.roles.get(login.as_str()) else {
            continue;
        };
        if role.login {
            // A session that has changed its own role, and not said whether it means it, would keep others from it.
            steps.push(records(terminate(login)));
            steps.push(records(sql!["ALTER ROLE ", login, attributes]));
        }
        if role.login || role.sessions > 0 {
            sessions.push(alone(terminate(login)));
        }
    }
    steps.extend(sessions);
    steps
}

/// Takes shared applications, and all others, out of the roles that the data belongs to.
fn close_to_others(names: &Names, catalog: &Catalog) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for role in [&names.owner, &names.reader] {
        let found = catalog.roles.get(role.as_str()).map(|role| role.members.as_slice());
        for membership in found.into_iter().flatten() {
            let Ok(member) = Identifier::new(&*membership.role) else {
                continue;
            };
            if membership.role == catalog.admin.name || names.logins.contains(&member) {
                continue;
            }
            let (statement, is_ours) = revocation(catalog, role, &member, membership);
            // What only a superuser can revoke must not keep the logins open; the next full pass reports it.
            if is_ours && !steps.iter().any(|step| step.statement == statement) {
                steps.push(records(statement));
            }
        }
    }
    steps
}

fn records(statement: Statement) -> Step {
    Step {
        venue: Venue::Records,
        statement,
    }
}

fn alone(statement: Statement) -> Step {
    Step {
        venue: Venue::Alone,
        statement,
    }
}

/// Drops a schema's objects little by little: the server has room for only so many locks. Objects that cannot be dropped stay.
fn empty(schema: &Identifier) -> Statement {
    let body = sql![
        "DECLARE found record; dropped int; BEGIN LOOP dropped := 0; FOR found IN \
         SELECT c.oid, c.relname, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' \
         WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind, n.nspname \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname = ",
        Literal(schema.as_str()),
        " ORDER BY c.relkind = 'S', c.relkind = 'p', c.relispartition DESC LIMIT 100 LOOP BEGIN \
         IF EXISTS (SELECT FROM pg_class c WHERE c.oid = found.oid) THEN \
         EXECUTE format('DROP %s %I.%I CASCADE', found.kind, found.nspname, found.relname); dropped := dropped + 1; END IF; \
         EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; COMMIT; EXIT WHEN dropped = 0; END LOOP; \
         LOOP dropped := 0; FOR found IN SELECT f.oid FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace \
         WHERE n.nspname = ",
        Literal(schema.as_str()),
        " LIMIT 100 LOOP BEGIN IF EXISTS (SELECT FROM pg_proc f WHERE f.oid = found.oid) THEN \
         EXECUTE format('DROP ROUTINE %s CASCADE', found.oid::regprocedure); dropped := dropped + 1; END IF; \
         EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; COMMIT; EXIT WHEN dropped = 0; END LOOP; END"
    ];
    sql!["DO ", Literal(body.reveal())]
}
