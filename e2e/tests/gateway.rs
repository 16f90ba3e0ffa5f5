//! The gateway's namespace.

use crate::support::operator::GATEWAY_NAMESPACE;
use crate::support::probe::{From, closed, open};
use crate::support::{Scene, path, pods, server_workload};
use crate::traffic::Reachable;
use anyhow::{Context, Result};
use serde_json::json;

#[tokio::test]
async fn it_reaches_a_tenant_only_where_the_tenant_asks() -> Result<()> {
    let scene = Scene::new("gateway").await?;
    let tier = scene.tier(json!({})).await?;
    let workloads = json!([server_workload("web")]);
    let network = json!({"ingress": {"gateway": "Allow"}});
    let asks = scene
        .tenant("asks", &tier, json!({"workloads": workloads, "network": network}))
        .await?;
    let not = scene.tenant("not", &tier, json!({"workloads": workloads})).await?;
    let (asks, not) = tokio::try_join!(Reachable::new(asks), Reachable::new(not))?;

    if !scene.cluster.exists(&path("namespaces", "", GATEWAY_NAMESPACE)).await? {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": GATEWAY_NAMESPACE}});
        scene
            .cluster
            .create(&path("namespaces", "", ""), &body)
            .await
            .context("the gateway's namespace")?;
        pods::account(&scene.cluster, GATEWAY_NAMESPACE).await?;
    }
    let gateway = format!("{}-gateway", scene.name);
    scene.will_leave(&path("pods", GATEWAY_NAMESPACE, &gateway));
    let address = format!("{}:8080", pods::run(&scene.cluster, GATEWAY_NAMESPACE, &gateway).await?);
    let plain = scene.namespace("plain").await?;
    pods::run(&scene.cluster, &plain, "prober").await?;

    let from = From(GATEWAY_NAMESPACE, &gateway);
    open("the gateway, where it is asked for", from, &asks.address).await?;
    open("the gateway, by the Service", from, &asks.service).await?;
    closed("the gateway, where it is not", from, &not.address).await?;
    closed(
        "others, where the gateway is asked for",
        From(&plain, "prober"),
        &asks.address,
    )
    .await?;
    open("control: the gateway answers", From(&plain, "prober"), &address).await?;
    closed("the gateway, from the tenant", asks.from(), &address).await
}
