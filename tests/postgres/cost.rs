//! Cost of a look at all tenants: it grows with their number, and not by its square; counted in rows, not in time. No table has been analyzed yet, so the
//! planner guesses, as it does on a server that is filling up. Its rows are small, and what is unchanged is in memory once.

use crate::site::{Site, run};
use serde_json::Value;
use std::sync::Arc;
use tenant_operator::postgres::plan::Place;
use tenant_operator::postgres::{audit, catalog, usage};

const TENANTS: usize = 800;
/// Rows that may pass through all steps of a statement, for each tenant.
const EACH: f64 = 250.0;
/// Bytes of the longest row, for any number of tenants: that much of an answer is in memory at a time.
const LONGEST: usize = 4096;

/// Tenants in bulk, as the operator would leave them.
fn fill() -> String {
    format!(
        "DO $$ DECLARE o name; l name; db name := current_database(); BEGIN FOR i IN 1..{TENANTS} LOOP \
           o := 't_' || left(md5(i::text), 20); \
           EXECUTE format('CREATE ROLE %I', o); \
           FOREACH l IN ARRAY ARRAY[o || '_a', o || '_b'] LOOP \
             EXECUTE format('CREATE ROLE %I NOINHERIT IN ROLE %I', l, o); \
             EXECUTE format('ALTER ROLE %I SET role TO %I', l, o); \
             EXECUTE format('ALTER ROLE %I SET search_path TO %I', l, o); \
             EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', db, l); \
           END LOOP; \
           EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC', o); \
           EXECUTE format('CREATE SCHEMA %I', o); \
           EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', o, o); \
           EXECUTE format('CREATE TABLE %I.t (id serial PRIMARY KEY, note text)', o); \
           EXECUTE format('ALTER TABLE %I.t OWNER TO %I', o, o); \
           INSERT INTO tenant_operator.object (tenant_id, kind, oid, name) \
             SELECT i::text, 'role', oid, rolname FROM pg_roles WHERE rolname IN (o, o || '_a', o || '_b') \
             UNION ALL SELECT i::text, 'schema', oid, nspname FROM pg_namespace WHERE nspname = o; \
         END LOOP; END $$"
    )
}

/// Rows that a step and those below it gave out or looked at in vain, over all its turns.
fn rows(step: &Value) -> f64 {
    let number = |key: &str| step[key].as_f64().unwrap_or(0.0);
    let each = number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Join Filter");
    let below = step["Plans"].as_array().into_iter().flatten().map(rows).sum::<f64>();
    each * number("Actual Loops").max(1.0) + below
}

pub async fn grows_with_the_number(site: Site, _: Place) {
    let root = site.root().await;
    run(&root, &fill()).await;
    let whole = [
        ("catalog", catalog::QUERY, "(NULL)"),
        ("audit", audit::QUERY, ""),
        ("usage", usage::QUERY, ""),
    ];
    for (name, query, arguments) in whole {
        let types = if arguments.is_empty() { "" } else { "(text[])" };
        run(&root, &format!("PREPARE {name}{types} AS {query}")).await;
        let explain = format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE {name}{arguments}");
        let plan: Value = root.query_one(&explain, &[]).await.expect("a plan").get(0);
        let passed = rows(&plan[0]["Plan"]) / TENANTS as f64;
        assert!(passed > 1.0, "{name}: nothing was looked at: {plan}");
        assert!(passed < EACH, "{name}: {passed:.0} rows for each tenant: {plan:#}");
        println!("{name}: {passed:.0} rows for each of {TENANTS} tenants");
    }
    let none: Option<Vec<String>> = None;
    let rows = root.query(catalog::QUERY, &[&none]).await.expect("rows");
    let longest = rows.iter().map(tokio_postgres::Row::raw_size_bytes).max();
    assert!(longest.is_some_and(|longest| longest < LONGEST), "{longest:?}");
    let former = site.server.observe(None).await.expect("observe");
    let changed = former.roles.keys().next().expect("a role").clone();
    run(&root, &format!("ALTER ROLE {changed} CONNECTION LIMIT 7")).await;
    let catalog = site.server.observe_all(&former.roles).await.expect("observe");
    assert_eq!(catalog.roles.len(), former.roles.len());
    for (name, role) in &catalog.roles {
        let is_shared = Arc::ptr_eq(role, &former.roles[name]);
        assert_eq!(is_shared, *name != changed, "{name}");
    }
    assert_eq!(catalog.roles[&changed].connection_limit, 7);
}
