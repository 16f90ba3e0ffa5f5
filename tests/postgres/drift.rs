//! Drift: the operator reverts others' changes to a tenant's objects, and reports those that only a superuser can revert.

use crate::site::{Admin, Site, dump, run};
use tenant_operator::postgres::plan::{Login, Place};

/// The author of a change, and the role that can revert it.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Superuser,
    /// The operator's own role may revert only its own acts, from 16 on.
    Operator,
    /// Only a superuser can put it back.
    Beyond,
}

/// Changes, with `{o}`, `{a}`, `{b}` for the owner and the logins, `{p}` for the place, `{d}` for the database, `{x}` for another role.
const EVERYWHERE: &[(By, &str)] = &[
    (By::Superuser, "DROP OWNED BY {a}; DROP ROLE {a}"),
    (By::Superuser, "ALTER ROLE {a} CREATEROLE"),
    (By::Superuser, "ALTER ROLE {o} CREATEDB"),
    (By::Beyond, "ALTER ROLE {a} SUPERUSER"),
    (By::Beyond, "ALTER ROLE {o} REPLICATION"),
    (By::Beyond, "ALTER ROLE {o} BYPASSRLS"),
    (By::Superuser, "ALTER ROLE {a} CONNECTION LIMIT 99"),
    (By::Superuser, "ALTER ROLE {a} VALID UNTIL '2001-01-01'"),
    (By::Superuser, "ALTER ROLE {a} NOLOGIN"),
    (By::Superuser, "ALTER ROLE {a} INHERIT"),
    (By::Superuser, "ALTER ROLE {b} LOGIN"),
    (By::Superuser, "ALTER ROLE {o} LOGIN NOINHERIT"),
    (By::Superuser, "ALTER ROLE {a} RESET ALL"),
    (By::Superuser, "ALTER ROLE {a} SET work_mem = '1GB'"),
    (By::Superuser, "ALTER ROLE {a} SET search_path = pg_catalog"),
    (By::Superuser, "ALTER ROLE {a} SET role = 'none'"),
    (By::Superuser, "ALTER ROLE {a} RESET role"),
    (By::Superuser, "ALTER ROLE {a} SET session_authorization = '{a}'"),
    (
        By::Superuser,
        "ALTER ROLE {a} IN DATABASE {d} SET statement_timeout = 0",
    ),
    (
        By::Superuser,
        "REVOKE {o} FROM {a}; REVOKE {o} FROM {a} GRANTED BY {op}",
    ),
    (By::Operator, "GRANT {o} TO {x}"),
    (By::Operator, "GRANT {a} TO {x}"),
    (By::Operator, "GRANT {x} TO {o}"),
    (By::Operator, "GRANT {x} TO {a}"),
    (By::Operator, "GRANT {o} TO {a} WITH ADMIN OPTION"),
    (By::Beyond, "GRANT pg_monitor TO {a}"),
    (By::Superuser, "GRANT CREATE ON DATABASE {d} TO {o}"),
    (By::Superuser, "GRANT CONNECT ON DATABASE {d} TO {a} WITH GRANT OPTION"),
    (By::Superuser, "GRANT CONNECT ON DATABASE {d} TO {o}"),
    (By::Superuser, "REVOKE ALL ON DATABASE {d} FROM {a}, {o}"),
];

const SCHEMA: &[(By, &str)] = &[
    (By::Superuser, "DROP SCHEMA {p} CASCADE"),
    (By::Superuser, "GRANT CREATE ON SCHEMA {p} TO {x}"),
    (By::Superuser, "GRANT USAGE ON SCHEMA {p} TO PUBLIC"),
    (By::Superuser, "GRANT USAGE ON SCHEMA {p} TO {a}"),
    (By::Superuser, "GRANT ALL ON SCHEMA {p} TO {o} WITH GRANT OPTION"),
    (By::Superuser, "REVOKE ALL ON SCHEMA {p} FROM {o}"),
    (By::Superuser, "ALTER SCHEMA {p} OWNER TO {o}"),
    (By::Superuser, "ALTER SCHEMA {p} OWNER TO {x}"),
    (By::Beyond, "ALTER SCHEMA {p} OWNER TO {y}"),
    (
        By::Superuser,
        "ALTER DEFAULT PRIVILEGES FOR ROLE {o} GRANT SELECT ON TABLES TO {x}",
    ),
    (
        By::Superuser,
        "ALTER DEFAULT PRIVILEGES FOR ROLE {o} IN SCHEMA {p} GRANT ALL ON SEQUENCES TO {x}",
    ),
    (
        By::Superuser,
        "ALTER DEFAULT PRIVILEGES FOR ROLE {o} IN SCHEMA {p} GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
    ),
    (
        By::Superuser,
        "ALTER DEFAULT PRIVILEGES FOR ROLE {o} GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
    ),
    (
        By::Superuser,
        "ALTER DEFAULT PRIVILEGES FOR ROLE {o} GRANT USAGE ON TYPES TO PUBLIC",
    ),
    (
        By::Superuser,
        "ALTER DEFAULT PRIVILEGES FOR ROLE {a} GRANT SELECT ON TABLES TO {x}",
    ),
    (
        By::Superuser,
        "CREATE TABLE {p}.stray (); ALTER TABLE {p}.stray OWNER TO {a}",
    ),
];

