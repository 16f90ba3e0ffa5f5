//! A server that hangs or is gone, an operator that is killed in the middle, and quiet.

use crate::crash::kill_again_and_again;
use crate::quiet::none;
use crate::support::audit::Audit;
use crate::support::database::{Binding, OPERATOR, OwnServer, Site, record, role_of};
use crate::support::{Scene, TestTenant, condition, eventually, operator, path, secs, server_workload, summary, text};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::Instant;

/// Within this a server's absence is told, and within this its tenants are Ready after its return.
const TOLD: u64 = 35;
const BACK: u64 = 30;

async fn tier_on(scene: &Scene, server: &OwnServer) -> Result<String> {
    ensure!(server.name.starts_with(&scene.name), "another scene's server");
    let selector = json!({"matchLabels": {"e2e": scene.name}});
    scene
        .tier(json!({"database": {"model": "Schema", "serverSelector": selector}}))
        .await
}

async fn back(tenant: &TestTenant) -> Result<()> {
    let begun = Instant::now();
    eventually(&format!("{} to be Ready again", tenant.name), secs(BACK), async || {
        let now = tenant.get().await?;
        let is = |kind: &str| condition(&now, kind).is_some_and(|c| c["status"] == "True");
        ensure!(is("Ready") && is("DatabaseReady"), "{}", summary(&now));
        Ok(())
    })
    .await?;
    println!("{} is Ready {:?} after the return", tenant.name, begun.elapsed());
    Ok(())
}

/// A deletion that waits, and says for what.
async fn waits_for(tenant: &TestTenant, server: &OwnServer) -> Result<()> {
    let namespace = path("namespaces", "", &tenant.name);
    eventually(
        &format!("{} to wait for its database only", tenant.name),
        secs(60),
        async || {
            ensure!(!tenant.cluster.exists(&namespace).await?, "its namespace is there");
            let now = tenant.get().await?;
            let ready = condition(&now, "Ready").cloned().unwrap_or_default();
            ensure!(text(&ready["message"]).contains(&server.name), "{}", summary(&now));
            Ok(())
        },
    )
    .await
}

