//! Logins and data from suspension to the end, and back.

use crate::database::tier;
use crate::support::database::{CLOSED, LOOK, SECRET, SERVER, Site, WRONG, ensure_refused, left_of, record, role_of};
use crate::support::{Scene, condition, eventually, operator, path, secs, shell_workload, text};
use anyhow::{Context, Result, ensure};
use serde_json::json;

const NOTES: &str = "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('kept')";
const READ: &str = "SELECT text FROM notes";

#[tokio::test]
async fn suspension_closes_the_logins_and_keeps_the_data() -> Result<()> {
    let Some(site) = Site::find("suspension_closes_the_logins_and_keeps_the_data") else {
        return Ok(());
    };
    let scene = Scene::new("dbsleep").await?;
    for model in ["Schema", "Database"] {
        let tier = tier(&scene, json!({"model": model})).await?;
        let tenant = scene.tenant(&model.to_lowercase(), &tier, json!({})).await?;
        let before = tenant.with_database().await?;
        let session = site.log_in(&before).await?;
        session.works(NOTES).await?;

        tenant.patch(json!({"suspend": true})).await?;
        tenant.condition("Ready", "True", &["Suspended"]).await?;
        tenant.condition("DatabaseReady", "False", &["Suspended"]).await?;
        ensure_refused("a suspended tenant", site.log_in(&before).await, &[CLOSED])?;
        eventually("its session to end", secs(5), async || {
            ensure!(session.run("SELECT 1").await.is_err(), "it goes on");
            Ok(())
        })
        .await?;

        tenant.patch(json!({"suspend": null})).await?;
        let after = tenant.with_database().await?;
        ensure!(
            site.log_in(&after).await?.one(READ).await? == "kept",
            "the data is another"
        );
    }
    Ok(())
}

