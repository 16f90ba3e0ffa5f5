//! Grants by other tenants on a tenant's roles, which its removal revokes. They cover every kind of object with a list of privileges, by older and younger
//! roles.

use crate::servers::number;
use crate::site::{Admin, Site, Tenant, run, state, superuser, text};
use tenant_operator::postgres::Identifier;
use tenant_operator::postgres::client::Error;
use tenant_operator::postgres::plan::{Place, removal};
use tokio_postgres::Client;

/// Privileges with grant option that the platform gives a tenant. `{m}`: the tenant's owner role; `{d}`: its database; `{n}`: a number of its own.
const BY_HAND: &[&str] = &[
    "CREATE SCHEMA s_{n}; GRANT ALL ON SCHEMA s_{n} TO {m} WITH GRANT OPTION",
    "CREATE FOREIGN DATA WRAPPER w_{n}; GRANT USAGE ON FOREIGN DATA WRAPPER w_{n} TO {m} WITH GRANT OPTION",
    "GRANT USAGE ON LANGUAGE plpgsql TO {m} WITH GRANT OPTION",
    "GRANT ALL ON DATABASE {d} TO {m} WITH GRANT OPTION",
];
const TAKEN_BACK: &[&str] = &[
    "DROP SCHEMA s_{n} CASCADE",
    "DROP FOREIGN DATA WRAPPER w_{n} CASCADE",
    "REVOKE ALL ON LANGUAGE plpgsql FROM {m} CASCADE",
    "REVOKE CREATE ON DATABASE {d} FROM {m} CASCADE",
];

/// Objects that a tenant makes and shares with another: `{v}`, its owner role and a login. `{lo}`: a large object.
const GRANTS: &[&str] = &[
    "CREATE TABLE \"a\"\"b' %I\" (id serial PRIMARY KEY, \"c\"\"d' %s\" text); GRANT ALL ON \"a\"\"b' %I\" TO {v} WITH GRANT OPTION",
    "GRANT SELECT ON \"a\"\"b' %I\" TO PUBLIC",
    "GRANT ALL (\"c\"\"d' %s\") ON \"a\"\"b' %I\" TO {v} WITH GRANT OPTION",
    "GRANT ALL ON SEQUENCE \"a\"\"b' %I_id_seq\" TO {v} WITH GRANT OPTION",
    "CREATE TABLE parted (k int) PARTITION BY LIST (k); GRANT SELECT ON parted TO {v} WITH GRANT OPTION",
    "CREATE VIEW shown AS SELECT 1 AS one; GRANT ALL ON shown TO {v} WITH GRANT OPTION",
    "CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one; GRANT ALL ON kept TO {v} WITH GRANT OPTION",
    "CREATE FUNCTION f(int, text DEFAULT 'a') RETURNS int LANGUAGE sql AS 'SELECT 1'; GRANT ALL ON FUNCTION f TO {v} WITH GRANT OPTION",
    "CREATE PROCEDURE p(INOUT a int) LANGUAGE sql AS 'SELECT 1'; GRANT ALL ON PROCEDURE p TO {v} WITH GRANT OPTION",
    "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int); GRANT ALL ON FUNCTION total(int) TO {v} WITH GRANT OPTION",
    "CREATE AGGREGATE nothing(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0'); GRANT ALL ON FUNCTION nothing() TO {v} WITH GRANT OPTION",
    "CREATE TYPE kind AS ENUM ('a'); GRANT ALL ON TYPE kind TO {v} WITH GRANT OPTION",
    "CREATE TYPE pair AS (a int); GRANT ALL ON TYPE pair TO {v} WITH GRANT OPTION",
    "CREATE TYPE span AS RANGE (SUBTYPE = int); GRANT ALL ON TYPE span TO {v} WITH GRANT OPTION",
    "CREATE DOMAIN limited AS int; GRANT ALL ON DOMAIN limited TO {v} WITH GRANT OPTION",
    "GRANT ALL ON LARGE OBJECT {lo} TO {v} WITH GRANT OPTION",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {v} WITH GRANT OPTION",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO {v} WITH GRANT OPTION",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO {v} WITH GRANT OPTION",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {s} GRANT ALL ON FUNCTIONS TO {v} WITH GRANT OPTION",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {s} GRANT ALL ON SEQUENCES TO {v} WITH GRANT OPTION",
    "CREATE POLICY named ON \"a\"\"b' %I\" TO {v}",
    "CREATE POLICY also ON \"a\"\"b' %I\" TO CURRENT_USER, {v}",
    "CREATE SERVER far_{n} FOREIGN DATA WRAPPER w_{n}; GRANT ALL ON FOREIGN SERVER far_{n} TO {v} WITH GRANT OPTION",
    "CREATE USER MAPPING FOR {o} SERVER far_{n}",
    "GRANT ALL ON FOREIGN DATA WRAPPER w_{n} TO {v} WITH GRANT OPTION",
    "GRANT ALL ON SCHEMA s_{n} TO {v} WITH GRANT OPTION",
    "GRANT ALL ON LANGUAGE plpgsql TO {v} WITH GRANT OPTION",
    "GRANT ALL ON DATABASE {d} TO {v} WITH GRANT OPTION",
    // More than the server has locks for in one transaction, on a server with few.
    "DO $$ BEGIN FOR i IN 1..150 LOOP EXECUTE format('CREATE TABLE many_%s ()', i); \
     EXECUTE format('GRANT ALL ON many_%s TO {v} WITH GRANT OPTION', i); IF i % 50 = 0 THEN COMMIT; END IF; END LOOP; END $$",
    "CREATE TEMP TABLE passing (id serial); GRANT ALL ON passing TO {v} WITH GRANT OPTION",
];