async fn away(scene: &Scene, site: &Site) -> Result<()> {
    let server = site.server(scene, "pg", &scene.name, json!({})).await?;
    server.ready().await?;
    let (tier, plain) = (tier_on(scene, &server).await?, scene.tier(json!({})).await?);
    let spec = json!({"workloads": [server_workload("web")], "quota": {"pods": 10}});
    let stays = scene.tenant("stays", &tier, spec).await?;
    let goes = scene.tenant("goes", &tier, json!({})).await?;
    let given_up = scene.tenant("givenup", &tier, json!({})).await?;
    let other = scene.tenant("other", &plain, json!({})).await?;
    for tenant in [&stays, &goes, &given_up] {
        tenant.with_database().await?;
    }
    other.ready().await?;
    let pods = stays.pods("web", 1).await?;

    // It hangs: every connection is there, and nothing answers.
    site.control("pause").await?;
    let begun = Instant::now();
    stays.database_fails(secs(TOLD), "Server", &[&server.name]).await?;
    println!("told after {:?}", begun.elapsed());
    let now = stays.get().await?;
    ensure!(
        condition(&now, "Ready").is_some_and(|c| c["status"] == "False"),
        "{}",
        summary(&now)
    );
    server.condition("Reachable", "False", "", &[]).await?;
    // What needs no database goes on: other tenants, and everything else of this one.
    let begun = Instant::now();
    let late = scene.tenant("late", &plain, json!({})).await?;
    late.ready().await?;
    println!("a tenant without a database is Ready after {:?}", begun.elapsed());
    ensure!(
        begun.elapsed() < secs(15),
        "a tenant without a database took {:?}",
        begun.elapsed()
    );
    stays.patch(json!({"quota": {"pods": 9}})).await?;
    eventually("the quota to be as asked", secs(10), async || {
        let quota = scene
            .cluster
            .get(&path("resourcequotas", &stays.name, "tenant"))
            .await?;
        ensure!(
            quota["spec"]["hard"]["pods"] == "9" || quota["spec"]["hard"]["pods"] == 9,
            "{}",
            quota["spec"]
        );
        Ok(())
    })
    .await?;
    ensure!(stays.pods("web", 1).await? == pods, "its pods are others");
    let homeless = scene.tenant("homeless", &tier, json!({})).await?;
    homeless.database_fails(secs(20), "NoServer", &[&server.name]).await?;
    goes.delete().await?;
    waits_for(&goes, &server).await?;

    site.control("resume").await?;
    for tenant in [&stays, &given_up, &homeless] {
        back(tenant).await?;
    }
    goes.gone().await?;
    site.log_in(&homeless.binding().await?).await?;
    ensure!(stays.pods("web", 1).await? == pods, "its pods are others");

    // It is gone.
    let (id, before) = (given_up.id().await?, given_up.binding().await?);
    site.control("stop").await?;
    let begun = Instant::now();
    stays.database_fails(secs(TOLD), "Server", &[&server.name]).await?;
    println!("told after {:?}", begun.elapsed());
    given_up.delete().await?;
    waits_for(&given_up, &server).await?;
    given_up.annotate("abandon-database", "another").await?;
    tokio::time::sleep(secs(3)).await;
    ensure!(
        scene.cluster.exists(&given_up.path()).await?,
        "given up for another server's name"
    );
    given_up.annotate("abandon-database", &server.name).await?;
    given_up.gone().await?;
    let events = scene.cluster.list(&path("events", "", "")).await?;
    let told = |event: &&serde_json::Value| {
        event["reason"] == "DatabaseAbandoned" && event["involvedObject"]["name"] == given_up.name
    };
    let event = events.iter().find(told).context("no event tells of it")?;
    ensure!(text(&event["message"]).contains(&server.name), "{event}");
    let kept = record(&scene.cluster, &given_up.name)
        .await?
        .context("its record is gone")?;
    ensure!(kept["data"]["server"] == server.name, "{kept}");

    site.control("start").await?;
    for tenant in [&stays, &homeless] {
        back(tenant).await?;
    }
    server.ready().await?;
    ensure!(stays.pods("web", 1).await? == pods, "its pods are others");
    // Left as it is, as was said.
    ensure!(before.owner() == role_of(&id), "another role");
    site.log_in(&before)
        .await
        .context("what was given up is left as it was")?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_hangs_and_one_that_is_gone() -> Result<()> {
    let Some(site) = Site::find("a_server_that_hangs_and_one_that_is_gone") else {
        return Ok(());
    };
    let scene = Scene::new("dbaway").await?;
    // Whatever becomes of it, the server is back before anything is cleaned up.
    let kept = std::sync::Arc::new(Return(site.clone()));
    let outcome = away(&scene, &site).await;
    drop(kept);
    outcome
}

/// Brings the server back, also when a test ends in a panic.
struct Return(Site);

impl Drop for Return {
    fn drop(&mut self) {
        for verb in ["resume", "start"] {
            let control = self.0.value("DATABASE_CONTROL");
            let _ = std::process::Command::new(control).arg(verb).output();
        }
    }
}

/// Killed while it makes ten databases, and while it renews their credentials.
#[tokio::test]
async fn kills_in_the_middle() -> Result<()> {
    let Some(site) = Site::find("kills_in_the_middle") else {
        return Ok(());
    };
    let scene = Scene::new("dbcrash").await?;
    operator::renew(&scene.cluster).await?;
    let selector = json!({"matchLabels": {"region": "local"}});
    let mut tenants = Vec::new();
    for model in ["Schema", "Database"] {
        let tier = scene
            .tier(json!({"database": {"model": model, "serverSelector": selector}}))
            .await?;
        for number in 0..5 {
            let suffix = format!("{}{number}", model.to_lowercase());
            tenants.push(
                scene
                    .tenant(&suffix, &tier, json!({"credentials": {"overlap": "5s"}}))
                    .await?,
            );
        }
    }
    kill_again_and_again(&scene, 3).await?;
    operator::available(&scene.cluster).await?;
    let (mut first, mut passwords) = (Vec::new(), Vec::new());
    for tenant in &tenants {
        let binding = tenant.with_database().await?;
        site.log_in(&binding).await?.works("CREATE TABLE kept (n int)").await?;
        passwords.push(binding.password());
        first.push(binding);
    }
    operator::renew(&scene.cluster).await?;
    // A tenant that changes its own password: found at the next start.
    let selfish = &first[0];
    let session = site.log_in(selfish).await?;
    session.works("SET ROLE NONE").await?;
    let verifier = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    session
        .works(&format!("ALTER ROLE {} PASSWORD '{verifier}'", selfish.user()))
        .await?;
    ensure!(
        site.log_in(selfish).await.is_err(),
        "control: the Secret opens it all the same"
    );
    for tenant in &tenants[1..] {
        tenant.annotate("rotate-credentials", "all").await?;
    }
    kill_again_and_again(&scene, 2).await?;
    operator::available(&scene.cluster).await?;
    eventually("the password to be set back", secs(60), async || {
        site.log_in(&tenants[0].binding().await?).await?;
        Ok(())
    })
    .await?;
    for (tenant, before) in tenants.iter().zip(&first).skip(1) {
        let after: Binding = eventually(&format!("{} to be renewed", tenant.name), secs(60), async || {
            let now = tenant.binding().await?;
            ensure!(
                now.annotations
                    .get("tenant-operator.io/rotated-for")
                    .is_some_and(|r| r == "all"),
                "it is not"
            );
            Ok(now)
        })
        .await?;
        passwords.push(after.password());
        ensure!(after.user() != before.user(), "{} has the same login", tenant.name);
        let session = site.log_in(&after).await?;
        session.works("INSERT INTO kept VALUES (1)").await?;
    }
    for (tenant, before) in tenants.iter().zip(&first).skip(1) {
        eventually("the former login to close", secs(40), async || {
            ensure!(site.log_in(before).await.is_err(), "{} lets it in", tenant.name);
            Ok(())
        })
        .await?;
        tenant.with_database().await?;
    }
    site.nowhere_to_be_read(&scene, &passwords).await
}

/// Nothing changes: the operator looks, and writes nothing, neither to PostgreSQL nor to Kubernetes.
#[tokio::test]
async fn in_quiet_no_statement_writes() -> Result<()> {
    let Some(site) = Site::find("in_quiet_no_statement_writes") else {
        return Ok(());
    };
    let scene = Scene::new("dbquiet").await?;
    let selector = json!({"matchLabels": {"region": "local"}});
    let mut tenants = Vec::new();
    for model in ["Schema", "Database"] {
        let tier = scene
            .tier(json!({"database": {"model": model, "serverSelector": selector}}))
            .await?;
        for number in 0..3 {
            tenants.push(
                scene
                    .tenant(&format!("{}{number}", model.to_lowercase()), &tier, json!({}))
                    .await?,
            );
        }
    }
    for tenant in &tenants {
        tenant.with_database().await?;
    }
    tokio::time::sleep(secs(10)).await;
    let (log, audit) = (site.log()?, Audit::now()?);
    tokio::time::sleep(secs(120)).await;
    let statements = log.statements(OPERATOR)?;
    let reads = |statement: &&String| {
        let text = statement.trim_start();
        let code = text
            .lines()
            .find(|line| !line.trim_start().starts_with("--"))
            .unwrap_or_default();
        let word = code
            .trim_start()
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default();
        matches!(word.to_ascii_uppercase().as_str(), "SELECT" | "WITH" | "SHOW" | "")
    };
    let writes: Vec<_> = statements.iter().filter(|statement| !reads(statement)).collect();
    ensure!(writes.is_empty(), "two minutes of quiet: {writes:#?}");
    ensure!(!statements.is_empty(), "it did not even look: this test proves nothing");
    println!("{} statements in two minutes", statements.len());
    ensure!(statements.len() <= 60, "{} statements in two minutes", statements.len());
    let calm = |write: &crate::support::audit::Write| write.resource != "databaseservers";
    let written: Vec<_> = audit.operator_writes()?.into_iter().filter(calm).collect();
    none("two minutes of quiet", &written)
}
