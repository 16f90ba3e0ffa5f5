//! One tenant against another: the server refuses every statement with the right message, and executes it for the right role.

use crate::site::{Admin, Site, Tenant, connect, run, state, superuser, text};
use tenant_operator::postgres::client::Error;
use tenant_operator::postgres::plan::Place;

/// The role for which a statement works: proof that the statement is right.
#[derive(Clone, Copy, PartialEq)]
enum Control {
    /// The tenant that it is about.
    Owner,
    Superuser,
    /// Nobody could show it here.
    None,
}

const DENIED: &str = "42501";

/// `{v}`: the victim's place, owner role; `{l}`: its login; `{m}`: the attacker's own; `{n}`: its login; `{lo}`: a large object of
/// the victim's; `{pid}`: a session of the victim's.
const ON_OBJECTS: &[(&str, Control)] = &[
    ("SELECT * FROM {v}.secret", Control::Owner),
    ("SELECT count(*) FROM {v}.secret", Control::Owner),
    ("SELECT FROM {v}.shown", Control::Owner),
    ("INSERT INTO {v}.secret VALUES (2, 'x')", Control::Owner),
    ("UPDATE {v}.secret SET word = 'x'", Control::Owner),
    ("DELETE FROM {v}.secret", Control::Owner),
    ("TRUNCATE {v}.secret", Control::Owner),
    (
        "MERGE INTO {v}.secret USING (SELECT 1) s ON false WHEN NOT MATCHED THEN DO NOTHING",
        Control::None,
    ),
    ("COPY {v}.secret TO STDOUT", Control::None),
    ("COPY {v}.secret FROM STDIN", Control::None),
    ("LOCK TABLE {v}.secret IN ACCESS SHARE MODE", Control::Owner),
    ("LOCK TABLE {v}.secret", Control::Owner),
    ("CREATE TABLE {m}.leak (id int REFERENCES {v}.secret)", Control::Owner),
    ("CREATE TABLE {m}.leak (LIKE {v}.secret)", Control::Owner),
    ("CREATE TABLE {m}.leak () INHERITS ({v}.secret)", Control::Owner),
    ("CREATE TABLE {m}.leak AS SELECT * FROM {v}.secret", Control::Owner),
    ("CREATE VIEW {m}.leak AS SELECT * FROM {v}.secret", Control::Owner),
    ("CREATE TABLE {v}.mine ()", Control::Owner),
    (
        "CREATE FUNCTION {v}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        Control::Owner,
    ),
    ("CREATE TYPE {v}.mine AS (a int)", Control::Owner),
    ("CREATE SEQUENCE {v}.mine", Control::Owner),
    ("ALTER TABLE {v}.secret ADD COLUMN mine int", Control::Owner),
    ("ALTER TABLE {v}.secret OWNER TO {m}", Control::None),
    ("ALTER TABLE {v}.secret SET SCHEMA {m}", Control::None),
    ("ALTER TABLE {v}.secret ENABLE ROW LEVEL SECURITY", Control::Owner),
    ("ALTER FUNCTION {v}.answer() SECURITY DEFINER", Control::Owner),
    ("ALTER SEQUENCE {v}.numbers RESTART", Control::Owner),
    ("CREATE INDEX ON {v}.secret (word)", Control::Owner),
    ("CREATE RULE mine AS ON INSERT TO {v}.secret DO NOTHING", Control::Owner),
    ("CREATE POLICY mine ON {v}.secret", Control::Owner),
    (
        "CREATE TRIGGER mine BEFORE INSERT ON {v}.secret EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        Control::None,
    ),
    ("COMMENT ON TABLE {v}.secret IS 'mine'", Control::Owner),
    ("REINDEX TABLE {v}.secret", Control::Owner),
    ("DROP TABLE {v}.secret CASCADE", Control::Owner),
    ("DROP FUNCTION {v}.answer()", Control::Owner),
    ("DROP SEQUENCE {v}.numbers", Control::Owner),
    ("DROP TYPE {v}.kind", Control::Owner),
    ("SELECT nextval('{v}.numbers')", Control::Owner),
    ("SELECT last_value FROM {v}.numbers", Control::Owner),
    ("SELECT setval('{v}.numbers', 7)", Control::Owner),
    ("SELECT {v}.answer()", Control::Owner),
    ("SELECT NULL::{v}.kind", Control::Owner),
    ("GRANT SELECT ON {v}.secret TO {m}", Control::Owner),
    ("REVOKE ALL ON {v}.secret FROM {v}", Control::Owner),
    ("GRANT USAGE ON SCHEMA {v} TO {m}", Control::Superuser),
    ("ALTER SCHEMA {v} RENAME TO mine", Control::Superuser),
    ("ALTER SCHEMA {v} OWNER TO {m}", Control::Superuser),
    ("DROP SCHEMA {v} CASCADE", Control::Superuser),
    ("COMMENT ON SCHEMA {v} IS 'mine'", Control::Superuser),
    ("SELECT lo_get({lo})", Control::Owner),
    ("SELECT lo_put({lo}, 0, 'x')", Control::Owner),
    ("SELECT lo_open({lo}, 262144)", Control::Owner),
    ("SELECT lo_unlink({lo})", Control::Owner),
    ("GRANT ALL ON LARGE OBJECT {lo} TO {m}", Control::Owner),
];

