//! No replica, two of which one writes, and leaders that go.

use crate::down::Down;
use crate::settled_tenants;
use crate::support::audit::Audit;
use crate::support::{Cluster, Scene, TestTenant, cluster, eventually, operator, path, secs, text};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

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

/// One environment for all that needs other than one replica, since each change of their number takes seconds.
#[tokio::test]
async fn without_an_operator_with_two_and_after_each_has_gone() -> Result<()> {
    let scene = Scene::new("replicas").await?;
    let outcome = replicas_come_and_go(&scene).await;
    operator::scale(&scene.cluster, 1).await?;
    outcome
}

async fn replicas_come_and_go(scene: &Scene) -> Result<()> {
    let tenants = settled_tenants(scene).await?;
    operator::scale(&scene.cluster, 0).await?;
    let down = Down::meanwhile(scene, &tenants).await?;
    let log = Audit::is_kept("two replicas, of which one writes")
        .then(Audit::now)
        .transpose()?;
    operator::scale(&scene.cluster, 2).await?;
    down.make_up_for().await?;
    let Some(log) = log else { return Ok(()) };
    // Both are ready, and began at the same time.
    let first = leader(&scene.cluster).await?;
    only_writes(&first, &log)?;
    let tenants = [&tenants[0], &tenants[2]];
    let second = one_that_is_asked_to_go_hands_over_at_once(scene, tenants, &first).await?;
    operator::available(&scene.cluster).await?;
    one_that_is_killed_is_replaced(scene, tenants, &second).await
}

/// `SIGTERM` releases the lease, so that the other replica need not wait for its end. Returns the new leader.
async fn one_that_is_asked_to_go_hands_over_at_once(
    scene: &Scene,
    tenants: [&TestTenant; 2],
    first: &str,
) -> Result<String> {
    let log = Audit::now()?;
    let start = Instant::now();
    scene
        .cluster
        .delete(&path("pods", operator::NAMESPACE, first))
        .await
        .context("delete the leader")?;
    let second = another_leader(&scene.cluster, first, 10).await?;
    println!("handed over after {:?}", start.elapsed());
    let tier = scene.tier(json!({})).await?;
    let new = scene
        .tenant("after", &tier, json!({"namespaces": [{"name": "more"}]}))
        .await?;
    for tenant in tenants {
        tenant.patch(json!({"quota": {"pods": 8}})).await?;
    }
    for tenant in [tenants[0], tenants[1], &new] {
        tenant.ready().await?;
    }
    only_writes(&second, &log)?;
    Ok(second)
}

async fn one_that_is_killed_is_replaced(scene: &Scene, tenants: [&TestTenant; 2], old: &str) -> Result<()> {
    let start = Instant::now();
    kill(&scene.cluster, old).await?;
    // Or the kubelet would start it again, under the name that holds the lease.
    let at = path("pods", operator::NAMESPACE, old) + "?gracePeriodSeconds=0";
    scene.cluster.delete(&at).await.context("remove the killed pod")?;
    let new = another_leader(&scene.cluster, old, 40).await?;
    println!("replaced after {:?}", start.elapsed());
    let log = Audit::now()?;
    tenants[0].patch(json!({"quota": {"pods": 9}})).await?;
    tenants[0].ready().await?;
    only_writes(&new, &log)
}

/// Checks that the leader has written since, and nobody else.
fn only_writes(leader: &str, log: &Audit) -> Result<()> {
    let writers: BTreeSet<String> = log.operator_writes()?.into_iter().map(|w| w.pod).collect();
    ensure!(
        writers == BTreeSet::from([leader.to_owned()]),
        "{leader} leads, but there wrote {writers:?}"
    );
    Ok(())
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
