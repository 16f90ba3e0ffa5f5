//! State of a whole server: the operator's records, and privileges to revoke from PUBLIC.

use super::catalog::Catalog;
use super::client::{Address, Error, Server};
use super::plan::{Step, Venue};
use super::version::PG_16;
use super::{Identifier, Statement};
use crate::sql;
use std::collections::HashMap;
use tokio_postgres::error::SqlState;

/// The schema of the operator's records, unreadable to tenants.
pub const RECORDS: &str = "tenant_operator";
/// Databases that every server has and everyone may connect to.
const EVERYBODYS: [&str; 2] = ["postgres", "template1"];

/// The operator's records. Marks are bound to an object's OID: another object of the same name is not ours.
const SETUP: [&str; 6] = [
    "CREATE SCHEMA tenant_operator",
    "CREATE TABLE tenant_operator.object (kind text NOT NULL CHECK (kind IN ('role', 'schema', 'database')), \
     oid oid NOT NULL, name text NOT NULL, tenant_id text NOT NULL, revision text, \
     created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (kind, name))",
    "CREATE INDEX ON tenant_operator.object (tenant_id)",
    "CREATE TABLE tenant_operator.intent (name text PRIMARY KEY, tenant_id text NOT NULL, \
     nonce text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''), created_at timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE tenant_operator.server (id text NOT NULL)",
    "INSERT INTO tenant_operator.server VALUES (gen_random_uuid()::text)",
];

/// Revokes the counters of single tables, indexes, functions and databases from PUBLIC, for all views; `pg_monitor` keeps them. A session's own counters, and
/// those that the server itself hides from others, have other arguments.
pub const CLOSE_STATISTICS: &str = "\
DO $$ DECLARE f text; BEGIN FOR f IN SELECT format('FUNCTION pg_catalog.%I(oid)', proname) FROM pg_catalog.pg_proc \
WHERE pronamespace = 'pg_catalog'::regnamespace AND proname LIKE 'pg\\_stat\\_get\\_%' AND proargtypes::text = '26' LOOP \
EXECUTE 'REVOKE EXECUTE ON ' || f || ' FROM PUBLIC'; EXECUTE 'GRANT EXECUTE ON ' || f || ' TO pg_read_all_stats'; END LOOP; END $$";

/// Takes from PUBLIC which tables are locked at the moment (`pg_locks`); `pg_monitor` keeps it, and the operator, which needs it.
pub fn close_locks(admin: &Identifier) -> Statement {
    sql![
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_lock_status() TO pg_read_all_stats, ",
        admin,
        "; REVOKE EXECUTE ON FUNCTION pg_catalog.pg_lock_status() FROM PUBLIC"
    ]
}

/// The connections without which the operator cannot work: its pulse, its pool, and one besides.
const NEEDED: i32 = 3;
/// Minimum rate of connections a second that an attacker without a password needs to hold all of them.
const PACE: i32 = 10;

/// Something on a server that keeps tenants less apart than it could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakness {
    /// Description of the weakness and its consequence.
    pub what: String,
    /// Statements for a superuser, and their database.
    pub remedy: Step,
}

