//! Egress from the tenant: the API server, the node, its metadata, the internet.

use crate::support::probe::{From, closed, open};
use crate::support::{Scene, outside::Outside, pods, server_workload};
use crate::traffic::Reachable;
use anyhow::Result;
use serde_json::{Value, json};

async fn reachable(scene: &Scene, tier: &str, suffix: &str, egress: Value) -> Result<Reachable> {
    let spec = json!({"workloads": [server_workload("web")], "network": {"egress": egress}});
    Reachable::new(scene.tenant(suffix, tier, spec).await?).await
}

async fn prober(scene: &Scene) -> Result<String> {
    let plain = scene.namespace("plain").await?;
    pods::run(&scene.cluster, &plain, "prober").await?;
    Ok(plain)
}

#[tokio::test]
async fn by_default_nothing_outside_is_reached() -> Result<()> {
    let scene = Scene::new("egress").await?;
    let outside = Outside::of(&scene.cluster, "by_default_nothing_outside_is_reached").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = reachable(&scene, &tier, "", json!({})).await?;
    let plain = prober(&scene).await?;
    let mut targets = vec![
        ("the API server's Service", &outside.api_service),
        ("the API server at the node", &outside.api_server),
        ("the kubelet", &outside.kubelet),
    ];
    if let Some(world) = &outside.world {
        targets.extend([
            ("the node's metadata", &world.metadata),
            ("the internet", &world.listed),
            ("more of the internet", &world.other),
        ]);
    }
    for (what, target) in targets {
        open(&format!("control: {what}"), From(&plain, "prober"), target).await?;
        closed(what, tenant.from(), target).await?;
    }
    open("control: the tenant reaches itself", tenant.from(), &tenant.service).await
}

#[tokio::test]
async fn the_api_server_is_reached_where_it_is_allowed() -> Result<()> {
    let scene = Scene::new("apiserver").await?;
    let outside = Outside::of(&scene.cluster, "the_api_server_is_reached_where_it_is_allowed").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = reachable(&scene, &tier, "", json!({"apiServer": "Allow"})).await?;
    open("the API server's Service", tenant.from(), &outside.api_service).await?;
    closed("the kubelet beside it", tenant.from(), &outside.kubelet).await?;
    match &outside.world {
        Some(world) => closed("the internet", tenant.from(), &world.listed).await,
        None => Ok(()),
    }
}

#[tokio::test]
async fn a_listed_destination_is_reached_at_its_ports_only() -> Result<()> {
    let scene = Scene::new("listed").await?;
    let outside = Outside::of(&scene.cluster, "a_listed_destination_is_reached_at_its_ports_only").await?;
    let Some(world) = &outside.world else {
        return Ok(());
    };
    let tier = scene.tier(json!({})).await?;
    let to = |port: u16, end: Option<u16>| {
        let mut port = json!({"port": port, "protocol": "TCP"});
        if let Some(end) = end {
            port["endPort"] = json!(end);
        }
        json!({"to": [{"cidr": world.listed_cidr, "ports": [port]}]})
    };
    let at = world.port;
    let (right, wrong, range) = tokio::try_join!(
        reachable(&scene, &tier, "right", to(at, None)),
        reachable(&scene, &tier, "wrong", to(at + 1, None)),
        reachable(&scene, &tier, "range", to(at - 10, Some(at + 10))),
    )?;
    open("a listed address and port", right.from(), &world.listed).await?;
    open("a port in a listed range", range.from(), &world.listed).await?;
    closed("a neighbouring port", wrong.from(), &world.listed).await?;
    for tenant in [&right, &wrong, &range] {
        closed("an address that is not listed", tenant.from(), &world.other).await?;
        closed("the node's metadata", tenant.from(), &world.metadata).await?;
        closed("the API server", tenant.from(), &outside.api_server).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_internet_is_not_the_cluster_nor_the_metadata() -> Result<()> {
    let scene = Scene::new("internet").await?;
    let outside = Outside::of(&scene.cluster, "the_internet_is_not_the_cluster_nor_the_metadata").await?;
    let tier = scene.tier(json!({})).await?;
    let (tenant, other) = tokio::try_join!(
        reachable(&scene, &tier, "a", json!({"internet": "Allow"})),
        reachable(&scene, &tier, "b", json!({"internet": "Allow"})),
    )?;
    for (what, target) in [
        ("the API server's Service", &outside.api_service),
        ("the API server at the node", &outside.api_server),
        ("the kubelet", &outside.kubelet),
        ("another tenant's pod", &other.address),
        ("another tenant's Service", &other.service),
    ] {
        closed(what, tenant.from(), target).await?;
    }
    let Some(world) = &outside.world else {
        return Ok(());
    };
    let plain = prober(&scene).await?;
    let prober = From(&plain, "prober");
    open("control: the metadata answers", prober, &world.metadata).await?;
    closed("the node's metadata", tenant.from(), &world.metadata).await?;
    open("the internet", tenant.from(), &world.listed).await
}

#[tokio::test]
async fn a_destination_of_everything_is_refused_or_stays_outside() -> Result<()> {
    let scene = Scene::new("everything").await?;
    let outside = Outside::of(
        &scene.cluster,
        "a_destination_of_everything_is_refused_or_stays_outside",
    )
    .await?;
    let tier = scene.tier(json!({})).await?;
    let victim = reachable(&scene, &tier, "victim", json!({})).await?;
    for (suffix, cidr) in [
        ("all", "0.0.0.0/0"),
        ("metadata", "169.254.0.0/16"),
        ("pods", "10.0.0.0/8"),
    ] {
        let spec = json!({"workloads": [server_workload("web")], "network": {"egress": {"to": [{"cidr": cidr}]}}});
        let tenant = scene.tenant(suffix, &tier, spec).await?;
        let settled = tenant.settled().await?;
        if crate::support::condition(&settled, "Ready").is_some_and(|c| c["status"] == "False") {
            tenant.not_ready(&["InvalidSpec"], &["spec.network.egress.to"]).await?;
            continue;
        }
        let tenant = Reachable::new(tenant).await?;
        let metadata = outside.world.as_ref().map(|world| &world.metadata);
        let inside = [&outside.api_server, &outside.kubelet, &victim.address, &victim.service];
        for target in metadata.into_iter().chain(inside) {
            closed(&format!("{cidr} is listed"), tenant.from(), target).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_tier_can_forbid_what_a_tenant_asks_for() -> Result<()> {
    let scene = Scene::new("forbid").await?;
    let outside = Outside::of(&scene.cluster, "a_tier_can_forbid_what_a_tenant_asks_for").await?;
    let tier = scene.tier(json!({"network": {"egress": {"internet": "Deny"}}})).await?;
    let spec = json!({"workloads": [server_workload("web")], "network": {"egress": {"internet": "Allow"}}});
    let tenant = scene.tenant("", &tier, spec).await?;
    let settled = tenant.settled().await?;
    if crate::support::condition(&settled, "Ready").is_some_and(|c| c["status"] == "False") {
        tenant
            .not_ready(&["InvalidSpec"], &["spec.network.egress.internet"])
            .await?;
        return Ok(());
    }
    let tenant = Reachable::new(tenant).await?;
    match &outside.world {
        Some(world) => closed("the internet", tenant.from(), &world.listed).await,
        None => Ok(()),
    }
}
