//! Two replicas: one writes.

use crate::settled_tenants;
use crate::support::audit::Audit;
use crate::support::{Cluster, Scene, cluster, eventually, operator, path, secs, text};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

/// Scales back to one also when the test fails.
async fn with_two(test: impl AsyncFnOnce(&Scene) -> Result<()>) -> Result<()> {
    let scene = Scene::new("leader").await?;
    operator::scale(&scene.cluster, 2).await?;
    let outcome = test(&scene).await;
    operator::scale(&scene.cluster, 1).await?;
    outcome
}

/// The pod that holds the lease.
async fn leader(cluster: &Cluster) -> Result<String> {
    let holder = operator::leader(cluster).await?;
    let pods = operator::pods(cluster).await?;
    pods.into_iter()
        .find(|pod| holder.contains(pod.as_str()))
        .with_context(|| format!("{holder:?} is no pod"))
}

async fn another_leader(cluster: &Cluster, old: &str, limit: u64) -> Result<String> {
    eventually(&format!("another leader than {old}"), secs(limit), async || {
        let now = leader(cluster).await?;
        ensure!(now != old, "it is still {now}");
        Ok(now)
    })
    .await
}

fn writers(log: &Audit) -> Result<BTreeSet<String>> {
    Ok(log.operator_writes()?.into_iter().map(|w| w.pod).collect())
}

#[tokio::test]
async fn both_are_ready_and_only_the_leader_writes() -> Result<()> {
    if !Audit::is_kept("both_are_ready_and_only_the_leader_writes") {
        return Ok(());
    }
    with_two(async |scene| {
        let first = eventually("a leader", secs(30), async || leader(&scene.cluster).await).await?;
        let log = Audit::now()?;
        settled_tenants(scene).await?;
        let writers = writers(&log)?;
        ensure!(
            writers == BTreeSet::from([first.clone()]),
            "{first} leads, but there wrote {writers:?}"
        );
        Ok(())
    })
    .await
}

/// `SIGTERM` gives the lease up, so that the other need not wait for its end.
#[tokio::test]
async fn a_leader_that_is_asked_to_go_hands_over_at_once() -> Result<()> {
    if !Audit::is_kept("a_leader_that_is_asked_to_go_hands_over_at_once") {
        return Ok(());
    }
    with_two(async |scene| {
        let first = eventually("a leader", secs(30), async || leader(&scene.cluster).await).await?;
        let log = Audit::now()?;
        let start = Instant::now();
        scene
            .cluster
            .delete(&path("pods", operator::NAMESPACE, &first))
            .await
            .context("delete the leader")?;
        let second = another_leader(&scene.cluster, &first, 10).await?;
        println!("handed over after {:?}", start.elapsed());
        settled_tenants(scene).await?;
        let writers = writers(&log)?;
        ensure!(
            writers == BTreeSet::from([second.clone()]),
            "{second} leads, but there wrote {writers:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_leader_that_is_killed_is_replaced() -> Result<()> {
    if !Audit::is_kept("a_leader_that_is_killed_is_replaced") {
        return Ok(());
    }
    with_two(async |scene| {
        let first = eventually("a leader", secs(30), async || leader(&scene.cluster).await).await?;
        let tenants = settled_tenants(scene).await?;
        let start = Instant::now();
        kill(&scene.cluster, &first).await?;
        // Or the kubelet would start it again, under the name that holds the lease.
        let at = path("pods", operator::NAMESPACE, &first) + "?gracePeriodSeconds=0";
        scene.cluster.delete(&at).await.context("remove the killed pod")?;
        let second = another_leader(&scene.cluster, &first, 40).await?;
        println!("replaced after {:?}", start.elapsed());
        let log = Audit::now()?;
        tenants[0].patch(json!({"quota": {"pods": 9}})).await?;
        tenants[0].ready().await?;
        let writers = writers(&log)?;
        ensure!(
            writers == BTreeSet::from([second.clone()]),
            "{second} leads, but there wrote {writers:?}"
        );
        Ok(())
    })
    .await
}

/// `SIGKILL` from the node, where the container runtime of the local cluster or of kind can be asked; else the least grace.
pub async fn kill(cluster: &Cluster, pod: &str) -> Result<String> {
    let at = path("pods", operator::NAMESPACE, pod);
    let object = cluster.get(&at).await?;
    let container = text(&object["status"]["containerStatuses"][0]["containerID"]);
    let id = container.trim_start_matches("containerd://").to_owned();
    let node = text(&object["spec"]["nodeName"]);
    let killed = tokio::task::spawn_blocking(move || {
        let mut runtime = runtime(&node)?;
        runtime.args(["-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", &id]);
        runtime.output().ok().filter(|output| output.status.success())
    })
    .await?;
    if killed.is_none() {
        cluster
            .delete(&format!("{at}?gracePeriodSeconds=0"))
            .await
            .context("kill the pod")?;
    }
    Ok(container)
}

/// Client of the node's container runtime. A node of kind is a container of the same name.
fn runtime(node: &str) -> Option<Command> {
    if cluster::local().is_some() {
        let mut local = Command::new(cluster::folder().join("bin/ctr"));
        local.args(["--address", "/run/tenant-cluster/containerd.sock"]);
        return Some(local);
    }
    let mut kind = Command::new("docker");
    kind.args(["exec", node, "ctr"]);
    cluster::is_kind().then_some(kind)
}
