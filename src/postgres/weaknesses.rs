//! Privileges of a whole server to revoke from PUBLIC, since they keep tenants less apart. Pure.

use super::catalog::Catalog;
use super::plan::{Step, Venue};
use super::{Identifier, Statement};
use crate::sql;

/// Databases that every server has and everyone may connect to.
const EVERYBODYS: [&str; 2] = ["postgres", "template1"];

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

/// Something on a server that keeps tenants less apart than it could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakness {
    /// Description of the weakness and its consequence.
    pub what: String,
    /// Statements for a superuser, and their database.
    pub remedy: Step,
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
    for (name, database) in &catalog.databases {
        // A name that cannot be quoted belongs to no tenant.
        let Ok(identifier) = Identifier::new(&**name) else {
            continue;
        };
        let open = |privilege: &str| database.open && database.grants(None, privilege);
        if open("CONNECT") || (*name == catalog.database && open("TEMPORARY")) {
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
                let owner = catalog.databases.get(name).map(|database| &*database.owner);
                close.is_ok_and(|close| close == weakness.remedy.statement) && owner.is_some_and(owned)
            }),
        _ if statement.starts_with("REVOKE ALL ON SCHEMA public ") => {
            let owner = catalog.schemas.get("public").map_or("", |schema| &*schema.owner);
            // From 15 on the schema belongs to the database's owner.
            let database = catalog.databases.get(catalog.database.as_str());
            owned(owner) || (owner == "pg_database_owner" && database.is_some_and(|database| owned(&database.owner)))
        }
        _ => admin.superuser,
    }
}
