//! Credentials that are renewed, while somebody logs in all the time.

use crate::database::tier;
use crate::support::database::{Binding, CLOSED, Site, Stream, WRONG, ensure_refused};
use crate::support::{Scene, TestTenant, eventually, kubectl, path, secs, shell_workload, text};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;

/// Waits for other credentials than these.
async fn others(tenant: &TestTenant, than: &Binding, limit: Duration) -> Result<Binding> {
    eventually(&format!("other credentials of {}", tenant.name), limit, async || {
        let now = tenant.binding().await?;
        ensure!(now.password() != than.password(), "they are the same");
        Ok(now)
    })
    .await
}

async fn revision(tenant: &TestTenant, workload: &str) -> Result<String> {
    let deployment = tenant.cluster.get(&path("deployments", &tenant.name, workload)).await?;
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    Ok(text(&annotations["tenant-operator.io/credentials-revision"]))
}

#[tokio::test]
async fn on_demand() -> Result<()> {
    let Some(site) = Site::find("on_demand") else {
        return Ok(());
    };
    let scene = Scene::new("rotate").await?;
    let tier = tier(&scene, json!({"model": "Schema"})).await?;
    let mut reloads = shell_workload("reloads");
    reloads["configurationUpdate"] = json!("Reload");
    let spec = json!({"workloads": [shell_workload("rolls"), reloads], "credentials": {"overlap": "12s"}});
    let tenant = scene.tenant("", &tier, spec).await?;
    let first = tenant.with_database().await?;
    let revision_before = revision(&tenant, "rolls").await?;
    ensure!(
        !revision_before.is_empty(),
        "the pods are not told which credentials they have"
    );
    ensure!(
        revision(&tenant, "reloads").await?.is_empty(),
        "what reloads would be rolled"
    );
    let (rolls, reloads) = (tenant.pods("rolls", 1).await?, tenant.pods("reloads", 1).await?);
    let stream = Stream::start(&site, &tenant);
    let session = site.log_in(&first).await?;
    session
        .works("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        .await?;

    tenant.annotate("rotate-credentials", "one").await?;
    let second = others(&tenant, &first, secs(15)).await?;
    ensure!(
        second.user() != first.user() && second.owner() == first.owner(),
        "the login did not change"
    );
    ensure!(
        second.annotations["tenant-operator.io/rotated-for"] == "one",
        "{:?}",
        second.annotations
    );
    // Both work, and what was open goes on.
    site.log_in(&first).await?;
    ensure!(
        session.one("SELECT count(*) FROM t").await? == "1",
        "the former session is blind"
    );
    ensure!(
        site.log_in(&second).await?.one("SELECT count(*) FROM t").await? == "1",
        "the new one is blind"
    );
    // A request in the overlap waits, and says so.
    tenant.annotate("rotate-credentials", "two").await?;
    tenant.condition("DatabaseReady", "True", &["RotationWaits"]).await?;
    ensure!(tenant.binding().await? == second, "the overlap was cut short");
    site.log_in(&first).await?;
    eventually("the pods to roll", secs(60), async || {
        let now = tenant.pods("rolls", 1).await?;
        ensure!(now != rolls, "they are the former ones");
        Ok(())
    })
    .await?;
    ensure!(tenant.pods("reloads", 1).await? == reloads, "what reloads was rolled");
    // After it the former ones end, and then the second request is answered.
    eventually("the former session to end", secs(20), async || {
        ensure!(session.run("SELECT 1").await.is_err(), "it goes on");
        Ok(())
    })
    .await?;
    // Its sessions are ended in the transaction that closes the login, shortly before that is committed.
    eventually("the former password to be shut out", secs(5), async || {
        ensure_refused("the former password", site.log_in(&first).await, &[WRONG, CLOSED])
    })
    .await?;
    let third = others(&tenant, &second, secs(15)).await?;
    ensure!(
        third.user() == first.user() && third.password() != first.password(),
        "not the first login anew"
    );
    ensure_refused("the password before the former", site.log_in(&first).await, &[WRONG])?;
    site.log_in(&second).await?;
    site.log_in(&third).await?;
    tenant.with_database().await?;
    ensure!(
        revision(&tenant, "rolls").await? != revision_before,
        "the pods are not told"
    );
    eventually("the second login to close", secs(25), async || {
        ensure_refused("the second password", site.log_in(&second).await, &[WRONG, CLOSED])
    })
    .await?;
    ensure!(
        tenant.binding().await?.password() == third.password(),
        "a request was answered twice"
    );
    let (logins, passwords) = stream.end().await?;
    ensure!(
        logins >= 20 && passwords.len() == 3,
        "{logins} logins, {} passwords",
        passwords.len()
    );
    // The kubelet brings mounted Secrets up to date about once a minute.
    eventually("the files of what reloads to be the new ones", secs(150), async || {
        let file = kubectl::exec(&tenant.name, &reloads[0], &["cat", "/bindings/database/password"]).await?;
        ensure!(file.trim() == third.password(), "they are the former ones");
        Ok(())
    })
    .await?;
    ensure!(tenant.pods("reloads", 1).await? == reloads, "what reloads was rolled");
    site.nowhere_to_be_read(&scene, &passwords).await
}

#[tokio::test]
async fn by_the_interval() -> Result<()> {
    let Some(site) = Site::find("by_the_interval") else {
        return Ok(());
    };
    let scene = Scene::new("interval").await?;
    let tier = tier(&scene, json!({"model": "Database"})).await?;
    let spec = json!({"credentials": {"rotationInterval": "1m", "overlap": "8s"}});
    let tenant = scene.tenant("", &tier, spec).await?;
    let first = tenant.with_database().await?;
    let status = tenant.get().await?["status"]["database"].clone();
    ensure!(
        text(&status["nextRotationAt"]) > text(&status["credentialsIssuedAt"]),
        "{status}"
    );
    let stream = Stream::start(&site, &tenant);
    tokio::time::sleep(secs(30)).await;
    ensure!(tenant.binding().await? == first, "they changed early");
    let second = others(&tenant, &first, secs(50)).await?;
    ensure!(second.user() != first.user(), "the login did not change");
    site.log_in(&first).await?;
    eventually("the former credentials to end", secs(25), async || {
        ensure_refused("the former password", site.log_in(&first).await, &[WRONG, CLOSED])
    })
    .await?;
    ensure!(tenant.binding().await? == second, "they changed again at once");
    let issued = tenant.get().await?["status"]["database"]["credentialsIssuedAt"].clone();
    ensure!(
        issued != status["credentialsIssuedAt"],
        "the status speaks of the former ones"
    );
    let (logins, passwords) = stream.end().await?;
    ensure!(
        logins >= 100 && passwords.len() == 2,
        "{logins} logins, {} passwords",
        passwords.len()
    );
    Ok(())
}

/// Without an overlap nothing is waited for, and the former login closes at once.
#[tokio::test]
async fn without_an_overlap() -> Result<()> {
    let Some(site) = Site::find("without_an_overlap") else {
        return Ok(());
    };
    let scene = Scene::new("atonce").await?;
    let tier = tier(&scene, json!({"model": "Schema"})).await?;
    let tenant = scene
        .tenant("", &tier, json!({"credentials": {"overlap": "0s"}}))
        .await?;
    let mut before = tenant.with_database().await?;
    for request in ["one", "two", "three"] {
        let session = site.log_in(&before).await?;
        tenant.annotate("rotate-credentials", request).await?;
        let now = others(&tenant, &before, secs(15)).await?;
        site.log_in(&now).await?;
        eventually("the former login to close", secs(10), async || {
            ensure_refused("the former password", site.log_in(&before).await, &[WRONG, CLOSED])?;
            ensure!(session.run("SELECT 1").await.is_err(), "its session goes on");
            Ok(())
        })
        .await?;
        before = now;
    }
    tenant.with_database().await?;
    Ok(())
}
