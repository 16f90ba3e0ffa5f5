//! A cluster that has no cert-manager, and comes to have it. The operator looks for its definitions again and again.

use super::together::Ticket;
use crate::support::gateway::{Door, led_to};
use crate::support::issuer::Authority;
use crate::support::{Scene, TestTenant, condition, eventually, path, secs, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const DEFINITION: &str = "certificates.cert-manager.io";

/// Makes the definition that was there before.
async fn put_back(scene: &Scene, definition: &Value) -> Result<()> {
    let body = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": DEFINITION}, "spec": definition["spec"]});
    eventually("the definition to be back", secs(60), async || {
        let all = path("customresourcedefinitions", "", "");
        match scene.cluster.create(&all, &body).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let now = scene
                    .cluster
                    .get(&path("customresourcedefinitions", "", DEFINITION))
                    .await?;
                ensure!(now["metadata"]["deletionTimestamp"].is_null(), "{error}");
                Ok(())
            }
        }
    })
    .await
}

async fn without_it(scene: &Scene, door: &Door, authority: &Authority, restart: Ticket<'_>) -> Result<TestTenant> {
    let at = path("customresourcedefinitions", "", DEFINITION);
    eventually("the definition to be gone", secs(60), async || {
        ensure!(!scene.cluster.exists(&at).await?, "it is there");
        Ok(())
    })
    .await?;
    // The operator does not look again for kinds that it has once seen.
    restart.restarted(&scene.cluster).await?;
    let tier = scene.tier(json!({})).await?;
    let (plain, host) = (
        format!("{}.example.com", scene.name),
        format!("{}.example.org", scene.name),
    );
    let gateway = json!({"hosts": [plain, host], "tls": [{"hosts": [host], "issuerRef": authority.reference()}]});
    let (tenant, _) = led_to(scene, "a", &tier, gateway).await?;
    let now = tenant.condition("GatewayReady", "False", &["Unsupported"]).await?;
    let said = condition(&now, "GatewayReady").map_or_else(String::new, |told| text(&told["message"]));
    ensure!(
        said.contains("spec.gateway.tls[].issuerRef") && said.contains("cert-manager"),
        "{said}"
    );
    door.serves(&plain, "/hostname", &[]).await.context("the other host")?;
    Ok(tenant)
}

pub async fn without_cert_manager_a_tenant_is_told_so_and_with_it_is_served(restart: Ticket<'_>) -> Result<()> {
    let test = "certificates without cert-manager";
    let Some(door) = Door::find(test) else {
        return Ok(());
    };
    let scene = Scene::new("tlsissue").await?;
    let Some(authority) = Authority::find(test, &scene)? else {
        return Ok(());
    };
    authority.appears(&scene).await?;
    let at = path("customresourcedefinitions", "", DEFINITION);
    let definition = scene.cluster.get(&at).await?;
    scene.cluster.delete(&at).await?;
    let told = without_it(&scene, &door, &authority, restart).await;
    put_back(&scene, &definition).await?;
    let tenant = told?;
    // Nobody says so to the operator.
    tenant.ready().await?;
    let host = format!("{}.example.org", scene.name);
    eventually("it to be served", secs(20), async || {
        door.answers_by_tls(200, &authority.trusted(), &host, "/hostname")
            .await
            .map(|_| ())
    })
    .await
}