const ON_SERVER: &[(&str, Control)] = &[
    ("SET ROLE {v}", Control::Superuser),
    ("SET ROLE {l}", Control::Superuser),
    ("SET SESSION AUTHORIZATION {v}", Control::Superuser),
    ("SET SESSION AUTHORIZATION {l}", Control::Superuser),
    ("SET ROLE {op}", Control::Superuser),
    ("SET ROLE pg_read_all_stats", Control::None),
    ("SET ROLE pg_execute_server_program", Control::Superuser),
    ("GRANT {v} TO {m}", Control::Superuser),
    ("GRANT {l} TO {n}", Control::Superuser),
    ("GRANT {op} TO {m}", Control::None),
    ("GRANT pg_monitor TO {m}", Control::Superuser),
    ("GRANT {m} TO {v}", Control::Superuser),
    ("REVOKE {v} FROM {l}", Control::Superuser),
    ("ALTER ROLE {v} LOGIN", Control::Superuser),
    ("ALTER ROLE {l} PASSWORD 'mine'", Control::Superuser),
    ("ALTER ROLE {l} NOLOGIN", Control::Superuser),
    ("ALTER ROLE {l} SET search_path = {m}", Control::Superuser),
    ("ALTER ROLE {l} RENAME TO mine", Control::Superuser),
    ("ALTER ROLE {n} SUPERUSER", Control::Superuser),
    ("ALTER ROLE {n} CREATEROLE", Control::Superuser),
    ("ALTER ROLE {n} CREATEDB", Control::Superuser),
    ("ALTER ROLE {n} BYPASSRLS", Control::Superuser),
    ("ALTER ROLE {n} REPLICATION", Control::Superuser),
    ("ALTER ROLE {n} CONNECTION LIMIT -1", Control::Superuser),
    ("ALTER ROLE {n} VALID UNTIL 'infinity'", Control::Superuser),
    ("ALTER ROLE ALL SET work_mem = '1MB'", Control::Superuser),
    ("DROP ROLE {l}", Control::None),
    ("CREATE ROLE mine", Control::Superuser),
    ("CREATE SCHEMA mine", Control::Superuser),
    ("CREATE DATABASE mine", Control::None),
    ("CREATE EXTENSION pgcrypto", Control::Superuser),
    ("CREATE EXTENSION file_fdw", Control::Superuser),
    ("CREATE PUBLICATION mine", Control::Superuser),
    (
        "CREATE SUBSCRIPTION mine CONNECTION '' PUBLICATION x WITH (connect = false)",
        Control::Superuser,
    ),
    (
        "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        Control::None,
    ),
    (
        "CREATE FUNCTION {m}.mine() RETURNS int LANGUAGE c AS '$libdir/x'",
        Control::None,
    ),
    (
        "CREATE FUNCTION {m}.mine() RETURNS int LANGUAGE internal AS 'pg_backend_pid'",
        Control::Superuser,
    ),
    ("CREATE FOREIGN DATA WRAPPER mine", Control::Superuser),
    ("CREATE CAST (text AS int) WITH INOUT", Control::Superuser),
    ("CREATE TABLE public.mine ()", Control::Superuser),
    ("CREATE TABLE pg_catalog.mine ()", Control::None),
    ("CREATE TABLESPACE mine LOCATION '/tmp'", Control::None),
    ("ALTER DATABASE {d} SET work_mem = '1MB'", Control::Superuser),
    ("ALTER DATABASE {d} CONNECTION LIMIT 0", Control::Superuser),
    ("ALTER DATABASE {d} RENAME TO mine", Control::None),
    ("DROP DATABASE postgres", Control::None),
    ("GRANT ALL ON DATABASE postgres TO {m}", Control::Superuser),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE {v} GRANT ALL ON TABLES TO {m}",
        Control::Superuser,
    ),
    ("REASSIGN OWNED BY {v} TO {m}", Control::Superuser),
    ("DROP OWNED BY {v}", Control::Superuser),
    ("SELECT pg_terminate_backend({pid})", Control::None),
    ("SELECT pg_cancel_backend({pid})", Control::None),
    ("SELECT pg_read_file('PG_VERSION')", Control::Superuser),
    ("SELECT pg_ls_dir('.')", Control::Superuser),
    ("SELECT pg_stat_file('PG_VERSION')", Control::Superuser),
    ("SELECT lo_import('/etc/hostname')", Control::None),
    ("COPY (SELECT 1) TO '/tmp/tenant-operator-mine'", Control::None),
    ("COPY (SELECT 1) TO PROGRAM 'cat'", Control::Superuser),
    ("LOAD 'auto_explain'", Control::None),
    ("SET session_preload_libraries = 'auto_explain'", Control::Superuser),
    ("SET log_statement = 'none'", Control::Superuser),
    ("SET session_replication_role = replica", Control::Superuser),
    ("ALTER SYSTEM SET work_mem = '1MB'", Control::None),
    ("SELECT * FROM pg_authid", Control::Superuser),
    ("SELECT * FROM pg_shadow", Control::Superuser),
    ("SELECT * FROM pg_statistic", Control::Superuser),
    ("SELECT pg_switch_wal()", Control::None),
    ("CHECKPOINT", Control::None),
];

