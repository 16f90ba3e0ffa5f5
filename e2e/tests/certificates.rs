//! A tenant's own host is served with the tenant's own certificate, and by nothing else.
//!
//! The hosts are not those that the local Gateway has a certificate for: two certificates for one name keep Envoy Gateway from HTTP/2 at both.

use crate::support::certificate::SelfSigned;
use crate::support::gateway::{Door, led_to};
use crate::support::{Scene, TestTenant, condition, eventually, meanwhile, path, secs, text};
use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

const SECRET: &str = "shop-tls";

/// A tenant that is led to at a host with a certificate.
pub async fn secured(scene: &Scene, suffix: &str, tier: &str, over: Value) -> Result<(TestTenant, String)> {
    let host = format!("{}-{suffix}.example.org", scene.name);
    let mut gateway = json!({"hosts": [host], "tls": [{"hosts": [host], "secretName": SECRET}]});
    crate::support::scene::lay_over(&mut gateway, over);
    let (tenant, _) = led_to(scene, suffix, tier, gateway).await?;
    Ok((tenant, host))
}

pub async fn put(tenant: &TestTenant, certificate: &SelfSigned) -> Result<()> {
    let body = certificate.secret(SECRET)?;
    eventually("the tenant's namespace", secs(30), async || {
        ensure!(
            tenant.cluster.exists(&path("namespaces", "", &tenant.name)).await?,
            "it is not there"
        );
        Ok(())
    })
    .await?;
    let at = path("secrets", &tenant.name, SECRET);
    match tenant.cluster.exists(&at).await? {
        true => tenant.cluster.patch(&at, &json!({"data": body["data"]})).await?,
        false => tenant.cluster.create(&path("secrets", &tenant.name, ""), &body).await?,
    };
    Ok(())
}

/// Does something while it asks for a host all the time, by TLS and with the trusted certificates of a file.
pub async fn without_a_failed_request(
    door: &Door,
    trusted: &str,
    host: &str,
    act: impl Future<Output = Result<()>>,
) -> Result<()> {
    let served = AtomicUsize::new(0);
    meanwhile(act, async || {
        match door.answers_by_tls(200, trusted, host, "/hostname").await {
            Ok(_) => served.fetch_add(1, Ordering::Relaxed),
            // A machine that is busy may keep curl waiting.
            Err(error) if format!("{error:#}").contains("timed out") => 0,
            Err(error) => bail!("after {served:?} requests: {error:#}"),
        };
        Ok(())
    })
    .await?;
    ensure!(served.into_inner() > 0, "nobody asked");
    Ok(())
}

pub fn message(tenant: &Value) -> String {
    condition(tenant, "GatewayReady").map_or_else(String::new, |condition| text(&condition["message"]))
}

