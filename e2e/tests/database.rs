//! A tenant's database: its content, its use by the tenant's pods, and closed access for everybody else.

use crate::support::database::{FORBIDDEN, SECRET, SERVER, Site, WRONG, ensure_refused};
use crate::support::probe::{From, closed, open};
use crate::support::rights::{all_allowed, none_allowed};
use crate::support::{Scene, eventually, kubectl, path, refused, secs, server_workload, shell_workload, summary, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// A tier whose tenants have a database of this model on the server of `make up`.
pub async fn tier(scene: &Scene, database: Value) -> Result<String> {
    let mut whole = json!({"serverSelector": {"matchLabels": {"region": "local"}}});
    crate::support::scene::lay_over(&mut whole, database);
    scene.tier(json!({"database": whole})).await
}

#[tokio::test]
async fn a_schema_of_its_own_and_a_binding_that_opens_it() -> Result<()> {
    let Some(site) = Site::find("a_schema_of_its_own_and_a_binding_that_opens_it") else {
        return Ok(());
    };
    let scene = Scene::new("schema").await?;
    let tier = tier(&scene, json!({"model": "Schema", "connectionLimit": 7})).await?;
    let plain = scene.tier(json!({})).await?;
    let spec =
        json!({"workloads": [server_workload("web"), shell_workload("shell")], "namespaces": [{"name": "more"}]});
    let tenant = scene.tenant("", &tier, spec).await?;
    let without = scene
        .tenant("without", &plain, json!({"workloads": [server_workload("web")]}))
        .await?;
    let binding = tenant.with_database().await?;

    let status = tenant.get().await?["status"]["database"].clone();
    let schema = text(&status["schema"]);
    ensure!(
        status["server"] == SERVER
            && status["model"] == "Schema"
            && status["database"] == "tenants"
            && status["credentialsSecretRef"]["name"] == SECRET
            && schema == binding.owner(),
        "{status}"
    );
    let (columns, cells) = scene.cluster.table(&path("tenants", "", ""), &tenant.name).await?;
    let at = columns
        .iter()
        .position(|column| column == "Database")
        .context("no column")?;
    ensure!(cells[at] == "True", "{cells:?}");

    // By the Service Binding convention, and for libpq.
    ensure!(binding.kind == "servicebinding.io/postgresql", "type {}", binding.kind);
    for (key, value) in [
        ("type", "postgresql"),
        ("provider", "tenant-operator"),
        ("host", site.value("DATABASE_HOST")),
        ("port", site.value("DATABASE_PORT")),
        ("database", "tenants"),
        ("schema", &schema),
        ("sslmode", "verify-full"),
        ("PGHOST", site.value("DATABASE_HOST")),
        ("PGDATABASE", "tenants"),
        ("PGUSER", binding.user()),
        ("PGPASSWORD", binding.get("password")),
        ("PGSSLROOTCERT", "/bindings/database/ca.crt"),
        ("DATABASE_URL", binding.get("uri")),
    ] {
        ensure!(binding.get(key) == value, "the Secret's {key} is not as it should be");
    }
    ensure!(
        !scene.name.contains(binding.user()) && !binding.user().contains(&scene.name),
        "a name that tells"
    );

    let session = site.log_in(&binding).await?;
    let who = "SELECT session_user || ' ' || current_user || ' ' || current_database() || ' ' || current_schema()";
    let (user, owner) = (binding.user(), binding.owner());
    ensure!(
        session.one(who).await? == format!("{user} {owner} tenants {schema}"),
        "it is somebody else"
    );
    session
        .works("CREATE TABLE notes (text text); INSERT INTO notes VALUES ('mine')")
        .await?;
    let other = site.log_in(&binding).await?;
    ensure!(
        other.one("SELECT text FROM notes").await? == "mine",
        "another session does not see it"
    );
    let limit = format!("SELECT rolconnlimit FROM pg_roles WHERE rolname = '{user}'");
    ensure!(other.one(&limit).await? == "7", "the connection limit is another");
    let mut wrong = binding.clone();
    let uri = binding.get("uri").replace(binding.get("password"), "wrong");
    wrong.data.insert("uri".into(), uri);
    ensure_refused("a wrong password", site.log_in(&wrong).await, &[WRONG])?;

    // In its pods, in the first namespace.
    let shell = tenant.pods("shell", 1).await?.remove(0);
    let printed = kubectl::exec(&tenant.name, &shell, &["env"]).await?;
    for key in [
        "DATABASE_URL",
        "PGHOST",
        "PGPORT",
        "PGDATABASE",
        "PGUSER",
        "PGPASSWORD",
        "PGSSLMODE",
        "PGSSLROOTCERT",
    ] {
        let line = format!("{key}={}", binding.get(key));
        ensure!(
            printed.lines().any(|found| found == line),
            "the pod's {key} is not the Secret's"
        );
    }
    ensure!(
        printed.contains("SERVICE_BINDING_ROOT=/bindings"),
        "no SERVICE_BINDING_ROOT"
    );
    for (key, value) in &binding.data {
        let file = format!("/bindings/database/{key}");
        let content = kubectl::exec(&tenant.name, &shell, &["cat", &file]).await?;
        ensure!(content.trim_end() == value.trim_end(), "{file} is not the Secret's");
    }
    let web = tenant.pods("web", 1).await?.remove(0);
    let from = From(&tenant.name, &web);
    open("its database", from, &site.address()).await?;
    let tcp = format!("{} {}", site.value("DATABASE_HOST"), site.value("DATABASE_PORT"));
    let knock = format!("nc -w 3 {tcp} </dev/null");
    kubectl::exec(&tenant.name, &shell, &["/bin/sh", "-c", &knock])
        .await
        .context("nc")?;
    // A tenant without a database does not reach the server.
    without.ready().await?;
    let web = without.pods("web", 1).await?.remove(0);
    let from = From(&without.name, &web);
    let itself = format!("web.{}.svc.cluster.local:8080", without.name);
    open("control: a tenant without a database reaches itself", from, &itself).await?;
    closed("the server, from a tenant without a database", from, &site.address()).await?;
    let number = format!("{}:{}", site.value("DATABASE_IP"), site.value("DATABASE_PORT"));
    closed("the server's address, from a tenant without a database", from, &number).await?;
    let secret = path("secrets", &without.name, SECRET);
    ensure!(
        !scene.cluster.exists(&secret).await?,
        "a tenant without a database has a Secret"
    );
    let shown = without.get().await?;
    ensure!(shown["status"]["database"].is_null(), "{}", summary(&shown));
    Ok(())
}

#[tokio::test]
async fn a_database_of_its_own() -> Result<()> {
    let Some(site) = Site::find("a_database_of_its_own") else {
        return Ok(());
    };
    let scene = Scene::new("owndb").await?;
    let tier = tier(&scene, json!({"model": "Database"})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    let binding = tenant.with_database().await?;
    let status = tenant.get().await?["status"]["database"].clone();
    let database = binding.get("database");
    ensure!(
        status["model"] == "Database" && status["schema"] == "public" && status["database"] == database,
        "{status}"
    );
    ensure!(database == binding.owner(), "the database is called {database}");
    let session = site.log_in(&binding).await?;
    let where_ = session
        .one("SELECT current_database() || ' ' || current_schema()")
        .await?;
    ensure!(where_ == format!("{database} public"), "it is in {where_}");
    session
        .works("CREATE TABLE t (n int); INSERT INTO t VALUES (1); CREATE TEMP TABLE u (n int)")
        .await?;
    session
        .works("CREATE SCHEMA mine")
        .await
        .err()
        .context("it can make schemas beside public")?;
    let all = site.superuser("postgres").await?;
    let open = format!("SELECT has_database_privilege('public', '{database}', 'CONNECT')");
    ensure!(all.one(&open).await? == "f", "PUBLIC can connect");
    let size = eventually("its size to be known", secs(5), async || {
        let usage = tenant.get().await?["status"]["usage"]["database"].clone();
        Ok(usage)
    });
    println!("usage: {}", size.await?);
    Ok(())
}

/// Tries every way to a neighbour, each with the same on the tenant's own objects.
#[tokio::test]
async fn no_tenant_reaches_anothers() -> Result<()> {
    let Some(site) = Site::find("no_tenant_reaches_anothers") else {
        return Ok(());
    };
    let scene = Scene::new("apart").await?;
    let schemas = tier(&scene, json!({"model": "Schema"})).await?;
    let databases = tier(&scene, json!({"model": "Database"})).await?;
    let (a, b) = (
        scene.tenant("a", &schemas, json!({})).await?,
        scene.tenant("b", &schemas, json!({})).await?,
    );
    let (c, d) = (
        scene.tenant("c", &databases, json!({})).await?,
        scene.tenant("d", &databases, json!({})).await?,
    );
    let (a, b) = tokio::try_join!(a.with_database(), b.with_database())?;
    let (c, d) = tokio::try_join!(c.with_database(), d.with_database())?;
    let make = "CREATE TABLE t (n int PRIMARY KEY); INSERT INTO t VALUES (1); \
                CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE s";
    for binding in [&a, &b, &c, &d] {
        site.log_in(binding).await?.works(make).await?;
    }
    let session = site.log_in(&a).await?;
    let everything = |schema: &str| {
        [
            format!("SELECT * FROM {schema}.t"),
            format!("INSERT INTO {schema}.t VALUES (2)"),
            format!("UPDATE {schema}.t SET n = 3"),
            format!("DELETE FROM {schema}.t"),
            format!("COPY {schema}.t TO STDOUT"),
            format!("LOCK TABLE {schema}.t"),
            format!("SELECT {schema}.f()"),
            format!("SELECT nextval('{schema}.s')"),
            format!("CREATE TABLE {schema}.x (n int)"),
            format!("CREATE TABLE r (n int REFERENCES {schema}.t)"),
            format!("TRUNCATE {schema}.t"),
            format!("ALTER TABLE {schema}.t ADD m int"),
            format!("DROP TABLE {schema}.t CASCADE"),
        ]
    };
    for query in everything(&b.owner()) {
        // A lock needs a transaction.
        let outcome = session.refused(&format!("BEGIN; {query}")).await;
        session.works("ROLLBACK").await?;
        outcome.context("a neighbour's schema")?;
    }
    for query in everything(&a.owner()) {
        // In one transaction that comes to nothing: a lock needs one, and the next needs the table.
        session.works("BEGIN").await?;
        let outcome = match query.starts_with("COPY") {
            true => session.0.copy_out(query.as_str()).await.map(|_| ()).context("COPY"),
            false => session.works(&query).await,
        };
        session.works("ROLLBACK").await?;
        outcome.context("control: its own")?;
    }
    for role in [
        b.owner(),
        b.user().to_owned(),
        "tenant_operator".into(),
        "postgres".into(),
    ] {
        session.refused(&format!("SET ROLE {role}")).await?;
    }
    session
        .works(&format!("SET ROLE {}", a.owner()))
        .await
        .context("control: its own role")?;
    for query in [
        "SELECT * FROM tenant_operator.object",
        "CREATE TABLE public.x (n int)",
        "CREATE SCHEMA x",
        "CREATE ROLE x",
        "CREATE DATABASE x",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ] {
        session.refused(query).await?;
    }
    session
        .refused(&format!("GRANT USAGE ON SCHEMA {} TO {}", a.owner(), b.owner()))
        .await
        .ok();
    let all = site.superuser("tenants").await?;
    let lets_in = format!("SELECT has_schema_privilege('{}', '{}', 'USAGE')", b.owner(), a.owner());
    ensure!(all.one(&lets_in).await? == "f", "a tenant let its neighbour in");

    for (who, whom) in [(&a, &c), (&c, &d), (&d, &a)] {
        let database = whom.get("database");
        ensure_refused("another's database", site.log_in_to(who, database).await, &[FORBIDDEN])?;
        for everybodys in ["postgres", "template1"] {
            let outcome = site.log_in_to(who, everybodys).await;
            println!(
                "{everybodys}: {:?}",
                outcome.map(|_| "open (the operator is no superuser)")
            );
        }
        site.log_in(whom).await.context("control: whose it is")?;
    }
    Ok(())
}

/// Rights to read and to write the Secret in Kubernetes.
#[tokio::test]
async fn the_secret_is_the_tenants_to_read_and_nobodys_to_change() -> Result<()> {
    let Some(site) = Site::find("the_secret_is_the_tenants_to_read_and_nobodys_to_change") else {
        return Ok(());
    };
    let scene = Scene::new("secret").await?;
    let tier = tier(&scene, json!({"model": "Schema"})).await?;
    let owned = |name: &str| json!({"owners": [{"kind": "User", "name": name, "role": "Admin"}], "workloads": [server_workload("web")]});
    let (of_a, of_b) = (format!("{}-a", scene.name), format!("{}-b", scene.name));
    let a = scene.tenant("a", &tier, owned(&of_a)).await?;
    let b = scene.tenant("b", &tier, owned(&of_b)).await?;
    let (before, _) = tokio::try_join!(a.with_database(), b.with_database())?;
    let groups = ["system:authenticated"];
    let any = [
        "get secrets",
        "list secrets",
        "watch secrets",
        "update secrets",
        "patch secrets",
        "delete secrets",
    ];
    for account in ["web", "default"] {
        let user = format!("system:serviceaccount:{}:{account}", a.name);
        let group = format!("system:serviceaccounts:{}", a.name);
        let groups = ["system:serviceaccounts", &group, "system:authenticated"];
        none_allowed(&scene.cluster, &user, &groups, &b.name, &any).await?;
        none_allowed(&scene.cluster, &user, &groups, &a.name, &any).await?;
        none_allowed(
            &scene.cluster,
            &user,
            &groups,
            crate::support::operator::NAMESPACE,
            &any,
        )
        .await?;
    }
    none_allowed(&scene.cluster, &of_a, &groups, &b.name, &any).await?;
    none_allowed(
        &scene.cluster,
        &of_a,
        &groups,
        crate::support::operator::NAMESPACE,
        &any,
    )
    .await?;
    all_allowed(&scene.cluster, &of_a, &groups, &a.name, &["get secrets"]).await?;

    let owner = scene.cluster.impersonate(&of_a, &groups)?;
    let at = path("secrets", &a.name, SECRET);
    let mut whole = owner.get(&at).await.context("control: the owner reads it")?;
    for patch in [
        json!({"stringData": {"host": "elsewhere"}}),
        json!({"metadata": {"annotations": {"note": "mine"}}}),
        json!({"metadata": {"labels": null}}),
        json!({"metadata": {"annotations": {"tenant-operator.io/previous-valid-until": "2099-01-01T00:00:00Z"}}}),
    ] {
        refused("an owner's patch", owner.patch(&at, &patch).await, &[])?;
    }
    whole["data"]["username"] = json!("bWU=");
    refused("an owner's replacement", owner.replace(&at, &whole).await, &[])?;
    refused("an owner's deletion", owner.delete(&at).await, &[])?;
    // One of its own is its own.
    let own = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "stringData": {"a": "b"}});
    let made = owner.create(&path("secrets", &a.name, ""), &own).await;
    made.context("control: an owner's own Secret")?;
    // A neighbour's pod cannot take it for its own either: there is none of that name to refer to across namespaces.
    ensure!(
        owner.get(&path("secrets", &b.name, SECRET)).await.is_err(),
        "an owner reads its neighbour's"
    );
    ensure!(a.binding().await? == before, "the Secret changed");

    // An administrator deletes it: the tenant gets other credentials that work.
    scene.cluster.delete(&at).await.context("delete it as administrator")?;
    a.touch().await?;
    let again = eventually("the Secret to come back", secs(20), async || {
        let again = a.binding().await?;
        ensure!(again.uid != before.uid, "it is still the former one");
        Ok(again)
    })
    .await?;
    ensure!(again.password() != before.password(), "the password is the former one");
    let session = site.log_in(&again).await?;
    ensure!(
        session.one("SELECT current_user").await? == before.owner(),
        "it opens another's"
    );
    a.with_database().await?;
    a.pods("web", 1).await?;
    Ok(())
}