/// Makes the database and the operator's records in it, where they are missing. A known server has them already. If it has not, it is another server without
/// the tenants' data, and this makes nothing.
///
/// # Errors
/// Refusals of the server; a foreign schema of that name; [`Error::AnotherServer`].
pub async fn prepare(server: &Server, address: &Address, known: Option<&str>) -> Result<(), Error> {
    let client = match server.connect_to(&address.database).await {
        Err(error) if error.code() == Some(SqlState::INVALID_CATALOG_NAME.code()) => {
            is_new(known)?;
            let name =
                Identifier::new(address.database.as_str()).map_err(|error| Error::Settings(error.to_string()))?;
            let client = server.connect_to("postgres").await?;
            let create = sql!["CREATE DATABASE ", &name, " TEMPLATE template0"];
            let sent = client.batch_execute(&create.reveal()).await;
            sent.map_err(|error| Error::of(&create.to_string(), &error))?;
            drop(client);
            server.connect_to(&address.database).await?
        }
        result => result?,
    };
    let query = "SELECT pg_get_userbyid(nspowner)::text, CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN nspowner = current_user::regrole ELSE pg_has_role(nspowner, 'USAGE') END FROM pg_namespace WHERE nspname = $1";
    let found = client.query_opt(query, &[&RECORDS]).await;
    match found.map_err(|error| Error::of(query, &error))? {
        Some(row) if row.get::<_, bool>(1) => Ok(()),
        Some(row) => Err(Error::Settings(format!(
            "database {} has a schema {RECORDS} of role {}, which the operator did not create",
            address.database,
            row.get::<_, String>(0)
        ))),
        None => {
            is_new(known)?;
            let setup: Vec<Statement> = SETUP.iter().map(|text| sql![*text]).collect();
            let setup: Vec<&Statement> = setup.iter().collect();
            server.transaction(&client, &setup).await
        }
    }
}

/// Checks that records may be made: not on a server that had some before.
fn is_new(known: Option<&str>) -> Result<(), Error> {
    match known {
        None => Ok(()),
        Some(known) => Err(Error::AnotherServer {
            known: known.into(),
            found: None,
        }),
    }
}

/// Checks that this is the same server as before.
///
/// # Errors
/// [`Error::AnotherServer`]
pub fn is_same(known: Option<&str>, catalog: &Catalog) -> Result<(), Error> {
    let found = catalog.server_id.as_deref();
    match known {
        Some(known) if found != Some(known) => Err(Error::AnotherServer {
            known: known.into(),
            found: found.map(String::from),
        }),
        _ => Ok(()),
    }
}

/// Returns weaknesses in the separation of tenants, from the catalog.
pub fn weaknesses(catalog: &Catalog) -> Vec<Weakness> {
    let mut found = Vec::new();
    let mut note = |what: String, venue: Venue, statement: Statement| {
        found.push(Weakness {
            what,
            remedy: Step { venue, statement },
        });
    };
    let mut databases: Vec<_> = catalog.databases.iter().collect();
    databases.sort_by_key(|(name, _)| *name);
    for (name, database) in databases {
        // A name that cannot be quoted belongs to no tenant.
        let Ok(identifier) = Identifier::new(name.as_str()) else {
            continue;
        };
        let open = |privilege: &str| database.open && database.grants(None, privilege);
        if open("CONNECT") || (name == &catalog.database && open("TEMPORARY")) {
            note(
                format!(
                    "database {name} is open to PUBLIC: every tenant can connect to it and see everything that is readable for PUBLIC"
                ),
                Venue::Alone,
                sql!["REVOKE ALL ON DATABASE ", &identifier, " FROM PUBLIC"],
            );
        }
    }
    if let Some(public) = catalog.schemas.get("public")
        && (public.grants(None, "CREATE") || public.grants(None, "USAGE"))
    {
        note(
            "schema public is open to PUBLIC: tenants can exchange objects there".into(),
            Venue::Records,
            sql!["REVOKE ALL ON SCHEMA public FROM PUBLIC"],
        );
    }
    if catalog.large_objects_open {
        note(
            "every tenant can create large objects, which count towards no tenant's storage".into(),
            Venue::Records,
            sql![
                "REVOKE EXECUTE ON FUNCTION pg_catalog.lo_create(oid), pg_catalog.lo_creat(integer), \
                 pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC"
            ],
        );
    }
    if catalog.statistics_open {
        note(
            "statistics are open to PUBLIC: every tenant with a schema can see the reads and writes of other tenants' tables"
                .into(),
            Venue::Records,
            sql![CLOSE_STATISTICS],
        );
    }
    if let Ok(admin) = Identifier::new(catalog.admin.name.as_str())
        && catalog.locks_open
    {
        note(
            "locks are open to PUBLIC: every tenant with a schema can see which tables of its neighbours are locked"
                .into(),
            Venue::Records,
            close_locks(&admin),
        );
    }
    found
}