const ON_RECORDS: &[&str] = &[
    "SELECT * FROM tenant_operator.object",
    "SELECT * FROM tenant_operator.intent",
    "INSERT INTO tenant_operator.object VALUES ('role', 1, 'x', 'x')",
    "LOCK TABLE tenant_operator.object IN ACCESS SHARE MODE",
    "DROP TABLE tenant_operator.object",
    "CREATE TABLE tenant_operator.mine ()",
];

pub async fn are_refused(site: Site, place: Place) {
    let (victim, attacker) = (site.new_tenant(&place).await, site.new_tenant(&place).await);
    let theirs = site.session(&victim, 0).await;
    let in_schema = place == Place::Schema;
    let home = if in_schema { victim.owner() } else { "public" };
    run(
        &theirs,
        "CREATE TABLE secret (id int PRIMARY KEY, word text); INSERT INTO secret VALUES (1, 'word'); \
        CREATE VIEW shown AS SELECT * FROM secret; CREATE SEQUENCE numbers; CREATE TYPE kind AS ENUM ('a'); \
        CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42'; ANALYZE secret",
    )
    .await;
    let root = superuser(&site.pg, &site.database_of(&victim.wanted)).await;
    let large = text(&root, "SELECT lo_from_bytea(0, 'word')::text").await;
    run(
        &root,
        &format!("ALTER LARGE OBJECT {large} OWNER TO {}", victim.owner()),
    )
    .await;
    let pid = text(&theirs, "SELECT pg_backend_pid()::text").await;
    let database = site.database_of(&attacker.wanted);
    let fill = |statement: &str| {
        let own = if in_schema { attacker.owner() } else { "public" };
        [
            ("{v}", victim.owner()),
            ("{l}", victim.login(0)),
            ("{n}", attacker.login(0)),
            ("{op}", site.address.user.as_str()),
            ("{lo}", &large),
            ("{pid}", &pid),
            ("{d}", &database),
        ]
        .into_iter()
        .fold(
            statement
                .replace("{m}.", &format!("{own}."))
                .replace("{m}", attacker.owner()),
            |s, (k, v)| s.replace(k, v),
        )
    };

    let session = site.session(&attacker, 0).await;
    let mut tried = 0;
    for guise in ["", "RESET ROLE", "SET ROLE NONE", "SET SESSION AUTHORIZATION DEFAULT"] {
        let objects = ON_OBJECTS.iter().filter(|_| in_schema).map(|(statement, _)| *statement);
        let records = ON_RECORDS.iter().filter(|_| in_schema).copied();
        for statement in objects
            .chain(ON_SERVER.iter().map(|(statement, _)| *statement))
            .chain(records)
        {
            if statement.starts_with("MERGE") && site.pg.major < 15 {
                continue;
            }
            run(&session, &format!("RESET ALL; RESET ROLE; {guise}")).await;
            let filled = match statement.starts_with("LOCK") {
                true => format!("BEGIN; {}; COMMIT", fill(statement)),
                false => fill(statement),
            };
            let refused = state(&session, &filled).await;
            if !refused.is_empty() {
                run(&session, "ROLLBACK").await;
            }
            let fits = match statement {
                // The tenant owns the table that it makes there.
                "CREATE TABLE public.mine ()" if !in_schema => ["", DENIED].contains(&refused.as_str()),
                // Before it is refused, it has no schema to go to.
                _ if statement.starts_with("CREATE EXTENSION") => [DENIED, "3F000"].contains(&refused.as_str()),
                _ => refused == DENIED,
            };
            assert!(fits, "{guise} {filled}: {refused:?}");
            if refused.is_empty() {
                run(&session, "DROP TABLE public.mine").await;
            }
            tried += 1;
        }
        run(&session, &format!("RESET ALL; RESET ROLE; {guise}")).await;
        // Queries that PostgreSQL admits return nothing.
        for empty in [
            "SELECT count(*)::text FROM pg_stats WHERE schemaname = '{v}'",
            "SELECT count(*)::text FROM pg_stat_activity WHERE usename = '{l}' AND query <> '<insufficient privilege>'",
            "SELECT count(*)::text FROM information_schema.tables WHERE table_schema = '{v}'",
            "SELECT count(*)::text FROM pg_largeobject_metadata WHERE has_largeobject_privilege(oid, 'SELECT')",
        ] {
            if empty.contains("has_large") && site.pg.major < 18 {
                continue;
            }
            assert_eq!(text(&session, &fill(empty)).await, "0", "{guise} {empty}");
        }
    }
    assert!(tried > 250, "{tried}");

    // Each of these works for whom it should.
    let home = home.to_string();
    let mut failures = Vec::new();
    let all = ON_OBJECTS.iter().chain(ON_SERVER);
    for (statement, control) in all {
        let who = match control {
            Control::Owner => &theirs,
            Control::Superuser => &root,
            Control::None => continue,
        };
        let own = |text: &str| {
            fill(
                &text
                    .replace("{v}.", &format!("{home}."))
                    .replace("{m}.", &format!("{home}.")),
            )
        };
        let own = match statement.contains("SCHEMA {v}") && !in_schema {
            true => continue,
            false => own(statement),
        };
        let block = format!("BEGIN; {own}; ROLLBACK");
        let alone = ["CREATE SUBSCRIPTION", "COPY (SELECT 1) TO PROGRAM"]
            .iter()
            .any(|start| own.starts_with(start));
        let missing = own.contains("file_fdw") || own.contains("pgcrypto");
        let result = state(who, if alone { &own } else { &block }).await;
        run(who, "ROLLBACK").await;
        if !(result.is_empty() || (missing && result == "58P01")) {
            failures.push(format!("{own}: {result}"));
        }
        if own.starts_with("CREATE SUBSCRIPTION") {
            run(
                who,
                "ALTER SUBSCRIPTION mine SET (slot_name = NONE); DROP SUBSCRIPTION mine",
            )
            .await;
        }
    }

    assert!(failures.is_empty(), "controls: {failures:#?}");
    only_its_own_database(&site, &victim, &attacker, &place).await;
    if !in_schema {
        nothing_crosses(&site, &victim, &attacker).await;
    }
    // Only a superuser can remove a database in which a superuser has a session.
    drop((theirs, session, root));
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    site.remove(&victim).await;
    site.remove(&attacker).await;
}

