//! A restart of the API server, while much changes, loses no change.

use crate::fleet::{Fleet, Inventory, rounds};
use crate::support::{REPOSITORY, Scene, cluster, operator};
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::{Duration, Instant};

/// Kills the API server and starts it again. Returns when it is ready, and how long that took.
async fn restart() -> Result<Duration> {
    let begun = Instant::now();
    let script = format!("{REPOSITORY}/e2e/cluster/control-plane.sh");
    let run = move || Command::new(script).arg("restart-apiserver").output();
    let output = tokio::task::spawn_blocking(run).await?.context("control-plane.sh")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the API server does not come back: {said}");
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