/// Returns the weaknesses that the operator can remove itself; it may not close other roles' databases.
pub fn is_ours_to_mend(weakness: &Weakness, catalog: &Catalog) -> bool {
    let admin = &catalog.admin;
    let owned = |owner: &str| admin.superuser || owner == admin.name;
    let statement = weakness.remedy.statement.to_string();
    match weakness.remedy.venue {
        Venue::Alone => EVERYBODYS
            .iter()
            .copied()
            .chain([catalog.database.as_str()])
            .any(|name| {
                let close = Identifier::new(name).map(|name| sql!["REVOKE ALL ON DATABASE ", &name, " FROM PUBLIC"]);
                let owner = catalog.databases.get(name).map(|database| database.owner.as_str());
                close.is_ok_and(|close| close == weakness.remedy.statement) && owner.is_some_and(owned)
            }),
        _ if statement.starts_with("REVOKE ALL ON SCHEMA public ") => {
            let owner = catalog.schemas.get("public").map_or("", |schema| schema.owner.as_str());
            // From 15 on the schema belongs to the database's owner.
            let database = catalog.databases.get(&catalog.database);
            owned(owner) || (owner == "pg_database_owner" && database.is_some_and(|database| owned(&database.owner)))
        }
        _ => admin.superuser,
    }
}

/// Returns the excess privilege of the operator's own role, if any.
pub fn excess(catalog: &Catalog) -> Option<&'static str> {
    if catalog.admin.superuser {
        Some("the operator's role is a superuser: a role with CREATEROLE and CREATEDB is enough")
    } else if catalog.version < PG_16 {
        Some(
            "before PostgreSQL 16 a role with CREATEROLE can grant itself every other role, including pg_execute_server_program, \
             so it is equivalent to a superuser",
        )
    } else {
        None
    }
}

/// Returns ways in which others can use up the operator's connections, and their remedies. The settings are the server's.
pub fn crowding(catalog: &Catalog) -> Vec<String> {
    let connections = &catalog.connections;
    let admin = &catalog.admin;
    let name = Identifier::new(admin.name.as_str()).map_or_else(|_| admin.name.clone(), |name| name.to_string());
    let mut found = Vec::new();
    match connections.reserved {
        _ if admin.superuser && connections.of_superusers >= NEEDED => {}
        _ if admin.superuser => found.push(format!(
            "superuser_reserved_connections is {}, and the operator needs {NEEDED} connections: tenants can use all of them",
            connections.of_superusers
        )),
        None => found.push("before PostgreSQL 16 no connections can be reserved for the operator: tenants can use all of them".into()),
        Some(reserved) if reserved < NEEDED => found.push(format!(
            "reserved_connections is {reserved}, and the operator needs {NEEDED} connections: tenants can use all of them; a superuser \
             executes ALTER SYSTEM SET reserved_connections = 8 and GRANT pg_use_reserved_connections TO {name}, and restarts the server"
        )),
        Some(reserved) if !connections.uses_reserved => found.push(format!(
            "reserved_connections is {reserved}, but not for the operator: a superuser must execute GRANT pg_use_reserved_connections TO {name}"
        )),
        Some(_) => {}
    }
    let (most, seconds) = (connections.most, connections.authentication_seconds);
    if seconds > 1 && most / seconds < PACE {
        found.push(format!(
            "whoever reaches the server holds all of its {most} connections (max_connections) by {} a second that send no password, \
             each for {seconds} s: set authentication_timeout to {} s",
            (most + seconds - 1) / seconds,
            (most / PACE).max(1)
        ));
    }
    let mut tenants: HashMap<&str, i32> = HashMap::new();
    for (name, role) in catalog.roles.iter().filter(|(_, role)| role.login) {
        if let Some(owner) = name.strip_suffix("_a").or_else(|| name.strip_suffix("_b")) {
            let sum = tenants.entry(owner).or_default();
            *sum = sum.saturating_add(role.connection_limit);
        }
    }
    if let Some((owner, limit)) = tenants.into_iter().max_by_key(|(owner, limit)| (*limit, *owner))
        && limit > most / 2
    {
        found.push(format!(
            "tenant {owner} may have {limit} of the {most} connections (max_connections): lower its connectionLimit, or raise \
             max_connections to twice that"
        ));
    }
    found
}