/// Every other database is closed to a login; its own is not.
async fn only_its_own_database(site: &Site, victim: &Tenant, attacker: &Tenant, place: &Place) {
    let mut closed = vec!["postgres".to_string(), "template1".into()];
    if *place == Place::Database {
        closed.extend([site.database_of(&victim.wanted), site.address.database.clone()]);
    }
    for database in closed {
        let refused = site
            .server
            .log_in(attacker.login(0), &attacker.passwords[0], &database)
            .await;
        assert!(
            matches!(&refused, Err(Error::Refused { code, .. }) if code == DENIED),
            "{database}: {refused:?}"
        );
    }
    let template0 = site
        .server
        .log_in(attacker.login(0), &attacker.passwords[0], "template0")
        .await;
    assert!(template0.is_err());
    let own = site.database_of(&attacker.wanted);
    site.server
        .log_in(attacker.login(0), &attacker.passwords[0], &own)
        .await
        .expect("its own");
    for (user, password) in [
        (victim.login(0), &attacker.passwords[0]),
        (victim.owner(), &victim.passwords[0]),
    ] {
        let refused = site
            .server
            .log_in(user, password, &site.database_of(&victim.wanted))
            .await;
        assert!(matches!(refused, Err(Error::Authentication(_))), "{user}: {refused:?}");
    }
}

