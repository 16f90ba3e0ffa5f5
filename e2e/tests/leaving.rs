//! A tenant stays closed until its last pod is gone: its policies stay as long as the pods (CVE-2024-7598).

use crate::support::probe::{From, closed, open};
use crate::support::{SHELL_IMAGE, Scene, eventually, path, pods, secs, text};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::time::{Duration, Instant};

/// The time for which the pod serves after its termination signal.
const LINGERS: u64 = 25;

#[tokio::test]
async fn a_tenant_that_is_deleted_is_reached_by_nobody_meanwhile() -> Result<()> {
    let scene = Scene::new("leaving").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    tenant.ready().await?;
    let mut pod = pods::server("lingers");
    let spec = &mut pod["spec"];
    spec["terminationGracePeriodSeconds"] = json!(LINGERS);
    spec["containers"][0]["image"] = json!(SHELL_IMAGE);
    let serve = "trap '' TERM; echo here > /tmp/index.html; httpd -p 8080 -h /tmp; while true; do sleep 1; done";
    spec["containers"][0]["command"] = json!(["/bin/sh", "-c", serve]);
    scene
        .cluster
        .create(&path("pods", &tenant.name, ""), &pod)
        .await
        .context("a pod that lingers")?;
    let address = pods::address(&scene.cluster, &tenant.name, "lingers").await?;
    let target = format!("{address}:8080");
    pods::run(&scene.cluster, &tenant.name, "inside").await?;
    open("control: it serves its tenant", From(&tenant.name, "inside"), &target).await?;
    let plain = scene.namespace("plain").await?;
    pods::run(&scene.cluster, &plain, "outside").await?;
    let outside = From(&plain, "outside");
    closed("a tenant that lives", outside, &target).await?;

    tenant.delete().await?;
    let (begun, at) = (Instant::now(), path("pods", &tenant.name, "lingers"));
    let mut tries_while_it_ends = 0;
    while begun.elapsed() < secs(120) {
        let before = scene.cluster.get(&at).await;
        closed("a tenant that is being deleted", outside, &target).await?;
        match before {
            Ok(pod)
                if text(&pod["status"]["phase"]) == "Running" && !pod["metadata"]["deletionTimestamp"].is_null() =>
            {
                tries_while_it_ends += 1;
            }
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => break,
            Err(error) => bail!(error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure!(
        tries_while_it_ends >= 2,
        "it was tried {tries_while_it_ends} times while the pod was ending"
    );
    eventually("the tenant to be gone", secs(90), async || tenant.is_gone().await).await
}