/// Returns the missing privilege of the operator's role, if any.
pub fn lack(catalog: &Catalog) -> Option<&'static str> {
    let admin = &catalog.admin;
    match (
        admin.superuser || admin.create_role,
        admin.superuser || admin.create_database,
    ) {
        (true, true) if !admin.superuser && !admin.inherit => {
            Some("the operator's role has NOINHERIT, so it cannot act for its tenants' roles")
        }
        (true, true) if !admin.superuser && !owns_records(catalog) => Some(
            "the operator's role does not own the database of its records, so it cannot let tenants connect to it; \
             make it the owner (ALTER DATABASE … OWNER TO …)",
        ),
        (true, true) => None,
        (false, _) => Some("the operator's role has no CREATEROLE, so it cannot create tenants' roles"),
        (true, false) => Some("the operator's role has no CREATEDB, so it cannot create tenants' databases"),
    }
}

fn owns_records(catalog: &Catalog) -> bool {
    let database = catalog.databases.get(&catalog.database);
    database.is_none_or(|database| database.owner == catalog.admin.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::catalog::{Admin, Connections, Role};

    #[test]
    fn what_can_use_up_the_connections_is_told() {
        let limited = Admin {
            name: "the operator".into(),
            ..Admin::default()
        };
        let root = Admin {
            superuser: true,
            ..limited.clone()
        };
        let connections = |most, of_superusers, reserved, uses_reserved, authentication_seconds| Connections {
            most,
            of_superusers,
            reserved,
            uses_reserved,
            authentication_seconds,
        };
        let login = |limit| Role {
            login: true,
            connection_limit: limit,
            ..Role::default()
        };
        let roles = |a, b| {
            [("t_1_a", login(a)), ("t_1_b", login(b)), ("other", login(-1))]
                .into_iter()
                .map(|(name, role)| (name.to_string(), role))
                .collect::<HashMap<_, _>>()
        };
        let none: &[&str] = &[];
        let table = [
            (&limited, connections(100, 3, Some(3), true, 10), roles(20, 30), none),
            (&limited, connections(600, 3, Some(8), true, 60), roles(20, 30), none),
            (&root, connections(100, 3, Some(0), false, 10), roles(20, 30), none),
            (&root, connections(100, 3, None, false, 10), roles(20, 30), none),
            (
                &root,
                connections(100, 2, None, false, 10),
                roles(20, 30),
                &["superuser_reserved_connections is 2"],
            ),
            (
                &limited,
                connections(100, 3, None, false, 10),
                roles(20, 30),
                &["before PostgreSQL 16"],
            ),
            (
                &limited,
                connections(100, 3, Some(0), true, 10),
                roles(20, 30),
                &["GRANT pg_use_reserved_connections TO \"the operator\", and restarts"],
            ),
            (
                &limited,
                connections(100, 3, Some(8), false, 10),
                roles(20, 30),
                &["but not for the operator"],
            ),
            (
                &limited,
                connections(100, 3, Some(8), true, 60),
                roles(20, 30),
                &["by 2 a second that send no password, each for 60 s: set authentication_timeout to 10 s"],
            ),
            (&limited, connections(5, 3, Some(8), true, 1), roles(1, 1), none),
            (
                &limited,
                connections(100, 3, Some(8), true, 10),
                roles(20, 31),
                &["tenant t_1 may have 51 of the 100"],
            ),
        ];
        for (admin, connections, roles, expected) in table {
            let catalog = Catalog {
                admin: admin.clone(),
                connections,
                roles,
                ..Catalog::default()
            };
            let found = crowding(&catalog);
            assert_eq!(found.len(), expected.len(), "{catalog:?}: {found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{expected}: {found}");
            }
        }
    }
}
