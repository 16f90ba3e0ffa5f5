//! The operator's own role on a server: its privileges, and the connections that it needs. Pure.

use super::Identifier;
use super::catalog::Catalog;
use super::version::PG_16;
use std::collections::HashMap;

/// The connections without which the operator cannot work: its pulse, its pool, and one besides.
const NEEDED: i32 = 3;
/// Minimum rate of connections a second that an attacker without a password needs to hold all of them.
const PACE: i32 = 10;

/// Returns the excess privilege of the operator's own role, if any.
pub fn excess_privilege(catalog: &Catalog) -> Option<&'static str> {
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

/// Returns the missing privilege of the operator's role, if any.
pub fn missing_privilege(catalog: &Catalog) -> Option<&'static str> {
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
    let database = catalog.databases.get(catalog.database.as_str());
    database.is_none_or(|database| database.owner == catalog.admin.name)
}

/// Returns ways in which others can use up the operator's connections, and their remedies. The settings are the server's.
pub fn connection_risks(catalog: &Catalog) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::catalog::{Admin, Connections, Role, Roles};
    use std::sync::Arc;

    #[test]
    fn what_can_use_up_the_connections_is_found() {
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
                .map(|(name, role)| (name.into(), Arc::new(role)))
                .collect::<Roles>()
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
            let found = connection_risks(&catalog);
            assert_eq!(found.len(), expected.len(), "{catalog:?}: {found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{expected}: {found}");
            }
        }
    }
}