/// Catalogs that have lists of privileges, as they stand in `pg_shdepend`, without which of them `$1` has one.
const MISSED: &str = "
SELECT coalesce(string_agg(c.relname, ' ' ORDER BY c.relname), '') FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE a.atttypid = 'aclitem[]'::regtype AND c.relkind = 'r' AND c.relnamespace = 'pg_catalog'::regnamespace AND NOT EXISTS (
  SELECT FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
  WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = $1 AND CASE c.relname
    WHEN 'pg_init_privs' THEN s.deptype = 'i'
    WHEN 'pg_attribute' THEN s.deptype = 'a' AND s.classid = 'pg_class'::regclass AND s.objsubid > 0
    WHEN 'pg_largeobject_metadata' THEN s.deptype = 'a' AND s.classid = 'pg_largeobject'::regclass
    ELSE s.deptype = 'a' AND s.classid = c.oid AND s.objsubid = 0 END)";

struct Giver<'a> {
    tenant: &'a Tenant,
    session: Client,
    /// A superuser where its data is.
    root: Client,
    number: usize,
    database: String,
    schema: String,
    large: String,
}

impl<'a> Giver<'a> {
    async fn new(site: &Site, tenant: &'a Tenant) -> Self {
        let session = site.session(tenant, 0).await;
        let database = site.database_of(&tenant.wanted);
        Self {
            tenant,
            root: superuser(&site.pg, &database).await,
            number: number(),
            database,
            schema: text(&session, "SELECT current_schema()::text").await,
            large: text(&session, "SELECT lo_create(0)::text").await,
            session,
        }
    }

    fn fill(&self, statement: &str, to: &Tenant) -> String {
        [
            ("{v}", format!("{}, {}", to.owner(), to.login(0))),
            ("{o}", to.owner().into()),
            ("{m}", self.tenant.owner().into()),
            ("{s}", self.schema.clone()),
            ("{d}", self.database.clone()),
            ("{lo}", self.large.clone()),
            ("{n}", self.number.to_string()),
        ]
        .into_iter()
        .fold(statement.to_string(), |text, (name, value)| text.replace(name, &value))
    }

    async fn as_root(&self, statements: &[&str]) {
        for statement in statements {
            run(&self.root, &self.fill(statement, self.tenant)).await;
        }
    }
}

