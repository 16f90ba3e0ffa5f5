//! Audit: the operator finds and revokes grants by hand inside a tenant's schema, and counts tenants' usage whatever they do.

use crate::servers::number;
use crate::site::{Site, run, text};
use tenant_operator::postgres::plan::Place;

pub async fn finds_what_was_granted(site: Site, place: Place) {
    let (tenant, other) = (site.new_tenant(&place).await, site.new_tenant(&place).await);
    assert_eq!(site.server.audit().await.expect("audit"), []);
    let session = site.session(&tenant, 0).await;
    let to = other.owner();
    let large = text(&session, "SELECT lo_create(0)::text").await;
    run(
        &session,
        &format!(
            "CREATE TABLE t (id serial, \"a\"\"b\" text); CREATE TYPE \"k\"\"1\" AS ENUM ('a'); \
             CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW v AS SELECT 1 AS one; \
             GRANT SELECT ON t TO {to}; GRANT SELECT (\"a\"\"b\") ON t TO PUBLIC; GRANT USAGE ON SEQUENCE t_id_seq TO {to}; \
             GRANT EXECUTE ON FUNCTION f(int) TO PUBLIC; GRANT USAGE ON TYPE \"k\"\"1\" TO {to}; GRANT ALL ON v TO {to} WITH GRANT OPTION; \
             GRANT SELECT ON LARGE OBJECT {large} TO {to}"
        ),
    )
    .await;
    let found = site.server.audit().await.expect("audit");
    assert_eq!(found.len(), 6, "{found:#?}");
    for finding in &found {
        assert_eq!(finding.place, tenant.owner());
        let remedy = finding.remedy.as_ref().expect("a remedy");
        site.server
            .execute(std::slice::from_ref(remedy))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(site.server.audit().await.expect("audit"), []);
    run(
        &session,
        "SELECT * FROM t, v; SELECT f(1), nextval('t_id_seq'), 'a'::\"k\"\"1\"",
    )
    .await;
    let stranger = format!("stranger_{}", number());
    run(
        &site.root().await,
        &format!(
            "CREATE ROLE {stranger}; ALTER TABLE {}.t OWNER TO {stranger}",
            tenant.owner()
        ),
    )
    .await;
    let found = site.server.audit().await.expect("audit");
    assert!(
        found
            .iter()
            .any(|finding| finding.what.contains(&stranger) && finding.remedy.is_none()),
        "{found:?}"
    );
    // A policy of somebody else's that the tenant can drop.
    let root = site.root().await;
    let policy = format!(
        "CREATE TABLE public.theirs (); CREATE POLICY hide ON public.theirs AS RESTRICTIVE TO {to}, {stranger}"
    );
    run(&root, &policy).await;
    let named = format!("policy hide on public.theirs names role {to}");
    let found = site.server.audit().await.expect("audit");
    assert!(
        found
            .iter()
            .any(|finding| finding.what.contains(&named) && finding.place == to),
        "{found:?}"
    );
    run(&root, "DROP TABLE public.theirs").await;
    drop((session, root));
    site.remove(&tenant).await;
    site.remove(&other).await;
}

pub async fn usage_is_counted(site: Site, place: Place) {
    let (tenant, other) = (site.new_tenant(&place).await, site.new_tenant(&place).await);
    let session = site.session(&tenant, 0).await;
    run(
        &session,
        "CREATE TABLE t (id int PRIMARY KEY, word text); INSERT INTO t SELECT i, repeat(md5(i::text), 300) FROM generate_series(1, 500) i; \
         ALTER TABLE t ALTER word SET STORAGE EXTERNAL; INSERT INTO t SELECT i, repeat(md5(i::text), 300) FROM generate_series(501, 1000) i; \
         ANALYZE t",
    )
    .await;
    let (names, others) = (&tenant.wanted.names, &other.wanted.names);
    // The owner role, as which the tenant acts, has no CONNECT of its own, without which nobody may know a database's size.
    let size = match place {
        Place::Database => format!("SELECT pg_database_size('{}')::text", tenant.owner()),
        _ => format!("SELECT pg_total_relation_size('{}.t')::text", tenant.owner()),
    };
    let exact: i64 = text(&site.root().await, &size).await.parse().expect("number");
    let close = |bytes: i64| (bytes - exact).abs() < exact / 10;
    let usage = site.server.usage().await.expect("usage");
    assert!(usage.bytes_of(names).is_some_and(close), "{usage:?} {exact}");
    assert!(
        usage.bytes > exact && (usage.sessions_of(names), usage.sessions_of(others)) == (1, 0),
        "{usage:?}"
    );
    if place == Place::Schema {
        assert_eq!(usage.bytes_of(others), Some(0));
    }
    // A tenant that locks its tables, or waits to, keeps nobody from counting.
    run(&session, "BEGIN; LOCK TABLE t").await;
    let begun = std::time::Instant::now();
    let usage = site.server.usage().await.expect("usage");
    assert!(
        begun.elapsed().as_secs() < 2 && usage.bytes_of(names).is_some_and(|bytes| bytes > exact / 20),
        "{usage:?}"
    );
    drop(session);
    site.remove(&tenant).await;
    assert_eq!(site.server.usage().await.expect("usage").bytes_of(names), None);
    site.remove(&other).await;
}