#[tokio::test]
async fn delete_leaves_nothing() -> Result<()> {
    let Some(site) = Site::find("delete_leaves_nothing") else {
        return Ok(());
    };
    let scene = Scene::new("dbdelete").await?;
    for (model, database) in [("Schema", "tenants"), ("Database", "tenants")] {
        let tier = tier(&scene, json!({"model": model})).await?;
        let spec = json!({"credentials": {"overlap": "1h"}});
        let tenant = scene.tenant(&model.to_lowercase(), &tier, spec).await?;
        let first = tenant.with_database().await?;
        // With both logins open, both in use, and things of every kind.
        tenant.annotate("rotate-credentials", "one").await?;
        let second = eventually("the other login", secs(15), async || {
            let now = tenant.binding().await?;
            ensure!(now.user() != first.user(), "it is the first");
            Ok(now)
        })
        .await?;
        let (one, two) = (site.log_in(&first).await?, site.log_in(&second).await?);
        one.works(NOTES).await?;
        two.works("CREATE VIEW v AS SELECT * FROM notes; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
            .await?;
        two.works("RESET ROLE; SET ROLE NONE").await?;
        two.works("BEGIN").await?;
        let role = first.owner();
        ensure!(
            !left_of(&site, database, &role).await?.is_empty(),
            "control: nothing is found"
        );
        ensure!(
            record(&scene.cluster, &tenant.name).await?.is_some(),
            "no record of where the data is"
        );
        tenant.delete().await?;
        tenant.gone().await?;
        let left = left_of(&site, database, &role).await?;
        ensure!(left.is_empty(), "{model}: {left:?}");
        ensure!(
            record(&scene.cluster, &tenant.name).await?.is_none(),
            "the record is left"
        );
        for binding in [&first, &second] {
            ensure_refused(
                "a deleted tenant",
                site.log_in(binding).await,
                &[WRONG, CLOSED, "3D000"],
            )?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn retain_keeps_the_data_for_whoever_names_the_id() -> Result<()> {
    let Some(site) = Site::find("retain_keeps_the_data_for_whoever_names_the_id") else {
        return Ok(());
    };
    let scene = Scene::new("dbretain").await?;
    let server = site.server(&scene, "pg", &scene.name, json!({})).await?;
    server.ready().await?;
    let selector = json!({"matchLabels": {"e2e": scene.name}});
    for model in ["Schema", "Database"] {
        let tier = scene
            .tier(json!({"database": {"model": model, "serverSelector": selector}}))
            .await?;
        let name = format!("{}-{}", scene.name, model.to_lowercase());
        scene.will_leave_namespace(&name);
        let tenant = scene
            .tenant_called(&name, &tier, json!({"deletionPolicy": "Retain"}))
            .await?;
        let before = tenant.with_database().await?;
        let id = tenant.id().await?;
        let session = site.log_in(&before).await?;
        session.works(NOTES).await?;
        tenant.delete().await?;
        tenant.gone().await?;

        // Closed, and there.
        ensure_refused("a retained tenant", site.log_in(&before).await, &[CLOSED, WRONG])?;
        ensure!(session.run("SELECT 1").await.is_err(), "its session goes on");
        let data = if model == "Schema" {
            server.database.clone()
        } else {
            before.get("database").to_owned()
        };
        let all = site.superuser(&data).await?;
        let passwords = format!(
            "SELECT count(*) FROM pg_authid WHERE rolname LIKE '{}%' \
                                 AND (rolcanlogin OR rolpassword IS NOT NULL)",
            before.owner()
        );
        ensure!(
            all.one(&passwords).await? == "0",
            "a login is left open, or with a password"
        );
        let schema = before.get("schema");
        ensure!(
            all.one(&format!("SELECT text FROM {schema}.notes")).await? == "kept",
            "the data is gone"
        );
        let kept = record(&scene.cluster, &name)
            .await?
            .context("no record of where the data is")?;
        ensure!(
            kept["metadata"]["labels"]["tenant-operator.io/retained"] == "true"
                && kept["data"]["server"] == server.name,
            "{kept}"
        );
        server
            .patch(json!({"metadata": {"annotations": {"e2e": model}}}))
            .await?;
        // The name alone opens nothing, and gets nothing of it.
        let thief = scene.tenant_called(&name, &tier, json!({})).await?;
        thief.not_ready(&["Conflict"], &[&name]).await?;
        thief.delete().await?;
        thief.gone().await?;
        ensure!(
            all.one(&format!("SELECT text FROM {schema}.notes")).await? == "kept",
            "the data is gone"
        );
        // Nor does the name in another namespace's stead: the former one is gone, the id was not named.
        let again = scene.tenant_called(&name, &tier, json!({"id": id})).await?;
        let after = again.with_database().await?;
        ensure!(after.owner() == before.owner(), "it got another place");
        ensure!(after.password() != before.password(), "with the former password");
        ensure!(
            site.log_in(&after).await?.one(READ).await? == "kept",
            "without its data"
        );
        let kept = record(&scene.cluster, &name).await?.context("no record")?;
        ensure!(
            kept["metadata"]["labels"]["tenant-operator.io/retained"].is_null(),
            "{kept}"
        );
        drop(all);
        again.delete().await?;
        again.gone().await?;
        let left = left_of(&site, &server.database, &role_of(&id)).await?;
        ensure!(left.is_empty(), "{left:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_no_longer_asked_for() -> Result<()> {
    let Some(site) = Site::find("a_database_that_is_no_longer_asked_for") else {
        return Ok(());
    };
    let scene = Scene::new("dbdrop").await?;
    let tier = tier(&scene, json!({})).await?;
    let asked =
        json!({"workloads": [shell_workload("shell")], "database": {"model": "Schema"}, "deletionPolicy": "Retain"});
    let tenant = scene.tenant("", &tier, asked).await?;
    let before = tenant.with_database().await?;
    let role = before.owner();
    site.log_in(&before).await?.works(NOTES).await?;

    // Retain: closed, and it comes back.
    tenant.patch(json!({"database": null})).await?;
    let now = tenant.ready().await?;
    ensure!(condition(&now, "DatabaseReady").is_none(), "{}", now["status"]);
    ensure!(now["status"]["database"].is_null(), "{}", now["status"]["database"]);
    let secret = path("secrets", &tenant.name, SECRET);
    ensure!(!scene.cluster.exists(&secret).await?, "the Secret is left");
    ensure_refused("no longer asked for", site.log_in(&before).await, &[CLOSED, WRONG])?;
    eventually("pods that know of no database", secs(60), async || {
        let pod = tenant.pods("shell", 1).await?.remove(0);
        let pod = scene.cluster.get(&path("pods", &tenant.name, &pod)).await?;
        ensure!(!pod["spec"].to_string().contains("PGPASSWORD"), "they do");
        Ok(())
    })
    .await?;
    let policy = path("networkpolicies", &tenant.name, "tenant-operator-allow-database");
    ensure!(!scene.cluster.exists(&policy).await?, "its pods still reach the server");
    tenant.patch(json!({"database": {"model": "Schema"}})).await?;
    let after = tenant.with_database().await?;
    ensure!(
        after.owner() == role && after.password() != before.password(),
        "not the same place anew"
    );
    ensure!(
        site.log_in(&after).await?.one(READ).await? == "kept",
        "the data is gone"
    );

    // Nor does Delete lose it: one field of a plan ends no data, only the Tenant's own deletion does.
    tenant
        .patch(json!({"deletionPolicy": "Delete", "database": null}))
        .await?;
    tenant.ready().await?;
    ensure_refused("no longer asked for", site.log_in(&after).await, &[CLOSED, WRONG])?;
    let kept = record(&scene.cluster, &tenant.name).await?.context("no record")?;
    ensure!(
        kept["metadata"]["labels"]["tenant-operator.io/retained"] == "true",
        "{kept}"
    );
    let all = site.superuser("tenants").await?;
    let rows = format!("SELECT text FROM {role}.notes");
    ensure!(all.one(&rows).await? == "kept", "the data is gone");
    tenant.delete().await?;
    tenant.gone().await?;
    let left = left_of(&site, "tenants", &role).await?;
    ensure!(left.is_empty(), "{left:?}");
    ensure!(
        record(&scene.cluster, &tenant.name).await?.is_none(),
        "the record is left"
    );
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_is_said_and_what_was_there_stays() -> Result<()> {
    let Some(site) = Site::find("what_cannot_be_is_said_and_what_was_there_stays") else {
        return Ok(());
    };
    let scene = Scene::new("dbchange").await?;
    let bounds = json!({"allowed": ["Schema", "Database"], "connectionLimit": 3, "statementTimeout": "1500ms",
                        "lockTimeout": "700ms", "idleInTransactionSessionTimeout": "2m", "workMem": "3Mi"});
    let tier = tier(&scene, bounds).await?;
    let asked = json!({"database": {"model": "Schema", "connectionLimit": 2, "extensions": ["pgcrypto"]}});
    let tenant = scene.tenant("", &tier, asked).await?;
    let binding = tenant.with_database().await?;
    let session = site.log_in(&binding).await?;
    session.works(NOTES).await?;
    // The tier's defaults, and the extension, in a session.
    for (setting, value) in [
        ("statement_timeout", "1500ms"),
        ("lock_timeout", "700ms"),
        ("idle_in_transaction_session_timeout", "2min"),
        ("work_mem", "3MB"),
    ] {
        let shown = session.one(&format!("SHOW {setting}")).await?;
        ensure!(shown == value, "{setting} is {shown}");
    }
    let slow = session
        .run("SELECT pg_sleep(10)")
        .await
        .err()
        .context("nothing ended it")?;
    ensure!(slow.code == "57014", "{slow}");
    session
        .works("SELECT digest('a', 'sha256')")
        .await
        .context("pgcrypto")?;
    let second = site.log_in(&binding).await?;
    ensure_refused("a third connection", site.log_in(&binding).await, &["53300"])?;
    drop((session, second));

    for (change, words) in [
        (
            json!({"model": "Database"}),
            ["spec.database.model", "Schema to Database"],
        ),
        (json!({"connectionLimit": 4}), ["spec.database.connectionLimit", "3"]),
        (json!({"model": "SharedTable"}), ["spec.database.model", "SharedTable"]),
    ] {
        tenant.patch(json!({"database": change})).await?;
        tenant.not_ready(&["InvalidSpec"], &words).await?;
        ensure!(
            site.log_in(&binding).await?.one(READ).await? == "kept",
            "what was there does not stay"
        );
        tenant
            .patch(json!({"database": {"model": "Schema", "connectionLimit": 2}}))
            .await?;
        tenant.with_database().await?;
    }
    tenant
        .patch(json!({"database": {"extensions": ["pgcrypto", "file_fdw"]}}))
        .await?;
    let words = ["file_fdw", "pgcrypto", SERVER];
    tenant.database_fails(secs(20), "ExtensionNotAllowed", &words).await?;
    ensure!(
        site.log_in(&binding).await?.one(READ).await? == "kept",
        "what was there does not stay"
    );
    tenant
        .patch(json!({"database": {"extensions": ["pgcrypto"], "connectionLimit": 1}}))
        .await?;
    tenant.with_database().await?;
    let all = site.superuser("tenants").await?;
    let limit = format!("SELECT rolconnlimit FROM pg_roles WHERE rolname = '{}'", binding.user());
    ensure!(all.one(&limit).await? == "1", "the limit is another");
    let none = "SELECT count(*) FROM pg_extension WHERE extname = 'file_fdw'";
    ensure!(all.one(none).await? == "0", "the extension is there");
    Ok(())
}

/// A role of the tenant's name that the operator did not make.
#[tokio::test]
async fn what_is_somebody_elses_is_left_as_it_is() -> Result<()> {
    let Some(site) = Site::find("what_is_somebody_elses_is_left_as_it_is") else {
        return Ok(());
    };
    let scene = Scene::new("dbalien").await?;
    let tier = tier(&scene, json!({"model": "Schema"})).await?;
    let id = id_of(&scene.name);
    let role = role_of(&id);
    let all = site.superuser("tenants").await?;
    let make = format!(
        "CREATE ROLE {role} NOLOGIN CONNECTION LIMIT 77; CREATE SCHEMA {role}; CREATE TABLE {role}.theirs (n int)"
    );
    all.works(&make).await?;
    let outcome = aliens(&scene, &site, &tier, &id, &role).await;
    all.works(&format!("DROP SCHEMA IF EXISTS {role} CASCADE")).await?;
    if outcome.is_err() {
        all.run(&format!("DROP ROLE IF EXISTS {role}")).await.ok();
    }
    let tenant = outcome?;
    all.works(&format!("DROP ROLE {role}")).await?;
    // Out of the way, the tenant gets its own.
    tenant.touch().await?;
    let binding = tenant.with_database().await?;
    site.log_in(&binding).await?.works(NOTES).await?;
    Ok(())
}

async fn aliens(scene: &Scene, site: &Site, tier: &str, id: &str, role: &str) -> Result<crate::support::TestTenant> {
    let all = site.superuser("tenants").await?;
    let tenant = scene.tenant("", tier, json!({"id": id})).await?;
    tenant
        .database_fails(LOOK, "Conflict", &[role, "2 objects in all are in the way"])
        .await?;
    tenant.condition("Ready", "False", &["DatabaseNotReady"]).await?;
    ensure!(
        !scene.cluster.exists(&path("secrets", &tenant.name, SECRET)).await?,
        "there is a Secret"
    );
    let same = format!("SELECT count(*) FROM pg_roles WHERE rolname LIKE '{role}%' AND rolconnlimit = 77");
    ensure!(all.one(&same).await? == "1", "the role was changed");
    ensure!(
        all.one(&format!("SELECT count(*) FROM pg_roles WHERE rolname LIKE '{role}%'"))
            .await?
            == "1",
        "others were made"
    );
    // Nor does a deletion take it.
    let second = scene
        .tenant("second", tier, json!({"database": {"model": "Schema"}}))
        .await?;
    second.with_database().await.context("control: another tenant")?;
    ensure!(
        all.one(&format!("SELECT count(*) FROM {role}.theirs")).await? == "0",
        "the table is gone"
    );
    Ok(tenant)
}

/// A UUID of this scene's own.
fn id_of(name: &str) -> String {
    let random = name.rsplit('-').next().unwrap_or_default();
    format!("00000000-0000-4000-8000-000000{random}")
}

/// The Secret is only in the tenant's namespace; the record in the operator's namespace holds nothing of it.
#[tokio::test]
async fn the_record_names_server_and_model_and_no_secret() -> Result<()> {
    let Some(_site) = Site::find("the_record_names_server_and_model_and_no_secret") else {
        return Ok(());
    };
    let scene = Scene::new("dbrecord").await?;
    let tier = tier(&scene, json!({"model": "Schema"})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    let binding = tenant.with_database().await?;
    let kept = record(&scene.cluster, &tenant.name).await?.context("no record")?;
    ensure!(
        kept["data"] == json!({"tenant": tenant.name, "server": SERVER, "model": "Schema"}),
        "{kept}"
    );
    ensure!(!kept.to_string().contains(binding.get("password")), "a password in it");
    // The operator reverts others' changes to it: it records the place of the data.
    let at = path("configmaps", operator::NAMESPACE, &text(&kept["metadata"]["name"]));
    scene.cluster.patch(&at, &json!({"data": {"note": "mine"}})).await?;
    eventually("the record to be mended", secs(15), async || {
        let now = scene.cluster.get(&at).await?;
        ensure!(now["data"] == kept["data"], "{now}");
        Ok(())
    })
    .await
}
