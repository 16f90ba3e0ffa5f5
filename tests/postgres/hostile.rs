//! A tenant that lays traps: objects with the operator's words as names, names that need quoting, very many objects, and transactions without an end.

use crate::servers::number;
use crate::site::{Admin, Site, run, state, superuser, text};
use tenant_operator::postgres::plan::{Login, Place};

/// Every name that the operator's statements call, in the tenant's own schema and before `pg_catalog` on its path.
const TRAPS: &str = r"
CREATE TABLE sprung (what text);
CREATE FUNCTION json_build_object(VARIADIC text[]) RETURNS json LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sprung VALUES ('a'); RETURN '{}'; END $$;
CREATE FUNCTION current_database() RETURNS name LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sprung VALUES ('b'); RETURN 'x'; END $$;
CREATE FUNCTION count(name) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sprung VALUES ('c'); RETURN 0; END $$;
CREATE FUNCTION pg_terminate_backend(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sprung VALUES ('d'); RETURN true; END $$;
CREATE FUNCTION has_function_privilege(text, text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sprung VALUES ('e'); RETURN false; END $$;
CREATE FUNCTION pg_database_size(oid) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sprung VALUES ('f'); RETURN 0; END $$;
CREATE FUNCTION format(text, text, name, name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sprung VALUES ('g'); RETURN 'SELECT 1'; END $$;
CREATE FUNCTION trap(name, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sprung VALUES ('h'); RETURN true; END $$;
CREATE OPERATOR = (LEFTARG = name, RIGHTARG = text, FUNCTION = trap);
CREATE TABLE pg_roles (oid oid, rolname name, rolsuper boolean);
CREATE TABLE pg_namespace (oid oid, nspname name);
CREATE VIEW pg_stat_activity AS SELECT 1 AS pid, session_user AS usename;
CREATE DOMAIN oid AS text;
CREATE FUNCTION leak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO sprung VALUES ('i'); RETURN NULL; END $$;
CREATE TABLE trapped ();
CREATE TRIGGER leak AFTER TRUNCATE ON trapped EXECUTE FUNCTION leak();
";

pub async fn traps_are_not_sprung(site: Site, place: Place) {
    let mut tenant = site.new_tenant(&place).await;
    let session = site.session(&tenant, 0).await;
    run(&session, TRAPS).await;
    let login = tenant.login(0).to_string();
    let own = text(&session, "SELECT current_schema()::text").await;
    run(&session, "RESET ROLE; SET ROLE NONE").await;
    run(
        &session,
        &format!("ALTER ROLE {login} SET search_path = {own}, pg_catalog"),
    )
    .await;
    run(&session, "RESET ROLE; CREATE TEMP TABLE pg_roles (oid oid)").await;
    tenant.wanted.extensions = vec![tenant_operator::postgres::Identifier::new("pgcrypto").expect("valid")];
    tenant.wanted.logins[1] = Login {
        open: true,
        password: Some(tenant.passwords[1].verifier()),
    };
    site.converge(&tenant.wanted).await;
    tenant.settle();
    let usage = site.server.usage().await.expect("usage");
    assert!(usage.bytes_of(&tenant.wanted.names).is_some_and(|bytes| bytes > 0));
    tenant.wanted.writable = false;
    site.converge(&tenant.wanted).await;
    tenant.wanted.writable = true;
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    let session = site.session(&tenant, 1).await;
    assert_eq!(
        text(&session, &format!("SELECT count(*)::text FROM {own}.sprung")).await,
        "0"
    );
    site.remove(&tenant).await;
}

pub async fn names_and_numbers_hurt_nobody(site: Site, place: Place) {
    // A server with few locks.
    let pg = site.pg.clone();
    let root = superuser(&pg, "postgres").await;
    for setting in [
        "max_locks_per_transaction = 10",
        "max_connections = 20",
        "log_statement = 'none'",
    ] {
        run(&root, &format!("ALTER SYSTEM SET {setting}")).await;
    }
    drop(root);
    pg.stop();
    pg.start_again();
    let site = Site::new(&pg, site.admin).await;
    let mut tenant = site.new_tenant(&place).await;
    let session = site.session(&tenant, 0).await;
    let long = "ü".repeat(31) + "x";
    for name in [
        long.as_str(),
        "a\"b",
        "Robert'); DROP TABLE x; --",
        "🦀 x",
        "select",
        "a\\b",
        "%I%s",
        "$$",
        "pg_mine",
        "new\nline",
    ] {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        run(
            &session,
            &format!("CREATE TABLE {quoted} (id serial PRIMARY KEY, {quoted} text)"),
        )
        .await;
        run(
            &session,
            &format!(
                "CREATE TYPE \"t_{}\" AS (a int)",
                name.replace('"', "\"\"").chars().take(20).collect::<String>()
            ),
        )
        .await;
        run(
            &session,
            &format!("CREATE FUNCTION {quoted}({quoted} {quoted}) RETURNS int LANGUAGE sql AS 'SELECT 1'"),
        )
        .await;
    }
    assert_eq!(state(&session, "CREATE SCHEMA pg_mine").await, "42501");
    // More than the server has locks for at once.
    run(&session, "CREATE TABLE parent (id int, k int) PARTITION BY LIST (k)").await;
    run(
        &session,
        "DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE many_%s (id serial PRIMARY KEY, b text)', i); \
        EXECUTE format('CREATE FUNCTION f_%s(many_%s) RETURNS int LANGUAGE sql AS ''SELECT 1''', i, i); \
        IF i % 20 = 0 THEN COMMIT; END IF; END LOOP; END $$",
    )
    .await;
    run(&session, "DO $$ BEGIN FOR i IN 1..200 LOOP EXECUTE format('CREATE TABLE part_%s PARTITION OF parent FOR VALUES IN (%s)', i, i); \
        IF i % 20 = 0 THEN COMMIT; END IF; END LOOP; END $$").await;
    if place == Place::Schema {
        let root = site.root().await;
        let together = format!("BEGIN; DROP SCHEMA {} CASCADE", tenant.owner());
        assert_eq!(state(&root, &together).await, "53200", "control: fits into the locks");
        // The refusal comes before the locks are free.
        run(&root, "ROLLBACK").await;
    }
    tenant.wanted.writable = false;
    site.converge(&tenant.wanted).await;
    let session = site.session(&tenant, 0).await;
    assert_eq!(text(&session, "SELECT count(*)::text FROM many_300").await, "0");
    assert_eq!(state(&session, "INSERT INTO many_1 VALUES (1)").await, "42501");
    drop(session);
    site.remove(&tenant).await;
    let root = site.root().await;
    assert_eq!(
        text(
            &root,
            &format!(
                "SELECT count(*)::text FROM pg_roles WHERE rolname LIKE '{}%'",
                tenant.owner()
            )
        )
        .await,
        "0"
    );
}

/// A tenant keeps locks on its own roles and tables; neither its closing nor its removal waits for it.
pub async fn open_transactions_hold_nothing_up(site: Site, place: Place) {
    let tenant = site.new_tenant(&place).await;
    let mut held = Vec::new();
    for blocking in [
        format!("SET ROLE NONE; ALTER ROLE {} SET work_mem = '1MB'", tenant.login(0)),
        format!("ALTER ROLE {} PASSWORD 'x'", tenant.owner()),
        "CREATE TABLE t (); LOCK TABLE t".into(),
    ] {
        let session = site.session(&tenant, 0).await;
        run(
            &session,
            &format!("SET idle_in_transaction_session_timeout = 0; BEGIN; {blocking}"),
        )
        .await;
        held.push(session);
    }
    let begun = std::time::Instant::now();
    let mut wanted = tenant.wanted.clone();
    wanted.logins = [
        Login::default(),
        Login {
            open: true,
            password: Some(tenant.passwords[1].verifier()),
        },
    ];
    site.converge(&wanted).await;
    let session = site.session(&tenant, 1).await;
    run(
        &session,
        &format!(
            "SET ROLE NONE; BEGIN; ALTER ROLE {} SET work_mem = '1MB'",
            tenant.login(1)
        ),
    )
    .await;
    site.remove(&tenant).await;
    assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
}

/// The operator gives objects that a login owns itself to the owner role; those in other databases go with the login.
pub async fn what_logins_own_is_found(site: Site, place: Place) {
    let mut tenant = site.new_tenant(&place).await;
    let session = site.session(&tenant, 0).await;
    run(&session, "SET ROLE NONE").await;
    // On 13 and 14 the schema public of a new database is anyone's who may connect, and a superuser's to close.
    let makes = state(&session, "CREATE TABLE mine ()").await;
    let open = site.pg.major < 15 && place == Place::Database && site.admin == Admin::CreateRole;
    let fits = if open {
        makes.is_empty()
    } else {
        ["42501", "3F000"].contains(&makes.as_str())
    };
    assert!(fits, "{makes}");
    let large = text(&session, "SELECT lo_create(0)::text").await;
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    let other = crate::site::superuser(&site.pg, &site.database_of(&tenant.wanted)).await;
    let owner = format!("SELECT pg_get_userbyid(lomowner)::text FROM pg_largeobject_metadata WHERE oid = {large}");
    assert_eq!(text(&other, &owner).await, tenant.owner());
    if open {
        assert_eq!(
            text(
                &other,
                "SELECT tableowner::text FROM pg_tables WHERE tablename = 'mine'"
            )
            .await,
            tenant.owner()
        );
    }
    // A mapping of a server's users counts as the login's own, and no owner can take it over.
    let wrapper = number();
    let uses = format!(
        "CREATE FOREIGN DATA WRAPPER w_{wrapper}; GRANT USAGE ON FOREIGN DATA WRAPPER w_{wrapper} TO {}",
        tenant.owner()
    );
    run(&other, &uses).await;
    let mapped = format!(
        "RESET ROLE; CREATE SERVER far_{wrapper} FOREIGN DATA WRAPPER w_{wrapper}; CREATE USER MAPPING FOR {} SERVER far_{wrapper}",
        tenant.login(0)
    );
    run(&session, &mapped).await;
    site.converge(&tenant.wanted).await;
    run(&other, &format!("DROP FOREIGN DATA WRAPPER w_{wrapper} CASCADE")).await;
    drop((other, session));
    // In a database that was open to it once.
    let elsewhere = format!("elsewhere_{}", number());
    let root = site.root().await;
    run(
        &root,
        &format!("CREATE DATABASE {elsewhere} OWNER {}", site.address.user),
    )
    .await;
    let there = crate::site::superuser(&site.pg, &elsewhere).await;
    run(
        &there,
        &format!(
            "CREATE SCHEMA s AUTHORIZATION {}; CREATE TABLE s.t (); ALTER TABLE s.t OWNER TO {}; GRANT USAGE ON SCHEMA s TO {}",
            site.address.user,
            tenant.login(0),
            tenant.owner()
        ),
    )
    .await;
    drop(there);
    tenant.wanted.writable = false;
    site.converge(&tenant.wanted).await;
    site.remove(&tenant).await;
    run(&root, &format!("DROP DATABASE {elsewhere}")).await;
}
