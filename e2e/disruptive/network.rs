//! Probes in tenants' namespaces find openings of the network, and report them until they are closed.

use super::isolation::isolated_within;
use crate::support::{Scene, TestTenant, cluster, condition, eventually, kubectl, path, secs, server_workload, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::process::Command;

/// Within this every tenant's turn has come: there are the samples' besides.
const TURN: u64 = 180;

/// The pods that listen for the others of a round.
const LISTENERS: &str = "/api/v1/pods?labelSelector=tenant-operator.io/probe%3Dlisten";

async fn isolated(tenant: &TestTenant, status: &str, words: &[&str]) -> Result<Value> {
    isolated_within(TURN, tenant, status, words).await
}

/// Switches the local cluster's enforcer of network policies on or off; false where it is not ours to switch.
async fn enforce(state: &'static str) -> Result<bool> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/cluster/enforcer.sh");
    if cluster::local().is_none() {
        return Ok(false);
    }
    let output = tokio::task::spawn_blocking(move || Command::new(script).arg(state).output()).await??;
    ensure!(
        output.status.success(),
        "enforcer.sh {state}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(true)
}

pub async fn what_the_network_lets_through_is_found() -> Result<()> {
    let scene = &Scene::new("probed").await?;
    let tier = scene.tier(json!({})).await?;
    let (a, b) = (
        scene
            .tenant("a", &tier, json!({"namespaces": [{"name": "more"}]}))
            .await?,
        scene.tenant("b", &tier, json!({})).await?,
    );
    for tenant in [&a, &b] {
        let now = isolated(tenant, "True", &["network-access"]).await?;
        ensure!(
            now["status"]["isolation"]["passed"] == 6,
            "{}",
            now["status"]["isolation"]
        );
    }
    a_widened_policy_is_found(scene, &a, &b).await?;
    a_full_quota_is_said(scene, &tier).await?;
    nothing_stays(scene, &a).await?;
    a_network_without_walls_is_found(&a, &b).await?;
    a_neighbour_that_is_gone_proves_nothing(scene, &a).await
}

/// Policies add up: an added policy opens a way that ours close, in any namespace.
async fn a_widened_policy_is_found(scene: &Scene, a: &TestTenant, b: &TestTenant) -> Result<()> {
    let more = format!("{}-more", a.name);
    let at = path("networkpolicies", &more, "oops");
    scene.will_leave(&at);
    let body = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "oops"},
                      "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}});
    scene.cluster.create(&path("networkpolicies", &more, ""), &body).await?;
    // Both are said: what is written, and what was reached. The message has whichever was found first.
    isolated(a, "False", &[]).await?;
    eventually("the policy to be named", secs(TURN), async || {
        let now = a.get().await?;
        let violations = now["status"]["isolation"]["violations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let is_named = |violation: &Value| {
            let message = text(&violation["message"]);
            violation["check"] == "network-policies"
                && ["NetworkPolicy", "oops", "everybody"]
                    .iter()
                    .all(|word| message.contains(word))
        };
        ensure!(violations.iter().any(is_named), "{violations:?}");
        Ok(())
    })
    .await?;
    let violations = eventually("the probe to find it", secs(TURN), async || {
        let now = a.get().await?;
        let violations = now["status"]["isolation"]["violations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let dialled = violations
            .iter()
            .filter(|violation| violation["check"] == "network-access");
        let messages: Vec<String> = dialled.map(|violation| text(&violation["message"])).collect();
        ensure!(!messages.is_empty(), "{violations:?}");
        Ok(messages)
    })
    .await?;
    let says = |words: &str| violations.iter().any(|message| message.contains(words));
    ensure!(says("the operator's pod") && says("the API server"), "{violations:?}");
    ensure!(
        violations
            .iter()
            .all(|message| message.contains(&format!("namespace {more} "))),
        "the other namespace is closed: {violations:?}"
    );
    // The neighbours' own walls stand.
    ensure!(!says("a pod of tenant"), "{violations:?}");
    isolated(b, "True", &["network-access"]).await?;
    scene.cluster.delete(&at).await?;
    isolated(a, "True", &["network-access"]).await.map(|_| ())
}

/// Not tried is not passed.
async fn a_full_quota_is_said(scene: &Scene, tier: &str) -> Result<()> {
    let spec = json!({"quota": {"pods": 1}, "workloads": [server_workload("web")]});
    let full = scene.tenant("full", tier, spec).await?;
    full.ready().await?;
    let now = isolated(
        &full,
        "Unknown",
        &["network-access could not be tried", "exceeded quota"],
    )
    .await?;
    ensure!(
        condition(&now, "Ready").is_some_and(|c| c["status"] == "True"),
        "it is not Ready"
    );
    full.delete().await
}

/// Probes leave when they are done.
async fn nothing_stays(scene: &Scene, tenant: &TestTenant) -> Result<()> {
    let list = path("pods", &tenant.name, "") + "?labelSelector=tenant-operator.io/probe";
    eventually("no probe to be there for a moment", secs(60), async || {
        let pods = scene.cluster.list(&list).await?;
        ensure!(pods.is_empty(), "there are {}", pods.len());
        Ok(())
    })
    .await
}

/// A network plugin that takes policies and does nothing about them.
async fn a_network_without_walls_is_found(a: &TestTenant, b: &TestTenant) -> Result<()> {
    if !enforce("off").await? {
        cluster::skipped(
            "what_the_network_lets_through_is_found: a network without walls",
            "this cluster's network plugin cannot be kept from enforcing (CLUSTER=local's can)",
        );
        return Ok(());
    }
    let found = async {
        for tenant in [a, b] {
            let now = isolated(
                tenant,
                "False",
                &["network-access", "a pod of tenant", "network policies have no effect"],
            )
            .await?;
            let violation = &now["status"]["isolation"]["violations"][0];
            let counterpart = text(&violation["counterpart"]);
            ensure!(!counterpart.is_empty() && counterpart != tenant.name, "{violation}");
            ensure!(text(&violation["message"]).contains(&counterpart), "{violation}");
        }
        kubectl::run(&["get", "tenant", &a.name]).await
    };
    let found = found.await;
    enforce("on").await.context("the enforcer is not back")?;
    println!("{}", found?);
    for tenant in [a, b] {
        isolated(tenant, "True", &["network-access"]).await?;
    }
    Ok(())
}

/// A probe that dials a removed pod reaches nothing.
async fn a_neighbour_that_is_gone_proves_nothing(scene: &Scene, tenant: &TestTenant) -> Result<()> {
    let removing = async {
        loop {
            for pod in scene.cluster.list(LISTENERS).await.unwrap_or_default() {
                if condition(&pod, "Ready").is_some_and(|c| c["status"] == "True") {
                    let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
                    let _ = scene.cluster.delete(&path("pods", &namespace, &name)).await;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let words = ["network-access could not be tried", "stopped listening too early"];
    tokio::select! {
        () = removing => Ok(()),
        said = isolated(tenant, "Unknown", &words) => said.map(|_| ()),
    }
}