#[tokio::test]
async fn a_host_is_served_with_its_own_certificate_once_that_is_there() -> Result<()> {
    let Some(door) = Door::find("certificates") else {
        return Ok(());
    };
    let scene = Scene::new("tls").await?;
    let tier = scene.tier(json!({})).await?;
    let (a, at_a) = secured(&scene, "a", &tier, json!({})).await?;
    let own = SelfSigned::new(&scene, "own", &at_a)?;
    let waits = a.condition("GatewayReady", "False", &["NotAccepted"]).await?;
    let said = message(&waits);
    ensure!(
        said.contains(&at_a) && said.contains("InvalidCertificateRef") && said.contains(SECRET),
        "{said}"
    );
    put(&a, &own).await?;
    let now = a.ready().await?;
    let told = &now["status"]["gateway"];
    ensure!(told["endpoints"] == json!([format!("https://{at_a}")]), "{told}");
    ensure!(
        told["certificates"] == json!([{"hosts": [at_a], "secretName": SECRET}]),
        "{told}"
    );
    eventually("it to be served", secs(15), async || {
        door.answers_by_tls(200, &own.trusted(), &at_a, "/hostname")
            .await
            .map(|_| ())
    })
    .await?;
    // By TLS alone.
    door.answers(404, &at_a, "/hostname", &[]).await?;

    // It is the missing Secret that is told of again, and what is mended when it is back.
    a.cluster.delete(&path("secrets", &a.name, SECRET)).await?;
    a.condition("GatewayReady", "False", &["NotAccepted"]).await?;
    put(&a, &own).await?;
    a.ready().await?;

    a.patch(json!({"suspend": true})).await?;
    eventually("it to be closed", secs(20), async || {
        door.answers_by_tls(503, &own.trusted(), &at_a, "/hostname")
            .await
            .map(|_| ())
    })
    .await?;
    a.patch(json!({"suspend": false})).await?;
    a.ready().await?;

    // Without a certificate it is as any other host.
    a.patch(json!({"gateway": {"tls": null}})).await?;
    a.ready().await?;
    door.serves(&at_a, "/hostname", &[]).await?;
    eventually("the certificate to be gone", secs(15), async || {
        let answer = door.get_by_tls(&own.trusted(), &at_a, &at_a, "/hostname").await;
        ensure!(answer.is_err(), "{answer:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_wildcard_is_served_with_a_certificate_of_its_own() -> Result<()> {
    let Some(door) = Door::find("a wildcard's certificate") else {
        return Ok(());
    };
    let scene = Scene::new("tlswild").await?;
    let tier = scene.tier(json!({})).await?;
    let zone = format!("{}.example.org", scene.name);
    let hosts = json!([format!("*.{zone}")]);
    let over = json!({"hosts": hosts, "tls": [{"hosts": hosts, "secretName": SECRET}]});
    let (tenant, _) = led_to(&scene, "a", &tier, over).await?;
    let own = SelfSigned::new(&scene, "wild", &format!("*.{zone}"))?;
    put(&tenant, &own).await?;
    tenant.ready().await?;
    for host in ["shop", "www"].map(|name| format!("{name}.{zone}")) {
        door.answers_by_tls(200, &own.trusted(), &host, "/hostname").await?;
    }
    let deep = door
        .get_by_tls(
            &own.trusted(),
            &format!("a.b.{zone}"),
            &format!("a.b.{zone}"),
            "/hostname",
        )
        .await;
    ensure!(deep.is_err(), "two labels below it: {deep:?}");
    Ok(())
}

#[tokio::test]
async fn another_tenants_host_is_not_served_with_it() -> Result<()> {
    let Some(door) = Door::find("certificates of others") else {
        return Ok(());
    };
    let scene = Scene::new("tlsother").await?;
    let tier = scene.tier(json!({})).await?;
    let (a, at_a) = secured(&scene, "a", &tier, json!({})).await?;
    let (b, at_b) = secured(&scene, "b", &tier, json!({})).await?;
    let (of_a, of_b) = (
        SelfSigned::new(&scene, "a", &at_a)?,
        SelfSigned::new(&scene, "b", &at_b)?,
    );
    put(&a, &of_a).await?;
    put(&b, &of_b).await?;
    for (tenant, host, own, other) in [(&a, &at_a, &of_a, &of_b), (&b, &at_b, &of_b, &of_a)] {
        tenant.ready().await?;
        let path = "/header?key=X-Tenant-Name";
        eventually("it to be served", secs(15), async || {
            let answer = door.answers_by_tls(200, &own.trusted(), host, path).await?;
            ensure!(answer.body.trim() == tenant.name, "{}", answer.body);
            Ok(())
        })
        .await?;
        let foreign = door.get_by_tls(&other.trusted(), host, host, path).await;
        ensure!(foreign.is_err(), "{host} shows the other's certificate: {foreign:?}");
    }
    // On a connection that was opened for one, the other is not reached.
    let crossed = door.get_by_tls(&of_a.trusted(), &at_a, &at_b, "/hostname").await?;
    ensure!([404, 421].contains(&crossed.status), "{crossed:?}");
    // A tenant that asks for another's host gets neither it nor a certificate for it.
    let words = ["spec.gateway.hosts", &at_a, &a.name];
    b.patch(json!({"gateway": {
        "hosts": [at_b, at_a],
        "tls": [{"hosts": [at_b, at_a], "secretName": SECRET}],
    }}))
    .await?;
    b.not_ready(&["Conflict"], &words).await?;
    let set = b
        .cluster
        .get(&format!(
            "/apis/gateway.networking.k8s.io/v1/namespaces/{}/listenersets/tenant",
            b.name
        ))
        .await?;
    ensure!(
        set["spec"]["listeners"].as_array().map(Vec::len) == Some(1),
        "{}",
        set["spec"]
    );
    door.answers_by_tls(200, &of_a.trusted(), &at_a, "/hostname")
        .await
        .map(|_| ())
}

#[tokio::test]
async fn a_certificate_is_exchanged_without_a_failed_request() -> Result<()> {
    let Some(door) = Door::find("certificates that change") else {
        return Ok(());
    };
    let scene = Scene::new("tlsnew").await?;
    let tier = scene.tier(json!({})).await?;
    let (tenant, host) = secured(&scene, "a", &tier, json!({})).await?;
    let (old, new) = (
        SelfSigned::new(&scene, "old", &host)?,
        SelfSigned::new(&scene, "new", &host)?,
    );
    put(&tenant, &old).await?;
    tenant.ready().await?;
    eventually("it to be served", secs(15), async || {
        door.answers_by_tls(200, &old.trusted(), &host, "/hostname")
            .await
            .map(|_| ())
    })
    .await?;
    without_a_failed_request(&door, &old.trusted_with(&new)?, &host, async {
        put(&tenant, &new).await?;
        eventually("the new one to be shown", secs(20), async || {
            door.answers_by_tls(200, &new.trusted(), &host, "/hostname")
                .await
                .map(|_| ())
        })
        .await
    })
    .await?;
    let shown = door.get_by_tls(&old.trusted(), &host, &host, "/hostname").await;
    ensure!(shown.is_err(), "the old one is shown still: {shown:?}");
    tenant.ready().await.map(|_| ())
}
