//! Placement of tenants, and the status of a DatabaseServer.

use crate::support::database::{LOOK, Site, record, role_of};
use crate::support::{Scene, TestTenant, condition, eventually, operator, path, secs, summary, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

async fn tier(scene: &Scene, label: &str) -> Result<String> {
    let selector = json!({"matchLabels": {"e2e": label}});
    scene
        .tier(json!({"database": {"model": "Schema", "serverSelector": selector}}))
        .await
}

async fn server_of(tenant: &TestTenant) -> Result<String> {
    let binding = tenant.with_database().await?;
    let status = tenant.get().await?["status"]["database"].clone();
    ensure!(status["database"] == binding.get("database"), "{status}");
    Ok(text(&status["server"]))
}

#[tokio::test]
async fn where_no_server_fits_each_says_why() -> Result<()> {
    let Some(site) = Site::find("where_no_server_fits_each_says_why") else {
        return Ok(());
    };
    let scene = Scene::new("dbfull").await?;
    let server = site
        .server(&scene, "pg", &scene.name, json!({"capacity": {"maxTenants": 1}}))
        .await?;
    server.ready().await?;
    let nowhere = tier(&scene, "nowhere").await?;
    let here = tier(&scene, &scene.name).await?;
    let lost = scene.tenant("lost", &nowhere, json!({})).await?;
    let words = [server.name.as_str(), "labels do not match", "sample"];
    lost.database_fails(secs(20), "NoServer", &words).await?;
    lost.condition("Ready", "False", &["DatabaseNotReady"]).await?;
    ensure!(
        !scene
            .cluster
            .exists(&path("secrets", &lost.name, "tenant-database"))
            .await?,
        "it has a Secret"
    );

    let first = scene.tenant("first", &here, json!({})).await?;
    ensure!(server_of(&first).await? == server.name, "it is elsewhere");
    let second = scene.tenant("second", &here, json!({})).await?;
    second
        .database_fails(secs(20), "NoServer", &[&server.name, "it is full: 1 tenant is on it"])
        .await?;
    server.condition("Ready", "False", "Full", &["maxTenants is 1"]).await?;
    server.condition("Reachable", "True", "", &[]).await?;
    let status = server.get().await?["status"].clone();
    ensure!(
        status["tenants"] == 1 && text(&status["serverVersion"]).starts_with("15."),
        "{status}"
    );
    ensure!(text(&status["tls"]).contains("TLS"), "{status}");
    // The present tenant stays, and free room admits the next.
    first.with_database().await?;
    server.patch(json!({"spec": {"capacity": {"maxTenants": 2}}})).await?;
    ensure!(server_of(&second).await? == server.name, "it is elsewhere");
    // A label that matches finds the one that waits.
    server
        .patch(json!({"spec": {"capacity": {"maxTenants": 3}}, "metadata": {"labels": {"e2e": "nowhere"}}}))
        .await?;
    ensure!(server_of(&lost).await? == server.name, "it is elsewhere");
    first.with_database().await?;
    Ok(())
}

/// Others have a schema of the tenant's name: it is never placed, and takes no place from the next one.
#[tokio::test]
async fn a_tenant_without_data_gives_its_place_back() -> Result<()> {
    let Some(site) = Site::find("a_tenant_without_data_gives_its_place_back") else {
        return Ok(());
    };
    let scene = Scene::new("dbfree").await?;
    let spec = json!({"capacity": {"maxTenants": 1}, "tls": {"minVersion": "TLSv1.3"}});
    let server = site.server(&scene, "pg", &scene.name, spec).await?;
    server.ready().await?;
    let here = tier(&scene, &scene.name).await?;
    let random = scene.name.rsplit('-').next().unwrap_or_default();
    let id = format!("00000000-0000-4000-8000-000000{random}");
    let all = site.superuser(&server.database).await?;
    all.works(&format!("CREATE SCHEMA {}", role_of(&id))).await?;
    let spec = json!({"id": id, "deletionPolicy": "Retain"});
    let first = scene.tenant("first", &here, spec).await?;
    scene.will_leave_namespace(&first.name);
    first.database_fails(LOOK, "Conflict", &[&role_of(&id)]).await?;
    let next = scene.tenant("next", &here, json!({})).await?;
    next.database_fails(secs(20), "NoServer", &["it is full"]).await?;
    first.delete().await?;
    first.gone().await?;
    ensure!(record(&scene.cluster, &first.name).await?.is_none(), "a record is left");
    next.touch().await?;
    ensure!(server_of(&next).await? == server.name, "it is elsewhere");
    let left = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{}'", role_of(&id));
    ensure!(all.one(&left).await? == "1", "the others' schema is gone");
    // Its clients with libpq are bound as the operator is.
    let oldest = next.binding().await?.get("PGSSLMINPROTOCOLVERSION").to_owned();
    ensure!(oldest == "TLSv1.3", "{oldest}");
    Ok(())
}

#[tokio::test]
async fn tenants_spread_and_stay() -> Result<()> {
    let Some(site) = Site::find("tenants_spread_and_stay") else {
        return Ok(());
    };
    let scene = Scene::new("dbspread").await?;
    let one = site
        .server(&scene, "one", &scene.name, json!({"capacity": {"maxTenants": 10}}))
        .await?;
    let two = site
        .server(&scene, "two", &scene.name, json!({"capacity": {"maxTenants": 10}}))
        .await?;
    tokio::try_join!(one.ready(), two.ready())?;
    let tier = tier(&scene, &scene.name).await?;
    let mut tenants = Vec::new();
    for number in 0..6 {
        tenants.push(scene.tenant(&number.to_string(), &tier, json!({})).await?);
    }
    let mut places = Vec::new();
    for tenant in &tenants {
        places.push(server_of(tenant).await?);
    }
    let on = |name: &str| places.iter().filter(|place| *place == name).count();
    ensure!(on(&one.name) == 3 && on(&two.name) == 3, "{places:?}");
    for (tenant, place) in tenants.iter().zip(&places) {
        let database = if *place == one.name {
            &one.database
        } else {
            &two.database
        };
        let binding = tenant.binding().await?;
        ensure!(
            binding.get("database") == database,
            "{} of {place}",
            binding.get("database")
        );
        site.log_in(&binding).await?;
    }
    // A label taken away places nobody elsewhere.
    one.patch(json!({"metadata": {"labels": {"e2e": "other"}}})).await?;
    for tenant in &tenants {
        tenant.touch().await?;
    }
    for (tenant, place) in tenants.iter().zip(&places) {
        ensure!(server_of(tenant).await? == *place, "{} moved", tenant.name);
    }
    Ok(())
}

#[tokio::test]
async fn a_server_in_use_cannot_go() -> Result<()> {
    let Some(site) = Site::find("a_server_in_use_cannot_go") else {
        return Ok(());
    };
    let scene = Scene::new("dbinuse").await?;
    let server = site.server(&scene, "pg", &scene.name, json!({})).await?;
    server.ready().await?;
    let tier = tier(&scene, &scene.name).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    let binding = tenant.with_database().await?;
    let at = path("databaseservers", "", &server.name);
    scene.cluster.delete(&at).await.context("delete the server")?;
    server
        .condition("Ready", "False", "InUse", &["1 tenant is still on it"])
        .await?;
    // It serves on, and takes nobody new.
    site.log_in(&binding).await?;
    let late = scene.tenant("late", &tier, json!({})).await?;
    late.database_fails(secs(20), "NoServer", &[&server.name, "being deleted"])
        .await?;
    tenant.annotate("rotate-credentials", "one").await?;
    eventually("its tenant to be looked after still", secs(20), async || {
        let now = tenant.binding().await?;
        ensure!(now.user() != binding.user(), "no rotation");
        Ok(())
    })
    .await?;
    tenant.delete().await?;
    tenant.gone().await?;
    eventually("the server to go, now that nobody is on it", LOOK, async || {
        ensure!(!scene.cluster.exists(&at).await?, "{}", server.get().await?["metadata"]);
        Ok(())
    })
    .await?;
    late.delete().await?;
    late.gone().await
}

#[tokio::test]
async fn a_server_of_its_own() -> Result<()> {
    let Some(site) = Site::find("a_server_of_its_own") else {
        return Ok(());
    };
    let scene = Scene::new("dbown").await?;
    let server = site.server(&scene, "pg", &scene.name, json!({})).await?;
    server.ready().await?;
    let selector = json!({"matchLabels": {"e2e": scene.name}});
    let own = scene
        .tier(json!({"database": {"model": "Server", "serverSelector": selector}}))
        .await?;
    let isolated = json!({"isolation": {"model": "DedicatedApplication"}});
    let first = scene.tenant("first", &own, isolated.clone()).await?;
    let label = "tenant-operator.io/dedicated";
    first
        .database_fails(
            secs(20),
            "NoServer",
            &[&server.name, &format!("lacks the label {label}=true")],
        )
        .await?;
    server.patch(json!({"metadata": {"labels": {label: "true"}}})).await?;
    ensure!(server_of(&first).await? == server.name, "it is elsewhere");
    let binding = first.binding().await?;
    ensure!(
        binding.get("database") == binding.owner(),
        "{}",
        binding.get("database")
    );
    let session = site.log_in(&binding).await?;
    session
        .works("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        .await?;
    // Nobody else comes to it, of whatever model.
    let second = scene.tenant("second", &own, isolated).await?;
    let third = scene
        .tenant("third", &tier(&scene, &scene.name).await?, json!({}))
        .await?;
    second
        .database_fails(secs(20), "NoServer", &[&server.name, "already has its tenant"])
        .await?;
    third
        .database_fails(secs(20), "NoServer", &[&server.name, "dedicated to one tenant"])
        .await?;
    first.with_database().await?;
    first.delete().await?;
    first.gone().await?;
    ensure!(server_of(&second).await? == server.name, "it is elsewhere");
    third.database_fails(secs(5), "NoServer", &[&server.name]).await?;
    Ok(())
}

#[tokio::test]
async fn wrong_credentials_and_a_wrong_authority_are_said_and_mended() -> Result<()> {
    let Some(site) = Site::find("wrong_credentials_and_a_wrong_authority_are_said_and_mended") else {
        return Ok(());
    };
    let scene = Scene::new("dbwrong").await?;
    let secrets = path("secrets", operator::NAMESPACE, "");
    let (admin, authority) = (format!("{}-admin", scene.name), format!("{}-ca", scene.name));
    let copy = async |from: &str, name: &str, lay: Value| -> Result<Value> {
        let whole = scene.cluster.get(&path("secrets", operator::NAMESPACE, from)).await?;
        let mut secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": whole["data"]});
        let right = secret["data"].clone();
        crate::support::scene::lay_over(&mut secret["data"], lay);
        scene.will_leave(&path("secrets", operator::NAMESPACE, name));
        scene.cluster.create(&secrets, &secret).await.context("a Secret")?;
        Ok(right)
    };
    // Not the password, and an authority that signed nothing of this server's.
    let right = copy(
        "sample-database-admin",
        &admin,
        json!({"password": encode(NOT_THE_PASSWORD)?}),
    )
    .await?;
    let right_authority = copy("sample-database-ca", &authority, json!({"ca.crt": encode(STRANGER)?})).await?;
    let spec =
        json!({"adminSecretRef": {"name": admin}, "tls": {"mode": "VerifyFull", "caSecretRef": {"name": authority}}});
    let server = site.server(&scene, "pg", &scene.name, spec).await?;
    server
        .condition("Reachable", "False", "ServerUnreachable", &["ertificate"])
        .await?;
    server.condition("Ready", "False", "ServerUnreachable", &[]).await?;
    let tier = tier(&scene, &scene.name).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    tenant
        .database_fails(secs(20), "NoServer", &[&server.name, "ertificate"])
        .await?;

    let patch = |data: &Value| json!({"data": data});
    let at = path("secrets", operator::NAMESPACE, &authority);
    scene.cluster.patch(&at, &patch(&right_authority)).await?;
    server
        .condition("Reachable", "False", "AuthenticationFailed", &["password"])
        .await?;
    let at = path("secrets", operator::NAMESPACE, &admin);
    scene.cluster.patch(&at, &json!({"data": {"password": null}})).await?;
    server
        .condition("Reachable", "False", "InvalidServer", &[&admin, "password"])
        .await?;
    scene.cluster.patch(&at, &patch(&right)).await?;
    server.condition("Reachable", "True", "", &[]).await?;
    server.ready().await?;
    // Nobody touched the tenant.
    let now = tenant.ready().await?;
    ensure!(
        condition(&now, "DatabaseReady").is_some_and(|c| c["status"] == "True"),
        "{}",
        summary(&now)
    );
    tenant.with_database().await?;
    let shown = server.get().await?.to_string();
    ensure!(
        !shown.contains(NOT_THE_PASSWORD),
        "the server's status shows a password"
    );
    Ok(())
}

const NOT_THE_PASSWORD: &str = "correcthorsebatterystaple";

/// Encodes a text as a Secret holds it.
fn encode(text: &str) -> Result<Value> {
    Ok(serde_json::to_value(k8s_openapi::ByteString(
        text.trim().as_bytes().to_vec(),
    ))?)
}

/// Certificate of an unrelated authority; its key is thrown away.
const STRANGER: &str = include_str!("stranger.pem");

/// A server that comes after the tenant whose Service would answer for its host; the other order is refused (`src/tenant/validate`).
#[tokio::test]
async fn a_host_that_a_tenants_service_answers_for_is_not_used() -> Result<()> {
    let Some(site) = Site::find("a_host_that_a_tenants_service_answers_for_is_not_used") else {
        return Ok(());
    };
    let scene = Scene::new("dbcapt").await?;
    let tier = tier(&scene, &scene.name).await?;
    let server = site.server(&scene, "pg", &scene.name, json!({})).await?;
    let bare = scene.tier(json!({})).await?;
    let (captor, holder) = tokio::try_join!(
        scene.tenant("db", &bare, json!({})),
        scene.tenant("first", &tier, json!({}))
    )?;
    let (_, binding) = tokio::try_join!(captor.ready(), holder.with_database())?;
    let words = [captor.name.as_str(), "VerifyFull"];
    let tls = |mode: &str| json!({"mode": mode});
    for (host, mode) in [
        (format!("pg.{}", captor.name), "Require"),
        (format!("pg.{}.svc", captor.name), "VerifyCA"),
        (format!("pg.{}.svc.cluster.local", captor.name), "Require"),
    ] {
        server.patch(json!({"spec": {"host": host, "tls": tls(mode)}})).await?;
        server
            .condition("Ready", "False", "HostCaptured", &[&words[..], &[&host]].concat())
            .await?;
    }
    // Nobody is placed there, nor told whose namespace it is; what is there stays.
    let late = scene.tenant("late", &tier, json!({})).await?;
    let why = late
        .database_fails(secs(20), "NoServer", &[&server.name, "a tenant's namespace"])
        .await?;
    ensure!(!why["status"].to_string().contains(&captor.name), "{}", summary(&why));
    holder.touch().await?;
    holder
        .database_fails(secs(20), "HostCaptured", &["a tenant's namespace"])
        .await?;
    ensure!(holder.binding().await? == binding, "the credentials changed");
    site.log_in(&binding).await?;
    let told = condition(&captor.get().await?, "NamespacesReady")
        .cloned()
        .unwrap_or_default();
    ensure!(told["reason"] == "CapturesNames", "{told}");
    // With VerifyFull the answering host would have to show a certificate for the name.
    server.patch(json!({"spec": {"tls": tls("VerifyFull")}})).await?;
    server.condition("Ready", "False", "ServerUnreachable", &[]).await?;
    server.patch(json!({"spec": {"tls": tls("Require")}})).await?;
    server.condition("Ready", "False", "HostCaptured", &words).await?;
    // Without the tenant, which a look once in ten seconds would see later.
    captor.delete().await?;
    server.condition("Ready", "False", "ServerUnreachable", &[]).await?;
    let host = json!({"host": site.value("DATABASE_HOST"), "tls": tls("VerifyFull")});
    server.patch(json!({"spec": host})).await?;
    server.ready().await?;
    late.with_database().await?;
    holder.with_database().await?;
    Ok(())
}
