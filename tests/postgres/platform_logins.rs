//! The login of an application that tenants share: it becomes one tenant for a transaction, and nothing else.

use crate::servers::number;
use crate::site::{Admin, Site, Tenant, connect, run, state, superuser, text};
use tenant_operator::database::login_check;
use tenant_operator::postgres::applications::{self, Logins};
use tenant_operator::postgres::catalog::Catalog;
use tenant_operator::postgres::cross_tenant_access::{self, OwnObjects};
use tenant_operator::postgres::plan::{Place, suspension};
use tenant_operator::postgres::{Identifier, Names};
use tenant_operator::proof::Outcome;
use tokio_postgres::Client;

const DENIED: &str = "42501";

/// A login as the platform makes it.
async fn login(root: &Client, attributes: &str) -> Identifier {
    let name = format!("shop_{}", number());
    run(
        root,
        &format!("CREATE ROLE {name} LOGIN NOINHERIT {attributes} PASSWORD 'platform'"),
    )
    .await;
    Identifier::new(name).expect("valid")
}

async fn read(site: &Site, login: &Identifier) -> Logins {
    let logins = site
        .server
        .query(applications::QUERY, &[&[login.as_str()].as_slice()])
        .await;
    logins.expect("read")
}

async fn session(site: &Site, login: &Identifier, tenant: &Tenant) -> Client {
    let database = site.database_of(&tenant.wanted);
    let opened = connect(site.pg.port, login.as_str(), "platform", &database).await;
    opened.unwrap_or_else(|error| panic!("{} cannot log in: {error:?}", login.as_str()))
}

/// The transaction's role and path, as the platform's application sets them from the header `X-Tenant-ID`.
fn as_tenant(id: &str, statements: &str) -> String {
    format!(
        "BEGIN; SELECT set_config('role', t.name, true), set_config('search_path', t.name || ', public', true) \
         FROM (SELECT 't_' || left(encode(sha256(convert_to('{id}', 'UTF8')), 'hex'), 20) AS name) t; {statements}; COMMIT"
    )
}

/// The SQLSTATE of a transaction; none is left open.
async fn attempt(client: &Client, statements: &str) -> String {
    let found = state(client, statements).await;
    run(client, "ROLLBACK").await;
    found
}

