//! A tenant's own host is served with a certificate that cert-manager has issued, and goes on to be when that is another.

use crate::certificates::{message, without_a_failed_request};
use crate::support::gateway::{Door, led_to};
use crate::support::issuer::{Authority, issued, refuse, renew};
use crate::support::{Scene, TestTenant, eventually, path, secs, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// A tenant that is led to at a host whose certificate this authority is to issue.
async fn asks(scene: &Scene, authority: &Authority) -> Result<(TestTenant, String)> {
    let tier = scene.tier(json!({})).await?;
    let host = format!("{}.example.org", scene.name);
    let gateway = json!({"hosts": [host], "tls": [{"hosts": [host], "issuerRef": authority.reference()}]});
    let (tenant, _) = led_to(scene, "a", &tier, gateway).await?;
    Ok((tenant, host))
}

/// Waits until the tenant's gateway condition has this reason and these words.
async fn told(tenant: &TestTenant, reason: &str, words: &[&str]) -> Result<Value> {
    eventually(&format!("the tenant to be told {words:?}"), secs(60), async || {
        let now = tenant.condition("GatewayReady", "False", &[reason]).await?;
        let said = message(&now);
        ensure!(words.iter().all(|word| said.contains(word)), "{said}");
        Ok(now)
    })
    .await
}

/// Returns the Secret that the tenant's status names.
fn secret(tenant: &Value) -> Result<String> {
    let name = text(&tenant["status"]["gateway"]["certificates"][0]["secretName"]);
    ensure!(
        name.starts_with("tenant-certificate-"),
        "{}",
        tenant["status"]["gateway"]
    );
    Ok(name)
}

async fn is_served(door: &Door, trusted: &str, host: &str) -> Result<()> {
    eventually("it to be served", secs(20), async || {
        door.answers_by_tls(200, trusted, host, "/hostname").await.map(|_| ())
    })
    .await
}

/// Waits until another certificate than this one is shown, and nothing else.
async fn another_is_shown(
    door: &Door,
    authority: &Authority,
    tenant: &TestTenant,
    (name, before): (&str, &str),
    host: &str,
) -> Result<()> {
    eventually("another certificate to be shown", secs(30), async || {
        let now = issued(tenant, name).await?;
        ensure!(now != before, "it was not issued anew");
        let alone = authority.trusted_alone(&now)?;
        door.answers_by_tls(200, &alone, host, "/hostname").await.map(|_| ())
    })
    .await
}

#[tokio::test]
async fn a_certificate_is_issued_once_its_issuer_is_there() -> Result<()> {
    let test = "certificates that are issued";
    let Some(door) = Door::find(test) else {
        return Ok(());
    };
    let scene = Scene::new("issue").await?;
    let Some(authority) = Authority::find(test, &scene)? else {
        return Ok(());
    };
    let (tenant, host) = asks(&scene, &authority).await?;
    told(
        &tenant,
        "Progressing",
        &["DoesNotExist", "ClusterIssuer", &authority.name],
    )
    .await?;
    authority.appears(&scene).await?;

    let now = tenant.ready().await?;
    let name = secret(&now)?;
    let of_it = &now["status"]["gateway"]["certificates"][0];
    let made = tenant.cluster.get(&path("certificates", &tenant.name, &name)).await?;
    for field in ["notAfter", "renewalTime"] {
        let is_told = of_it[field].is_string() && of_it[field] == made["status"][field];
        ensure!(is_told, "{field}: {of_it}, but {}", made["status"]);
    }
    is_served(&door, &authority.trusted(), &host).await?;
    let foreign = door.get_by_tls(&door.ca_file, &host, &host, "/hostname").await;
    ensure!(foreign.is_err(), "it shows the Gateway's certificate: {foreign:?}");
    door.answers(404, &host, "/hostname", &[]).await?;

    // A Secret that is lost is nobody's care but cert-manager's.
    let before = issued(&tenant, &name).await?;
    tenant.cluster.delete(&path("secrets", &tenant.name, &name)).await?;
    another_is_shown(&door, &authority, &tenant, (&name, &before), &host).await?;
    tenant.ready().await.map(|_| ())
}

#[tokio::test]
async fn a_certificate_is_renewed_without_a_failed_request() -> Result<()> {
    let test = "certificates that are renewed";
    let Some(door) = Door::find(test) else {
        return Ok(());
    };
    let scene = Scene::new("renew").await?;
    let Some(authority) = Authority::find(test, &scene)? else {
        return Ok(());
    };
    authority.appears(&scene).await?;
    let (tenant, host) = asks(&scene, &authority).await?;
    let name = secret(&tenant.ready().await?)?;
    is_served(&door, &authority.trusted(), &host).await?;
    let before = issued(&tenant, &name).await?;
    without_a_failed_request(&door, &authority.trusted(), &host, async {
        renew(&tenant, &name).await?;
        another_is_shown(&door, &authority, &tenant, (&name, &before), &host).await
    })
    .await?;
    let alone = authority.trusted_alone(&before)?;
    let shown = door.get_by_tls(&alone, &host, &host, "/hostname").await;
    ensure!(shown.is_err(), "the old one is shown still: {shown:?}");
    tenant.ready().await.map(|_| ())
}

#[tokio::test]
async fn a_tenant_is_told_why_a_certificate_is_not_issued() -> Result<()> {
    let test = "certificates that are refused";
    let Some(door) = Door::find(test) else {
        return Ok(());
    };
    let scene = Scene::new("refuse").await?;
    let Some(authority) = Authority::find(test, &scene)? else {
        return Ok(());
    };
    let (tenant, host) = asks(&scene, &authority).await?;
    refuse(&tenant, "this authority knows no such name").await?;
    let now = told(&tenant, "CertificateNotReady", &["this authority knows no such name"]).await?;
    // It tries again by itself, but not before an hour has passed.
    authority.appears(&scene).await?;
    renew(&tenant, &secret(&now)?).await.context("try again")?;
    tenant.ready().await?;
    is_served(&door, &authority.trusted(), &host).await
}