/// In databases of their own, neither notifications nor advisory locks of one are another's.
async fn nothing_crosses(site: &Site, victim: &Tenant, attacker: &Tenant) {
    let (theirs, mine) = (site.session(victim, 0).await, site.session(attacker, 0).await);
    let locked = "SELECT pg_try_advisory_lock(7)::text";
    assert_eq!(text(&theirs, locked).await, "true");
    assert_eq!(
        text(&mine, locked).await,
        "true",
        "a lock of another database is in the way"
    );
    assert_eq!(text(&site.session(victim, 0).await, locked).await, "false", "control");
    let heard = |tenant: &Tenant| {
        let (user, database) = (tenant.login(0).to_string(), site.database_of(&tenant.wanted));
        let (port, password) = (site.pg.port, tenant.passwords[0].clone());
        async move { listen(port, &user, password.reveal(), &database).await }
    };
    let (own, other) = (heard(victim).await, heard(attacker).await);
    run(&theirs, "NOTIFY channel, 'word'").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(
        (
            own.1.load(std::sync::atomic::Ordering::SeqCst),
            other.1.load(std::sync::atomic::Ordering::SeqCst)
        ),
        (1, 0)
    );
}

type Heard = (tokio_postgres::Client, std::sync::Arc<std::sync::atomic::AtomicUsize>);

async fn listen(port: u16, user: &str, password: &str, database: &str) -> Heard {
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(user)
        .password(password)
        .dbname(database);
    let (client, mut connection) = config.connect(tokio_postgres::NoTls).await.expect("connect");
    let heard: std::sync::Arc<std::sync::atomic::AtomicUsize> = std::sync::Arc::default();
    let count = heard.clone();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            if matches!(message, tokio_postgres::AsyncMessage::Notification(_)) {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        }
    });
    client.batch_execute("LISTEN channel").await.expect("LISTEN");
    (client, heard)
}