pub async fn become_one_tenant(site: Site, place: Place) {
    let root = site.root().await;
    let shop = login(&root, "").await;
    let (catalog, logins) = (
        site.server.observe(None).await.expect("observe"),
        read(&site, &shop).await,
    );
    if let Some(why) = applications::refusal(&shop, logins.get(shop.as_str()), &place, &catalog) {
        let is_open = site.pg.major < 15 && site.admin == Admin::CreateRole && place == Place::Database;
        assert!(is_open, "{why}");
        return;
    }
    let (mut a, mut b) = (site.tenant(&place), site.tenant(&place));
    for tenant in [&mut a, &mut b] {
        tenant.wanted.applications = Some(vec![shop.clone()]);
        site.converge(&tenant.wanted).await;
        tenant.settle();
        site.is_quiet(&tenant.wanted).await;
    }
    if place == Place::Schema {
        let database = &site.address.database;
        assert!(
            connect(site.pg.port, shop.as_str(), "platform", database)
                .await
                .is_err()
        );
        let steps = applications::admit(&shop, database).expect("valid");
        site.server.execute(&steps).await.expect("admitted");
    }
    let (id_a, id_b) = (a.wanted.tenant_id.clone(), b.wanted.tenant_id.clone());
    let app = session(&site, &shop, &a).await;
    let (table_a, table_b) = match place {
        Place::Schema => (format!("{}.item", a.owner()), format!("{}.item", b.owner())),
        _ => ("public.item".into(), "public.item".into()),
    };
    for (id, tenant) in [(&id_a, &a), (&id_b, &b)] {
        let app = session(&site, &shop, tenant).await;
        let make = format!("CREATE TABLE item (text text); INSERT INTO item VALUES ('{id}')");
        run(&app, &as_tenant(id, &make)).await;
        assert_eq!(text(&app, "SELECT current_user::text").await, shop.as_str());
    }
    // By itself it is nobody; as one tenant it is not the other.
    assert_eq!(attempt(&app, &format!("SELECT * FROM {table_a}")).await, DENIED);
    assert_eq!(attempt(&app, "CREATE TABLE public.mine ()").await, DENIED);
    run(&app, &as_tenant(&id_a, &format!("SELECT * FROM {table_a}"))).await;
    if place == Place::Schema {
        let theirs = as_tenant(&id_a, &format!("SELECT * FROM {table_b}"));
        assert_eq!(attempt(&app, &theirs).await, DENIED);
    } else {
        // It may connect there, and look at nothing but that tenant's.
        let databases = format!(
            "SELECT string_agg(datname, ' ') FROM pg_database WHERE datname IN ('{}', '{}', '{}') \
             AND has_database_privilege('{}', oid, 'CONNECT')",
            site.address.database,
            a.owner(),
            b.owner(),
            shop.as_str()
        );
        let found = text(&root, &databases).await;
        assert!(
            !found.contains(&site.address.database) && found.contains(b.owner()),
            "{found}"
        );
    }
    for act in [
        "GRANT {r} TO {o}",
        "ALTER ROLE {r} LOGIN",
        "GRANT {r} TO {s}",
        "DROP ROLE {r}",
        "SET ROLE {l}",
    ] {
        let act = act
            .replace("{r}", a.owner())
            .replace("{o}", b.owner())
            .replace("{s}", &site.address.user)
            .replace("{l}", a.login(0));
        assert!(!attempt(&app, &act).await.is_empty(), "{act}");
        assert!(
            !attempt(&app, &as_tenant(&id_a, &act)).await.is_empty(),
            "{act} as the tenant"
        );
    }
    own_logins_make_nothing(&site, &a, &id_a).await;
    others_are_taken_out(&site, &a, &shop).await;
    full_tenants_only_read(&site, &mut a, &app).await;
    comes_and_goes(&site, &mut a, &app).await;
    drop(app);
    for tenant in [&a, &b] {
        site.remove(tenant).await;
    }
    let catalog = site.server.observe(None).await.expect("observe");
    let logins = read(&site, &shop).await;
    assert_eq!(logins[shop.as_str()].connects, place == Place::Schema);
    site.server
        .execute(&applications::dismissals(&catalog, &logins))
        .await
        .expect("dismissed");
    assert!(!read(&site, &shop).await[shop.as_str()].connects);
    let catalog = site.server.observe(None).await.expect("observe");
    assert!(applications::dismissals(&catalog, &logins).is_empty());
    drop(root);
    run(
        &superuser(&site.pg, "postgres").await,
        &format!("DROP ROLE {}", shop.as_str()),
    )
    .await;
}

/// The tenant's own logins read what the application makes, and put no code into its way.
async fn own_logins_make_nothing(site: &Site, tenant: &Tenant, id: &str) {
    let own = site.session(tenant, 0).await;
    assert_eq!(text(&own, "SELECT text FROM item").await, id);
    for act in [
        "CREATE TABLE mine (n int)",
        "CREATE TEMPORARY TABLE mine (n int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW mine AS SELECT 1 AS n",
        "CREATE RULE mine AS ON INSERT TO item DO ALSO NOTHING",
        "CREATE TRIGGER mine BEFORE INSERT ON item EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
        "ALTER TABLE item ADD COLUMN mine int DEFAULT 1",
        "INSERT INTO item VALUES ('mine')",
    ] {
        assert_eq!(attempt(&own, act).await, DENIED, "{act}");
    }
    assert_eq!(attempt(&own, &format!("SET ROLE {}", tenant.owner())).await, DENIED);
    let session = site
        .server
        .log_in(tenant.login(0), &tenant.passwords[0], &site.database_of(&tenant.wanted))
        .await
        .expect("its own");
    let of = OwnObjects::of(&tenant.wanted, &site.address.database);
    let mut access = cross_tenant_access::probe(&session, &of).await.expect("asked");
    // Other tests' databases come and go.
    access.databases.clear();
    assert_eq!(login_check::outcome(&access), Outcome::Passed, "{access:?}");
}

