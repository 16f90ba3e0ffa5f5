//! A server that hangs or is gone, an operator that is killed in the middle, and quiet.

use crate::support::database::{Binding, OPERATOR, OwnServer, ServerLog, Site, record, role_of};
use crate::support::{Scene, TestTenant, condition, eventually, path, secs, server_workload, summary, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Instant;

/// The time for a status to name the server's absence, and for tenants to be Ready after its return.
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

/// Checks that a deletion waits, and names the server.
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
    // Beside this the network is tried, which costs a pod for each namespace that may have some.
    let without_pods = || json!({"quota": {"pods": 0}});
    let goes = scene.tenant("goes", &tier, without_pods()).await?;
    let given_up = scene.tenant("givenup", &tier, without_pods()).await?;
    let other = scene.tenant("other", &plain, without_pods()).await?;
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
    // Everything without a database goes on: other tenants, and the rest of this one.
    let begun = Instant::now();
    let late = scene.tenant("late", &plain, without_pods()).await?;
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
    let homeless = scene.tenant("homeless", &tier, without_pods()).await?;
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

pub async fn a_server_that_hangs_and_one_that_is_gone() -> Result<()> {
    let Some(site) = Site::find("a_server_that_hangs_and_one_that_is_gone") else {
        return Ok(());
    };
    let scene = Scene::new("dbaway").await?;
    // The server comes back before the clean-up, whatever the outcome.
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

/// Ten databases while the operator is killed.
pub struct Databases {
    site: Site,
    tenants: Vec<TestTenant>,
    first: Vec<Binding>,
    passwords: Vec<String>,
}

impl Databases {
    /// None where the cluster has no PostgreSQL.
    pub async fn asked_for(scene: &Scene) -> Result<Option<Self>> {
        let Some(site) = Site::find("kills while databases are made") else {
            return Ok(None);
        };
        let spec = json!({"credentials": {"overlap": "5s"}});
        Ok(Some(Self {
            site,
            tenants: of_both_models(scene, 5, &spec).await?,
            first: Vec::new(),
            passwords: Vec::new(),
        }))
    }

    pub async fn are_made(&mut self) -> Result<()> {
        for tenant in &self.tenants {
            let binding = tenant.with_database().await?;
            let session = self.site.log_in(&binding).await?;
            session.works("CREATE TABLE kept (n int)").await?;
            self.passwords.push(binding.password());
            self.first.push(binding);
        }
        Ok(())
    }

    /// All but the first, which changes its own password: the operator finds that when it starts.
    pub async fn are_to_be_renewed(&self) -> Result<()> {
        let selfish = &self.first[0];
        let session = self.site.log_in(selfish).await?;
        session.works("SET ROLE NONE").await?;
        let verifier = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        session
            .works(&format!("ALTER ROLE {} PASSWORD '{verifier}'", selfish.user()))
            .await?;
        ensure!(
            self.site.log_in(selfish).await.is_err(),
            "control: the Secret opens it all the same"
        );
        for tenant in &self.tenants[1..] {
            tenant.annotate("rotate-credentials", "all").await?;
        }
        Ok(())
    }

    pub async fn are_renewed(mut self, scene: &Scene) -> Result<()> {
        let Self {
            site,
            tenants,
            first,
            passwords,
        } = &mut self;
        eventually("the password to be set back", secs(60), async || {
            site.log_in(&tenants[0].binding().await?).await?;
            Ok(())
        })
        .await?;
        for (tenant, before) in tenants.iter().zip(&*first).skip(1) {
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
        for (tenant, before) in tenants.iter().zip(&*first).skip(1) {
            eventually("the former login to close", secs(40), async || {
                ensure!(site.log_in(before).await.is_err(), "{} lets it in", tenant.name);
                Ok(())
            })
            .await?;
            tenant.with_database().await?;
        }
        site.nowhere_to_be_read(scene, passwords).await
    }
}

/// Makes this number of tenants with a schema on the installed server, and as many with a database.
async fn of_both_models(scene: &Scene, count: usize, spec: &Value) -> Result<Vec<TestTenant>> {
    let selector = json!({"matchLabels": {"region": "local"}});
    let mut tenants = Vec::new();
    for model in ["Schema", "Database"] {
        let tier = scene
            .tier(json!({"database": {"model": model, "serverSelector": selector}}))
            .await?;
        for number in 0..count {
            let suffix = format!("{}{number}", model.to_lowercase());
            tenants.push(scene.tenant(&suffix, &tier, spec.clone()).await?);
        }
    }
    Ok(tenants)
}

/// Tenants with databases of which nothing changes.
pub struct Unchanged(Site);

impl Unchanged {
    /// None where the cluster has no PostgreSQL.
    pub async fn settled(scene: &Scene) -> Result<Option<Self>> {
        let Some(site) = Site::find("in quiet no statement writes") else {
            return Ok(None);
        };
        for tenant in of_both_models(scene, 3, &json!({})).await? {
            tenant.with_database().await?;
        }
        Ok(Some(Self(site)))
    }

    pub fn log(&self) -> Result<ServerLog> {
        self.0.log()
    }
}

/// The operator looks, and writes nothing; it sends no more than so many statements, however many tenants there are.
pub fn only_read(log: &ServerLog, seconds: u64, most: usize) -> Result<()> {
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
    ensure!(writes.is_empty(), "{seconds} seconds of quiet: {writes:#?}");
    ensure!(!statements.is_empty(), "it did not even look: this test proves nothing");
    let count = statements.len();
    println!("{count} statements in {seconds} seconds");
    ensure!(count <= most, "{count} statements in {seconds} seconds");
    Ok(())
}
