//! The platform's own tables, which tenants share row by row.

use crate::support::database::{CLOSED, LOOK, Site, Sql, WRONG, ensure_refused};
use crate::support::{Scene, eventually, secs};
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// A platform's database as its administrator would make it: tables of its own, an application and a migration role.
async fn platform(site: &Site, name: &str) -> Result<Sql> {
    let all = site.superuser("postgres").await?;
    for role in ["app", "migrations"] {
        all.works(&format!("CREATE ROLE {name}_{role} NOLOGIN")).await?;
    }
    // The instruction of `tenant-operator database-script` for such tables: the operator acts for their owner.
    all.works(&format!("GRANT {name}_migrations TO tenant_operator"))
        .await?;
    all.works(&format!(
        "CREATE DATABASE {name} TEMPLATE template0 OWNER tenant_operator"
    ))
    .await?;
    let inside = site.superuser(name).await?;
    inside
        .works("REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE SCHEMA calls")
        .await?;
    inside
        .works(&format!(
            "ALTER SCHEMA calls OWNER TO {name}_migrations; GRANT USAGE ON SCHEMA calls TO {name}_app"
        ))
        .await?;
    table(&inside, name, "call").await?;
    inside
        .works(&format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON calls.call TO {name}_app"
        ))
        .await?;
    Ok(inside)
}

async fn table(inside: &Sql, name: &str, table: &str) -> Result<()> {
    inside
        .works(&format!(
            "SET ROLE {name}_migrations; CREATE TABLE calls.{table} (tenant_id uuid NOT NULL, id int, text text, \
             PRIMARY KEY (tenant_id, id)); RESET ROLE"
        ))
        .await
}

#[tokio::test]
async fn each_sees_its_own_rows_only() -> Result<()> {
    let Some(site) = Site::find("each_sees_its_own_rows_only") else {
        return Ok(());
    };
    let scene = Scene::new("dbshared").await?;
    let name = format!("{}_app", scene.name.replace('-', "_"));
    let inside = platform(&site, &name).await?;
    let outcome = shared(&scene, &site, &name, &inside).await;
    drop(inside);
    let all = site.superuser("postgres").await?;
    all.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    for role in ["app", "migrations"] {
        all.run(&format!("DROP ROLE IF EXISTS {name}_{role}")).await?;
    }
    outcome
}