/// Every membership but the one that is meant is revoked, whoever has it and whatever its options.
async fn others_are_taken_out(site: &Site, tenant: &Tenant, shop: &Identifier) {
    let root = site.root().await;
    let (intern, database) = (login(&root, "").await, &site.address.database);
    let password = site.address.password.reveal();
    let operator = connect(site.pg.port, &site.address.user, password, database)
        .await
        .expect("operator");
    let (owner, reader, first) = (tenant.owner(), tenant.wanted.names.reader.as_str(), tenant.login(0));
    let (shop, intern) = (shop.as_str(), intern.as_str());
    let mut grants = vec![
        format!("GRANT {owner} TO {intern}"),
        format!("GRANT {reader} TO {intern}"),
        format!("GRANT {first} TO {shop}"),
        format!("GRANT {owner} TO {shop} WITH ADMIN OPTION"),
        format!("GRANT {reader} TO {shop}"),
        format!("REVOKE {owner} FROM {shop}"),
    ];
    if site.pg.major >= 16 {
        grants.push(format!("GRANT {owner} TO {shop} WITH INHERIT TRUE"));
        grants.push(format!("GRANT {owner} TO {shop} WITH SET FALSE"));
    }
    let members = format!(
        "SELECT string_agg(concat_ws(' ', o.rolname, e.rolname, m.admin_option, to_jsonb(m) ->> 'inherit_option', \
                to_jsonb(m) ->> 'set_option'), '; ' ORDER BY o.rolname, e.rolname) \
         FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.roleid JOIN pg_roles e ON e.oid = m.member \
         WHERE o.rolname IN ('{owner}', '{reader}', '{first}') AND e.rolname NOT IN ('{}', 'postgres')",
        site.address.user
    );
    let before = text(&root, &members).await;
    assert!(before.contains(shop) && !before.contains(intern), "{before}");
    for grant in grants {
        run(&operator, &grant).await;
        site.converge(&tenant.wanted).await;
        site.is_quiet(&tenant.wanted).await;
        assert_eq!(text(&root, &members).await, before, "{grant}");
    }
    run(&root, &format!("DROP ROLE {intern}")).await;
}

/// At the limit of its storage the application reads and deletes as the tenant's reader, and what it made later too.
async fn full_tenants_only_read(site: &Site, tenant: &mut Tenant, app: &Client) {
    let names: Names = tenant.wanted.names.clone();
    let reader = names.reader.as_str();
    tenant.wanted.writable = false;
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    assert_eq!(
        attempt(app, &as_tenant(&tenant.wanted.tenant_id, "SELECT 1")).await,
        DENIED
    );
    let path = format!("SET LOCAL search_path TO {}, public", tenant.owner());
    let read = |statement: &str| format!("BEGIN; SET LOCAL ROLE {reader}; {path}; {statement}; COMMIT");
    run(app, &read("SELECT * FROM item")).await;
    assert_eq!(attempt(app, &read("INSERT INTO item VALUES ('more')")).await, DENIED);
    tenant.wanted.writable = true;
    site.converge(&tenant.wanted).await;
    assert_eq!(attempt(app, &read("SELECT 1")).await, DENIED);
}

