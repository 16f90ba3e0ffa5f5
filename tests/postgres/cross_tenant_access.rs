//! Access access the tenant: the tenant's login sees each opening, and nothing else.

use crate::site::{Site, Tenant, run, superuser};
use tenant_operator::database::login_check;
use tenant_operator::postgres::cross_tenant_access::{self, CrossTenantAccess, OwnObjects};
use tenant_operator::postgres::plan::Place;
use tenant_operator::proof::Outcome;

/// Returns the login's findings among this test's objects: other tests' databases come and go.
async fn look(site: &Site, tenant: &Tenant, other: &Tenant) -> CrossTenantAccess {
    let database = site.database_of(&tenant.wanted);
    let session = site
        .server
        .log_in(tenant.login(0), &tenant.passwords[0], &database)
        .await
        .expect("its own");
    let own = OwnObjects::of(&tenant.wanted, &site.address.database);
    let mut access = cross_tenant_access::probe(&session, &own).await.expect("asked");
    let known = [
        "postgres".to_string(),
        "template1".into(),
        site.address.database.clone(),
        site.database_of(&tenant.wanted),
        site.database_of(&other.wanted),
    ];
    access.databases.retain(|name| known.contains(name));
    access
}

pub async fn is_seen(site: Site, place: Place) {
    let (tenant, other) = (site.new_tenant(&place).await, site.new_tenant(&place).await);
    let (owner, login, theirs) = (tenant.owner(), tenant.login(0), other.owner());
    let closed = look(&site, &tenant, &other).await;
    assert_eq!(login_check::outcome(&closed), Outcome::Passed, "{closed:?}");
    let shares = place == Place::Schema;
    let neighbour = closed.neighbour.clone().unwrap_or_default();
    assert_eq!(neighbour == theirs, shares, "whose schema was tried: {neighbour}");

    // The grant, its revocation, and the message.
    let mut faults = vec![
        (
            format!("GRANT {theirs} TO {login}"),
            format!("REVOKE {theirs} FROM {login}"),
            theirs.to_string(),
        ),
        (
            format!("GRANT pg_monitor TO {owner}"),
            format!("REVOKE pg_monitor FROM {owner}"),
            "pg_monitor".into(),
        ),
        (
            format!("ALTER ROLE {login} BYPASSRLS"),
            format!("ALTER ROLE {login} NOBYPASSRLS"),
            "BYPASSRLS".into(),
        ),
        (
            format!("ALTER ROLE {owner} CREATEROLE"),
            format!("ALTER ROLE {owner} NOCREATEROLE"),
            "CREATEROLE".into(),
        ),
        (
            format!("GRANT CONNECT ON DATABASE postgres TO {login}"),
            format!("REVOKE CONNECT ON DATABASE postgres FROM {login}"),
            "connect to postgres".into(),
        ),
    ];
    if shares {
        faults.extend([
            (
                format!("GRANT USAGE ON SCHEMA {theirs} TO {owner}"),
                format!("REVOKE USAGE ON SCHEMA {theirs} FROM {owner}"),
                format!("use schema {theirs}"),
            ),
            (
                format!("GRANT USAGE, CREATE ON SCHEMA {theirs} TO {owner}"),
                format!("REVOKE ALL ON SCHEMA {theirs} FROM {owner}"),
                format!("make a table in schema {theirs}"),
            ),
            (
                format!("GRANT USAGE, CREATE ON SCHEMA public TO {owner}"),
                format!("REVOKE ALL ON SCHEMA public FROM {owner}"),
                "use schema public".into(),
            ),
            (
                format!("CREATE TABLE public.leak (n int); GRANT USAGE ON SCHEMA public TO {owner}; GRANT SELECT ON public.leak TO PUBLIC"),
                format!("DROP TABLE public.leak; REVOKE ALL ON SCHEMA public FROM {owner}"),
                "on public.leak".into(),
            ),
        ]);
    } else {
        let theirs = site.database_of(&other.wanted);
        faults.push((
            format!("GRANT CONNECT ON DATABASE {theirs} TO {login}"),
            format!("REVOKE CONNECT ON DATABASE {theirs} FROM {login}"),
            format!("connect to {theirs}"),
        ));
    }
    let root = superuser(&site.pg, &site.address.database).await;
    for (fault, remedy, words) in faults {
        run(&root, &fault).await;
        let seen = look(&site, &tenant, &other).await;
        let Outcome::Violated(found) = login_check::outcome(&seen) else {
            panic!("{fault} was not seen: {seen:?}");
        };
        assert!(
            found.iter().any(|violation| violation.message.contains(&words)),
            "{fault}: {found:?}"
        );
        let theirs = look(&site, &other, &tenant).await;
        assert_eq!(
            login_check::outcome(&theirs),
            Outcome::Passed,
            "{fault}: said of the other too"
        );
        run(&root, &remedy).await;
    }
    // Rows that row-level security keeps apart are nothing to tell of.
    if shares {
        let protected = format!(
            "CREATE TABLE public.kept (n int); ALTER TABLE public.kept ENABLE ROW LEVEL SECURITY; \
             GRANT USAGE ON SCHEMA public TO {owner}; GRANT SELECT ON public.kept TO {owner}"
        );
        run(&root, &protected).await;
        let seen = look(&site, &tenant, &other).await;
        assert_eq!(login_check::outcome(&seen), Outcome::Passed, "{seen:?}");
        run(
            &root,
            &format!("DROP TABLE public.kept; REVOKE ALL ON SCHEMA public FROM {owner}"),
        )
        .await;
    }
    // A tenant's own functions cannot answer for the server.
    let session = site.session(&tenant, 0).await;
    run(
        &session,
        "CREATE FUNCTION has_schema_privilege(name, text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false'; \
         CREATE FUNCTION json_agg(name) RETURNS json LANGUAGE sql AS $$SELECT '[]'::json$$",
    )
    .await;
    drop(session);
    run(&root, &format!("ALTER ROLE {login} BYPASSRLS")).await;
    let seen = look(&site, &tenant, &other).await;
    assert!(seen.control && seen.attributes == ["BYPASSRLS"], "{seen:?}");
    run(&root, &format!("ALTER ROLE {login} NOBYPASSRLS")).await;
    drop(root);
    site.remove(&tenant).await;
    site.remove(&other).await;
}