pub async fn keep_no_role(site: Site, place: Place) {
    let older = site.new_tenant(&place).await;
    let victim = site.new_tenant(&place).await;
    let younger = site.new_tenant(&place).await;
    // Server-wide privileges, one test at a time.
    let server_wide = place == Place::Schema && site.admin == Admin::CreateRole;
    let (mut by_hand, mut grants, mut taken_back) = (BY_HAND.to_vec(), GRANTS.to_vec(), TAKEN_BACK.to_vec());
    if server_wide {
        by_hand.push("GRANT ALL ON TABLESPACE pg_default TO {m} WITH GRANT OPTION");
        grants.push("GRANT ALL ON TABLESPACE pg_default TO {v} WITH GRANT OPTION");
        taken_back.push("REVOKE ALL ON TABLESPACE pg_default FROM {m} CASCADE");
    }
    if site.pg.major >= 15 {
        by_hand.push("GRANT ALL ON PARAMETER mine_{n}.\"x\" TO {m} WITH GRANT OPTION");
        grants.push("GRANT ALL ON PARAMETER mine_{n}.\"x\" TO {v} WITH GRANT OPTION");
        taken_back.push("REVOKE ALL ON PARAMETER mine_{n}.\"x\" FROM {m} CASCADE");
    }
    if site.pg.major >= 18 {
        grants.push("ALTER DEFAULT PRIVILEGES GRANT ALL ON LARGE OBJECTS TO {v} WITH GRANT OPTION");
    }
    let mut givers = vec![Giver::new(&site, &older).await, Giver::new(&site, &younger).await];
    for giver in &givers {
        giver.as_root(&by_hand).await;
        for statement in &grants {
            run(&giver.session, &giver.fill(statement, &victim)).await;
        }
    }
    // PostgreSQL also records the first privileges of an extension's own objects.
    let initial = "CREATE FUNCTION public.initial() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
                   GRANT EXECUTE ON FUNCTION public.initial() TO {v}; ALTER EXTENSION plpgsql ADD FUNCTION public.initial(); \
                   REVOKE ALL ON FUNCTION public.initial() FROM {v}";
    run(&givers[0].root, &givers[0].fill(initial, &victim)).await;
    // Somebody who was given something gives it on.
    let theirs = site.session(&victim, 0).await;
    let on = format!("GRANT ALL ON LARGE OBJECT {} TO {}", givers[0].large, younger.owner());
    if place == Place::Schema {
        run(&theirs, &on).await;
    }
    let root = site.root().await;
    let missed: String = root.query_one(MISSED, &[&victim.owner()]).await.expect("missed").get(0);
    let expected = match (server_wide, site.pg.major < 17) {
        (true, true) => "pg_init_privs",
        (true, false) => "",
        (false, true) => "pg_init_privs pg_tablespace",
        (false, false) => "pg_tablespace",
    };
    assert_eq!(missed, expected, "control: the kinds of which nothing was granted");

    drop(theirs);
    site.remove(&victim).await;
    let left = format!(
        "SELECT count(*)::text FROM pg_roles WHERE rolname LIKE '{}%'",
        victim.owner()
    );
    assert_eq!(text(&root, &left).await, "0");
    // The others keep all that is theirs.
    for giver in &givers {
        let open = "SELECT has_table_privilege('public', oid, 'SELECT')::text FROM pg_class WHERE relname = 'a\"b'' %I' AND relowner = $1::text::regrole";
        let open: String = giver
            .root
            .query_one(open, &[&giver.tenant.owner()])
            .await
            .expect("its table")
            .get(0);
        assert_eq!(open, "true");
        let kept = giver.fill(
            "SELECT has_schema_privilege('{m}', 's_{n}', 'USAGE WITH GRANT OPTION')::text",
            &victim,
        );
        assert_eq!(text(&giver.root, &kept).await, "true");
        giver.as_root(&taken_back).await;
    }
    givers.clear();
    drop(root);
    site.remove(&older).await;
    site.remove(&younger).await;
}