/// Suspension takes the application away, and so does the tier; afterwards the tenant's own login is the owner again.
async fn comes_and_goes(site: &Site, tenant: &mut Tenant, app: &Client) {
    let (names, id) = (tenant.wanted.names.clone(), tenant.wanted.tenant_id.clone());
    let become_it = as_tenant(&id, "SELECT * FROM item");
    run(app, &become_it).await;
    let suspended = |catalog: &Catalog| suspension(&names, &id, catalog);
    site.repeat(&names, suspended).await.expect("suspended");
    assert_eq!(attempt(app, &become_it).await, DENIED);
    let applications = tenant.wanted.applications.replace(Vec::new());
    let open = std::mem::take(&mut tenant.wanted.logins[0].open);
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    assert_eq!(attempt(app, &become_it).await, DENIED);
    tenant.wanted.applications.clone_from(&applications);
    tenant.wanted.logins[0].open = open;
    site.converge(&tenant.wanted).await;
    run(app, &become_it).await;
    tenant.wanted.applications = None;
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    assert_eq!(attempt(app, &become_it).await, DENIED);
    let own = site.session(tenant, 0).await;
    run(&own, "CREATE TABLE mine (n int)").await;
    // It comes back after the sessions that could make something have ended.
    tenant.wanted.applications = applications;
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    assert!(!state(&own, "CREATE TABLE another (n int)").await.is_empty());
    run(app, &become_it).await;
}

pub async fn mighty_ones_are_refused(site: Site, _: Place) {
    let root = site.root().await;
    let (shop, intern) = (login(&root, "").await, login(&root, "").await);
    let (shop_name, intern_name) = (shop.as_str(), intern.as_str());
    let catalog = site.server.observe(None).await.expect("observe");
    let refusal = async || {
        let logins = read(&site, &shop).await;
        applications::refusal(&shop, logins.get(shop_name), &Place::Schema, &catalog)
    };
    assert_eq!(refusal().await, None);
    let group = format!("{shop_name}_group");
    run(
        &root,
        &format!("CREATE ROLE {group} CREATEROLE; CREATE ROLE {group}_of IN ROLE {group}"),
    )
    .await;
    let operator = site.address.user.as_str();
    let database = site.address.database.as_str();
    let table = [
        (
            format!("ALTER ROLE {shop_name} SUPERUSER"),
            format!("ALTER ROLE {shop_name} NOSUPERUSER"),
            "has SUPERUSER",
        ),
        (
            format!("ALTER ROLE {shop_name} BYPASSRLS CREATEDB"),
            format!("ALTER ROLE {shop_name} NOBYPASSRLS NOCREATEDB"),
            "BYPASSRLS, CREATEDB",
        ),
        (
            format!("GRANT pg_monitor TO {shop_name}"),
            format!("REVOKE pg_monitor FROM {shop_name}"),
            "can act as pg_monitor",
        ),
        (
            format!("GRANT {group}_of TO {shop_name}"),
            format!("REVOKE {group}_of FROM {shop_name}"),
            "_group",
        ),
        (
            format!("GRANT {operator} TO {shop_name}"),
            format!("REVOKE {operator} FROM {shop_name}"),
            operator,
        ),
        (
            format!("GRANT {shop_name} TO {intern_name}"),
            format!("REVOKE {shop_name} FROM {intern_name}"),
            intern_name,
        ),
        (
            format!("ALTER DATABASE {database} OWNER TO {shop_name}"),
            format!("ALTER DATABASE {database} OWNER TO {operator}"),
            "owns the database",
        ),
    ];
    for (change, back, words) in table {
        run(&root, &change).await;
        let why = refusal().await.unwrap_or_default();
        assert!(why.contains(words), "{change}: {why}");
        run(&root, &back).await;
        assert_eq!(refusal().await, None, "{back}");
    }
    run(&root, &format!("ALTER ROLE {shop_name} INHERIT")).await;
    let inherits = refusal().await;
    assert_eq!(inherits.is_some(), site.pg.major < 16, "{inherits:?}");
    run(
        &root,
        &format!("DROP ROLE {group}_of, {group}, {shop_name}, {intern_name}"),
    )
    .await;
    assert!(refusal().await.expect("gone").contains("CREATE ROLE"));
}
