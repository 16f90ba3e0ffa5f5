//! A restart of the API server, while much changes, loses no change. While it is away, the operator waits in its process.

use crate::fleet::{Fleet, Inventory, rounds};
use crate::support::{
    Cluster, REPOSITORY, Scene, TestTenant, cluster, eventually, operator, path, secs, summary, text,
};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The time for which the API server is away: six times what the lease allows. Ten minutes show no more: once the lease is lost, the operator only waits.
const OUTAGE: Duration = Duration::from_secs(60);
/// The time in which all is right again after its return.
const RECOVERY: Duration = Duration::from_secs(30);

async fn control_plane(word: &'static str) -> Result<()> {
    let script = format!("{REPOSITORY}/e2e/cluster/control-plane.sh");
    let run = move || Command::new(script).arg(word).output();
    let output = tokio::task::spawn_blocking(run).await?.context("control-plane.sh")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "control-plane.sh {word}: {said}");
    Ok(())
}

/// Kills the API server and starts it again. Returns when it is ready, and how long that took.
async fn restart() -> Result<Duration> {
    let begun = Instant::now();
    control_plane("restart-apiserver").await?;
    Ok(begun.elapsed())
}

async fn restart_again_and_again() -> Result<()> {
    let scene = Scene::new("restarts").await?;
    let before = Inventory::settled(&scene.cluster).await?;
    let fleet = Fleet::new(&scene, "api_server_restart").await?;
    let pods = operator::pods(&scene.cluster).await?;
    let rounds = rounds();
    for round in 1..=rounds {
        // Before, while and after it is away, and while the operator waits to watch anew.
        let (restarted, made, deleted, turned) =
            tokio::join!(restart(), fleet.make(round), fleet.delete(round - 1), fleet.turn(round));
        println!("round {round}: the API server is back after {:?}", restarted?);
        made.and(deleted).and(turned)?;
        println!("round {round}: all is asked for");
        fleet.settled(round).await?;
    }
    ensure!(
        operator::pods(&scene.cluster).await? == pods,
        "the operator was replaced: this proves nothing"
    );
    fleet.remove(rounds).await?;
    before.is_as_before(&scene.cluster).await
}

#[tokio::test]
async fn a_restart_of_the_api_server_loses_no_change() -> Result<()> {
    if cluster::local().is_none() {
        cluster::skipped(
            "api_server_restart",
            "only the local cluster's API server can be restarted",
        );
        return Ok(());
    }
    // One that loses its lease meanwhile would begin anew, and watch everything anew.
    operator::configure(&["leaderElection.enabled=false"]).await?;
    let outcome = restart_again_and_again().await;
    let back = operator::configure(&["leaderElection.enabled=true"]).await;
    // Where the API server did not come back, the first error says so.
    outcome.and(back)
}

/// The operator's pod: its address, and each life of its container.
async fn process(cluster: &Cluster) -> Result<(String, String)> {
    let pods = operator::pods(cluster).await?;
    ensure!(pods.len() == 1, "the operator's pods are {pods:?}");
    let pod = cluster.get(&path("pods", operator::NAMESPACE, &pods[0])).await?;
    let container = &pod["status"]["containerStatuses"][0];
    let life = format!("{} {} {}", pods[0], container["containerID"], container["restartCount"]);
    Ok((text(&pod["status"]["podIP"]), life))
}

/// Asks the operator's pod, as the kubelet and Prometheus do.
async fn ask(address: &str, port: u16, at: &str) -> Result<String> {
    let asked = async {
        let mut stream = TcpStream::connect((address, port)).await?;
        let request = format!("GET {at} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(secs(5), asked).await;
    answer
        .with_context(|| format!("{at} of the operator"))?
        .with_context(|| at.to_owned())
}

/// While there is no API server, the operator stands down, says so, and lives on.
async fn stands_down(address: &str) -> Result<()> {
    eventually("the operator to stand down", secs(30), async || {
        let metrics = ask(address, 8080, "/metrics").await?;
        ensure!(metrics.contains("\ntenant_operator_leader 0\n"), "it leads");
        ensure!(
            metrics.contains("\ntenant_operator_leases_lost_total 1\n"),
            "it lost no lease"
        );
        ensure!(!metrics.contains("tenant_operator_tenants{"), "it still counts tenants");
        let (healthy, ready) = (
            ask(address, 8081, "/healthz").await?,
            ask(address, 8081, "/readyz").await?,
        );
        ensure!(
            healthy.starts_with("HTTP/1.1 200") && healthy.contains("waiting for "),
            "{healthy}"
        );
        ensure!(ready.starts_with("HTTP/1.1 503"), "{ready}");
        Ok(())
    })
    .await
}

async fn all_is_right(broken: &TestTenant, new: &TestTenant) -> Result<()> {
    let policy = path("networkpolicies", &broken.name, "tenant-operator-deny-all");
    ensure!(broken.cluster.exists(&policy).await?, "the policy is not back");
    // The operator's part: Kubernetes' own controllers, which enforce the quota, may come back later.
    let quota = path("resourcequotas", &new.name, "tenant");
    ensure!(new.cluster.exists(&quota).await?, "the new tenant has no quota yet");
    let now = new.get().await?;
    let ready = crate::support::condition(&now, "Ready").cloned().unwrap_or_default();
    ensure!(
        ready["observedGeneration"] == now["metadata"]["generation"],
        "{}",
        summary(&now)
    );
    Ok(())
}

async fn away_for_a_while() -> Result<()> {
    let scene = Scene::new("outage").await?;
    let tier = scene.tier(json!({})).await?;
    let broken = scene.tenant("broken", &tier, json!({})).await?;
    broken.ready().await?;
    // One that has lost no lease yet.
    operator::renew(&scene.cluster).await?;
    let (address, life) = process(&scene.cluster).await?;
    eventually("the operator to lead", secs(60), async || {
        let metrics = ask(&address, 8080, "/metrics").await?;
        ensure!(metrics.contains("\ntenant_operator_leader 1\n"), "it does not");
        Ok(())
    })
    .await?;
    let begun = Instant::now();
    control_plane("stop-apiserver").await?;
    let stood_down = stands_down(&address).await;
    tokio::time::sleep_until((begun + OUTAGE).into()).await;
    restart().await?;
    let back = Instant::now();
    stood_down?;
    let policy = path("networkpolicies", &broken.name, "tenant-operator-deny-all");
    scene.cluster.delete(&policy).await.context("delete a policy")?;
    let new = scene.tenant("new", &tier, json!({})).await?;
    eventually("all to be right", RECOVERY, async || all_is_right(&broken, &new).await).await?;
    println!("all is right {:?} after the API server's return", back.elapsed());
    ensure!(back.elapsed() < RECOVERY, "that took {:?}", back.elapsed());
    new.ready().await?;
    let now = process(&scene.cluster).await?.1;
    ensure!(now == life, "the operator was restarted: {life} became {now}");
    // The nodes' controller may have taken them for lost.
    operator::available(&scene.cluster).await?;
    eventually("the nodes to be ready", secs(60), async || {
        for node in scene.cluster.list(&path("nodes", "", "")).await? {
            let ready = crate::support::condition(&node, "Ready").cloned().unwrap_or_default();
            ensure!(ready["status"] == "True", "{}: {ready}", node["metadata"]["name"]);
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_operator_waits_in_its_process_for_an_api_server_that_is_away() -> Result<()> {
    if cluster::local().is_none() {
        cluster::skipped(
            "an API server that is away",
            "only the local cluster's API server can be stopped",
        );
        return Ok(());
    }
    away_for_a_while().await
}