async fn shared(scene: &Scene, site: &Site, name: &str, inside: &Sql) -> Result<()> {
    let tables = json!([{"database": name, "schema": "calls", "tables": ["*"], "column": "tenant_id", "type": "Uuid",
                         "applicationRoles": [format!("{name}_app")], "migrationRole": format!("{name}_migrations")}]);
    let server = site
        .server(scene, "pg", &scene.name, json!({"sharedTables": tables}))
        .await?;
    server.ready().await?;
    let selector = json!({"matchLabels": {"e2e": scene.name}});
    let tier = scene
        .tier(json!({"isolation": {"default": "SharedData"},
                     "database": {"model": "SharedTable", "serverSelector": selector}}))
        .await?;
    let (a, b) = (
        scene
            .tenant(
                "a",
                &tier,
                json!({"number": 1234, "displayName": "It's A", "configuration": {"plan": "x"}}),
            )
            .await?,
        scene.tenant("b", &tier, json!({})).await?,
    );
    let (first, second) = tokio::try_join!(a.with_database(), b.with_database())?;
    let (id_a, id_b) = (a.id().await?, b.id().await?);
    let status = a.get().await?["status"]["database"].clone();
    ensure!(
        status["model"] == "SharedTable" && status["database"] == name && status["schema"].is_null(),
        "{status}"
    );
    ensure!(
        first.get("database") == name && first.get("schema").is_empty(),
        "{:?}",
        first.data.keys()
    );
    ensure!(status["number"] == 1234, "{status}");
    let session_a = site.log_in(&first).await?;
    let itself = "SELECT concat_ws(',', number, display_name, settings ->> 'plan', created_at IS NOT NULL) FROM tenant_registry.tenant";
    ensure!(
        session_a.one(itself).await? == "1234,It's A,x,t",
        "the registry has {}",
        session_a.one(itself).await?
    );
    a.patch(json!({"displayName": "A"})).await?;
    eventually("the registry to have the new name", secs(30), async || {
        let now = session_a.one(itself).await?;
        ensure!(now.contains(",A,x"), "{now}");
        Ok(())
    })
    .await?;
    let session_b = site.log_in(&second).await?;
    // Each may act, and only for itself.
    session_a
        .works(&format!(
            "INSERT INTO call VALUES ('{id_a}', 1, 'of a'), ('{id_a}', 2, 'of a')"
        ))
        .await?;
    session_b
        .works(&format!("INSERT INTO call VALUES ('{id_b}', 1, 'of b')"))
        .await?;
    session_a
        .refused(&format!("INSERT INTO call VALUES ('{id_b}', 9, 'forged')"))
        .await?;
    let rows = "SELECT string_agg(text, ',' ORDER BY id) FROM call";
    ensure!(
        session_a.one(rows).await? == "of a,of a",
        "a sees {}",
        session_a.one(rows).await?
    );
    ensure!(
        session_b.one(rows).await? == "of b",
        "b sees {}",
        session_b.one(rows).await?
    );
    ensure!(
        session_b.run("UPDATE call SET text = 'x' RETURNING 1").await?.len() == 1,
        "b changes others' rows"
    );
    ensure!(
        session_a.one("SELECT count(*) FROM call WHERE text = 'x'").await? == "0",
        "b changed a's rows"
    );
    session_a
        .works(&format!("SET app.current_tenant_id = '{id_b}'"))
        .await?;
    ensure!(session_a.one(rows).await? == "of a,of a", "a forged its way in");
    session_a.refused("TRUNCATE call").await?;
    session_a.refused("ALTER TABLE call DISABLE ROW LEVEL SECURITY").await?;
    session_a.refused("CREATE TABLE calls.own (n int)").await?;
    // The application, which serves all: by what it sets in its transaction, and none without.
    let seen = async |set: &str| {
        inside
            .one(&format!(
                "BEGIN; SET LOCAL ROLE {name}_app; {set}; SELECT count(*) FROM calls.call"
            ))
            .await
    };
    for (set, count) in [
        (format!("SET LOCAL app.current_tenant_id = '{id_a}'"), "2"),
        (format!("SET LOCAL app.current_tenant_id = '{id_b}'"), "1"),
        ("SET LOCAL app.current_tenant_id = ''".to_owned(), "0"),
        ("SELECT 0 WHERE false".to_owned(), "0"),
    ] {
        let found = seen(&set).await;
        inside.works("ROLLBACK").await?;
        ensure!(found? == count, "the application after {set}");
    }
    let malformed = seen("SET LOCAL app.current_tenant_id = 'x'").await;
    inside.works("ROLLBACK").await?;
    ensure!(malformed.is_err(), "a malformed tenant gives rows: {malformed:?}");
    let names = format!(
        "SELECT string_agg(name, ',' ORDER BY name) FROM tenant_registry.tenant WHERE id IN ('{id_a}', '{id_b}')"
    );
    ensure!(
        inside.one(&names).await? == format!("{},{}", a.name, b.name),
        "{}",
        inside.one(&names).await?
    );

    // A table made later is closed, and then open by its policies.
    table(inside, name, "note").await?;
    inside
        .works(&format!(
            "INSERT INTO calls.note VALUES ('{id_a}', 1, 'note of a'), ('{id_b}', 1, 'note of b')"
        ))
        .await?;
    let notes = "SELECT string_agg(text, ',') FROM calls.note";
    let early = session_a.run(notes).await;
    ensure!(
        early.is_err() || early.iter().flatten().all(|row| row == "note of a"),
        "open before its policies: {early:?}"
    );
    eventually("the new table to be shared", LOOK, async || {
        let seen = session_a.run(notes).await?;
        ensure!(seen == ["note of a"], "{seen:?}");
        Ok(())
    })
    .await?;
    ensure!(
        session_b.one(notes).await? == "note of b",
        "b sees {}",
        session_b.one(notes).await?
    );
    let forced = "SELECT count(*) FROM pg_class WHERE relnamespace = 'calls'::regnamespace AND relkind = 'r' \
                  AND relrowsecurity AND relforcerowsecurity";
    ensure!(
        inside.one(forced).await? == "2",
        "row-level security is not forced on both"
    );
    server.condition("SharedTablesProtected", "True", "", &[]).await?;

    // Somebody switches it off: switched on again, and told meanwhile or mended.
    inside
        .works("ALTER TABLE calls.note DISABLE ROW LEVEL SECURITY")
        .await?;
    ensure!(
        session_a.one("SELECT count(*) FROM calls.note").await? != "1",
        "control: it was not switched off"
    );
    eventually("row-level security to be back", LOOK, async || {
        ensure!(inside.one(forced).await? == "2", "it is not");
        Ok(())
    })
    .await?;
    ensure!(
        session_a.one(notes).await? == "note of a",
        "a sees {}",
        session_a.one(notes).await?
    );

    // The end of one: its rows go, the other's stay.
    a.delete().await?;
    a.gone().await?;
    let left = format!(
        "SELECT (SELECT count(*) FROM calls.call WHERE tenant_id = '{id_a}') + \
                        (SELECT count(*) FROM calls.note WHERE tenant_id = '{id_a}')"
    );
    ensure!(inside.one(&left).await? == "0", "rows of a are left");
    ensure_refused("a deleted tenant", site.log_in(&first).await, &[WRONG, CLOSED])?;
    ensure!(
        session_b.one("SELECT count(*) FROM call").await? == "1",
        "b's rows are gone"
    );
    b.delete().await?;
    b.gone().await.context("the last one")
}