const DATABASE: &[(By, &str)] = &[
    (By::Superuser, "DROP DATABASE {p} WITH (FORCE)"),
    (By::Superuser, "ALTER DATABASE {p} ALLOW_CONNECTIONS false"),
    (By::Superuser, "GRANT CONNECT ON DATABASE {p} TO {x}"),
    (By::Superuser, "GRANT ALL ON DATABASE {p} TO PUBLIC"),
    (By::Superuser, "ALTER DATABASE {p} OWNER TO {o}"),
    (By::Superuser, "ALTER DATABASE {p} OWNER TO {x}"),
    (By::Beyond, "ALTER DATABASE {p} OWNER TO {y}"),
];

pub async fn is_put_back(site: Site, place: Place) {
    let mut tenant = site.new_tenant(&place).await;
    tenant.wanted.logins[1] = Login {
        open: true,
        password: Some(tenant.passwords[1].verifier()),
    };
    site.converge(&tenant.wanted).await;
    tenant.wanted.logins[1] = Login::default();
    site.converge(&tenant.wanted).await;
    let names = tenant.wanted.names.clone();
    let root = site.root().await;
    let stranger = format!("stranger_{}", crate::servers::number());
    run(
        &root,
        &format!(
            "CREATE ROLE {stranger}; GRANT {stranger} TO {} WITH ADMIN OPTION",
            site.address.user
        ),
    )
    .await;
    let outsider = format!("outsider_{}", crate::servers::number());
    run(&root, &format!("CREATE ROLE {outsider}")).await;
    let before = dump(&site, &names).await;
    let own = if place == Place::Schema { SCHEMA } else { DATABASE };
    for (by, drift) in EVERYWHERE.iter().chain(own) {
        let sixteen = site.pg.major >= 16;
        let drift = match sixteen {
            true => (*drift).to_string(),
            false => drift.replace("; REVOKE {o} FROM {a} GRANTED BY {op}", ""),
        };
        let drift = [
            ("{o}", names.owner.as_str()),
            ("{a}", names.logins[0].as_str()),
            ("{b}", names.logins[1].as_str()),
            ("{p}", names.place.as_str()),
            ("{d}", &site.database_of(&tenant.wanted)),
            ("{x}", &stranger),
            ("{y}", &outsider),
            ("{op}", &site.address.user),
        ]
        .into_iter()
        .fold(drift, |text, (key, value)| text.replace(key, value));
        let limited = site.admin == Admin::CreateRole;
        if *by == By::Operator && limited && sixteen {
            run(&root, &format!("SET ROLE {}", site.address.user)).await;
        }
        run(&root, &drift).await;
        run(&root, "RESET ROLE").await;
        let healed = site.try_converge(&tenant.wanted).await;
        // Up to 15 whoever has CREATEROLE revokes any membership.
        let beyond = *by == By::Beyond && limited && (sixteen || !drift.starts_with("GRANT"));
        if beyond {
            let why = healed.expect_err(&drift);
            assert!(why.contains("(42501)"), "{drift}: {why}");
            undo(&root, &drift, &site.address.user).await;
            site.converge(&tenant.wanted).await;
        } else {
            assert!(
                healed.unwrap_or_else(|why| panic!("{drift}: {why}")) > 0,
                "{drift}: not seen"
            );
        }
        assert_eq!(dump(&site, &names).await, before, "{drift}");
    }
    site.remove(&tenant).await;
    assert_eq!(dump(&site, &names).await, "");
}

/// Reverts a change as a superuser would, after the condition has named it.
async fn undo(root: &tokio_postgres::Client, drift: &str, operator: &str) {
    let words: Vec<&str> = drift.split_whitespace().collect();
    let undo = match words.as_slice() {
        ["ALTER", "ROLE", role, attribute] => format!("ALTER ROLE {role} NO{attribute}"),
        ["ALTER", kind, name, "OWNER", ..] => format!("ALTER {kind} {name} OWNER TO {operator}"),
        ["GRANT", role, "TO", member] => format!("REVOKE {role} FROM {member}"),
        _ => panic!("{drift}"),
    };
    run(root, &undo).await;
}