/// No statistics show a neighbour's use of its tables, by any function or view: the lists are the server's own.
pub async fn statistics_are_closed(site: Site, place: Place) {
    use tenant_operator::postgres::weaknesses::weaknesses;
    let (victim, attacker) = (site.new_tenant(&place).await, site.new_tenant(&place).await);
    let (theirs, mine, root) = (
        site.session(&victim, 0).await,
        site.session(&attacker, 0).await,
        site.root().await,
    );
    run(
        &theirs,
        "CREATE TABLE watched AS SELECT 1 AS id; CREATE INDEX ON watched (id)",
    )
    .await;
    run(&theirs, "INSERT INTO watched SELECT 2; SELECT * FROM watched").await;
    // The control: the neighbour sees each insert, once the server has counted it.
    let seen = format!(
        "SELECT coalesce(sum(n_tup_ins), 0)::text FROM pg_stat_all_tables WHERE schemaname = '{}'",
        victim.owner()
    );
    let begun = std::time::Instant::now();
    while text(&mine, &seen).await == "0" {
        assert!(begun.elapsed().as_secs() < 20, "control: nothing is counted");
        run(&theirs, "INSERT INTO watched SELECT 2").await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let locks =
        "SELECT count(*)::text FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'watched'";
    run(&theirs, "BEGIN; LOCK TABLE watched").await;
    assert_eq!(text(&mine, locks).await, "1", "control");
    for open in ["statistics", "locks"] {
        let is_open = |weakness: &&tenant_operator::postgres::weaknesses::Weakness| weakness.what.contains(open);
        let found = weaknesses(&site.server.observe(None).await.expect("observe"));
        let weakness = found.iter().find(is_open).expect("it is reported");
        run(&root, &weakness.remedy.statement.reveal()).await;
        let found = weaknesses(&site.server.observe(None).await.expect("observe"));
        assert_eq!(found.iter().find(is_open), None);
    }
    for guise in ["RESET ROLE", "SET ROLE NONE"] {
        run(&mine, guise).await;
        assert_eq!(state(&mine, locks).await, DENIED, "{guise}");
        assert_eq!(state(&mine, "SELECT pg_lock_status()").await, DENIED, "{guise}");
    }

    let names = async |query: &str| -> Vec<String> {
        let rows = root.query(query, &[]).await.expect(query);
        rows.iter().map(|row| row.get(0)).collect()
    };
    let functions = names(
        "SELECT DISTINCT proname::text FROM pg_proc WHERE proname LIKE 'pg\\_stat\\_get\\_%' AND proargtypes[0] = 'oid'::regtype \
         AND pronargs = 1",
    )
    .await;
    assert!(functions.len() > 50, "{functions:?}");
    for guise in ["RESET ROLE", "SET ROLE NONE"] {
        run(&mine, guise).await;
        for function in &functions {
            let call = format!("SELECT {function}(c.oid) FROM pg_class c WHERE c.relname = 'watched'");
            assert_eq!(state(&mine, &call).await, DENIED, "{call}");
        }
    }
    run(&mine, "RESET ROLE").await;
    // What the statistics of a catalog can say at any time, since the server analyzes those that all databases share by itself.
    run(&root, "ANALYZE pg_catalog.pg_database; ANALYZE pg_catalog.pg_class").await;
    let views = names("SELECT relname::text FROM pg_class WHERE relkind = 'v' AND relname ~ '^pg_stat'").await;
    assert!(views.len() > 30, "{views:?}");
    let mut shown = 0;
    for view in &views {
        let all = format!("SELECT coalesce(string_agg(v::text, E'\\n'), '') FROM pg_catalog.{view} v");
        if !state(&mine, &all).await.is_empty() {
            continue;
        }
        shown += 1;
        // Everybody reads the catalogs themselves, and with them the names of roles and tables.
        let is_of_catalog = |line: &&str| line.starts_with("(pg_catalog,");
        for line in text(&mine, &all).await.lines().filter(|line| !is_of_catalog(line)) {
            let tells = line.contains("watched")
                || (line.contains(victim.owner()) && !line.contains("<insufficient privilege>"));
            assert!(!tells, "{view}: {line}");
        }
    }
    assert!(shown > 3 && shown < views.len(), "control: {shown} of {}", views.len());
    // The server's monitors still see them, and the operator's counts go on.
    let monitor = "SELECT has_function_privilege('pg_monitor', 'pg_stat_get_tuples_inserted(oid)', 'EXECUTE')::text";
    assert_eq!(text(&root, monitor).await, "true");
    let usage = site.server.usage().await.expect("usage");
    assert!(usage.bytes_of(&victim.wanted.names).is_some_and(|bytes| bytes > 0));
    assert_eq!(
        text(
            &root,
            "SELECT has_function_privilege('pg_monitor', 'pg_lock_status()', 'EXECUTE')::text"
        )
        .await,
        "true"
    );
    // The operator still ends whose locks are in its way.
    run(
        &theirs,
        &format!(
            "COMMIT; SET ROLE NONE; BEGIN; ALTER ROLE {} SET work_mem = '1MB'",
            victim.login(0)
        ),
    )
    .await;
    assert_eq!(site.server.evict(&[]).await.expect("evict"), 1);
    drop((theirs, mine, root));
    site.remove(&victim).await;
    site.remove(&attacker).await;
}

/// Before a superuser closed it, a server says that it is open.
pub async fn open_doors_are_told(site: Site, place: Place) {
    use tenant_operator::postgres::weaknesses::{is_ours_to_mend, weaknesses};
    let tenant = site.new_tenant(&place).await;
    let catalog = site.server.observe(None).await.expect("observe");
    let found = weaknesses(&catalog);
    let told = |what: &str| found.iter().any(|weakness| weakness.what.contains(what));
    assert!(
        told("database postgres ") && told("database template1 ") && told("large objects"),
        "{found:?}"
    );
    assert!(
        connect(site.pg.port, tenant.login(0), tenant.passwords[0].reveal(), "postgres")
            .await
            .is_ok(),
        "control"
    );
    for weakness in &found {
        let mends = is_ours_to_mend(weakness, &catalog);
        let shared = weakness.what.contains("database postgres") || weakness.what.contains("database template1");
        if site.admin == Admin::CreateRole {
            assert!(!(shared && mends), "{weakness:?}");
        }
        if mends && !shared {
            site.server
                .execute(std::slice::from_ref(&weakness.remedy))
                .await
                .expect("remedy");
        }
    }
    let after = weaknesses(&site.server.observe(None).await.expect("observe"));
    for weakness in &after {
        let shared = ["database postgres", "database template1", "database records_"]
            .iter()
            .any(|name| weakness.what.contains(name));
        assert!(shared || site.admin == Admin::CreateRole, "{weakness:?}");
    }
    site.remove(&tenant).await;
}