/// A tenant holds locks on objects that it shared with another, whose removal does not wait for it. A tenant that shared nothing keeps its sessions.
pub async fn hold_nothing_up(site: Site, place: Place) {
    let (giver, victim, bystander) = (
        site.new_tenant(&place).await,
        site.new_tenant(&place).await,
        site.new_tenant(&place).await,
    );
    let mut held = Vec::new();
    for (given, holds) in [
        (
            "CREATE TABLE t (); CREATE POLICY named ON t TO {v}",
            "LOCK TABLE t IN ACCESS SHARE MODE",
        ),
        (
            "CREATE TABLE u (); GRANT SELECT ON u TO {v}",
            "GRANT SELECT ON u TO PUBLIC",
        ),
        (
            "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {v}",
            "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
        ),
        (
            "SELECT lo_create(7); GRANT ALL ON LARGE OBJECT 7 TO {v}",
            "GRANT SELECT ON LARGE OBJECT 7 TO PUBLIC",
        ),
    ] {
        let session = site.session(&giver, 0).await;
        run(&session, "SET idle_in_transaction_session_timeout = 0").await;
        run(&session, &given.replace("{v}", victim.owner())).await;
        run(&session, &format!("BEGIN; {holds}")).await;
        held.push(session);
    }
    let other = site.session(&bystander, 0).await;
    run(&other, "BEGIN; CREATE TABLE mine ()").await;
    let begun = std::time::Instant::now();
    let names = &victim.wanted.names;
    let oids: Vec<i64> = site
        .server
        .observe(Some(names))
        .await
        .expect("observe")
        .marks
        .values()
        .map(|mark| mark.oid)
        .collect();
    // As the operator does it.
    let mut blocked = 0;
    loop {
        let removal = |catalog: &_| removal(names, &victim.wanted.tenant_id, catalog);
        match site.repeat(names, removal).await {
            Err(Error::Refused { code, .. }) if code == "55P03" && blocked < 3 => blocked += 1,
            removed => break removed.map(|_| ()).unwrap_or_else(|error| panic!("{error}")),
        }
        site.server.evict(&oids).await.expect("evict");
    }
    assert!(blocked > 0, "control: nothing is held");
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
    run(&other, "COMMIT; SELECT FROM mine").await;
    drop((held, other));
    site.remove(&giver).await;
    site.remove(&bystander).await;
}

/// Whoever has any privilege can grant it without effect, of which PostgreSQL only warns, and keep the catalog's row.
pub async fn without_effect_hold_nothing_up(site: Site, place: Place) {
    let extended = |mut tenant: Tenant| {
        tenant.wanted.extensions = vec![Identifier::new("hstore").expect("a name")];
        tenant
    };
    let (bystander, attacker) = (site.new_tenant(&place).await, extended(site.new_tenant(&place).await));
    site.converge(&attacker.wanted).await;
    let other = site.session(&bystander, 0).await;
    run(&other, "BEGIN; CREATE TABLE mine ()").await;
    let grant = format!(
        "GRANT TEMPORARY ON DATABASE {} TO PUBLIC",
        site.database_of(&attacker.wanted)
    );
    let hold = async |statements: &str| {
        let session = site.session(&attacker, 0).await;
        run(&session, "SET idle_in_transaction_session_timeout = 0").await;
        run(&session, &format!("BEGIN; {statements}")).await;
        session
    };
    let victim = extended(site.tenant(&place));
    for statements in [
        // No lock has the number of a subtransaction that is over.
        &format!("SAVEPOINT s; {grant}; RELEASE s"),
        "GRANT USAGE ON SCHEMA extensions TO PUBLIC",
    ] {
        let session = hold(statements).await;
        site.converge(&victim.wanted).await;
        assert_ne!(
            state(&session, "SELECT").await,
            "",
            "control: nothing waits for {statements}"
        );
        if statements.starts_with("SAVEPOINT") {
            let again = hold(statements).await;
            site.remove(&victim).await;
            assert_ne!(state(&again, "SELECT").await, "", "control: no removal waits");
        }
    }
    run(&other, "COMMIT; SELECT FROM mine").await;
    drop(other);
    for tenant in [&attacker, &bystander, &victim] {
        site.remove(tenant).await;
    }
}
