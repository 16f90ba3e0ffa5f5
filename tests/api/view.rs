//! `TenantView`.

use crate::harness;
use crate::support::{Scene, path, refused};
use anyhow::{Context, Result, ensure};
use serde_json::json;

#[tokio::test]
async fn a_view_shows_its_columns_and_needs_a_tier() -> Result<()> {
    harness::cluster().await?;
    let scene = Scene::without_operator("view").await?;
    let namespace = scene.namespace("ns").await?;
    let body = |status| json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantView", "metadata": {"name": "v"}, "status": status});
    let list = path("tenantviews", &namespace, "");
    refused(
        "a view without tier",
        scene.cluster.create(&list, &body(json!({}))).await,
        &["status.tier", "required"],
    )?;
    let ready = json!({"type": "Ready", "status": "True", "reason": "Ready", "message": "",
                       "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"tier": "starter", "conditions": [ready], "usage": {"cpu": "10m", "memory": "1Gi", "pods": 3}});
    scene
        .cluster
        .create(&list, &body(status))
        .await
        .context("create a view")?;
    let (columns, cells) = scene.cluster.table(&list, "v").await?;
    ensure!(
        columns == ["Name", "Tier", "Ready", "Reason", "CPU", "Memory", "Pods", "Age"],
        "{columns:?}"
    );
    let expected = [
        json!("v"),
        json!("starter"),
        json!("True"),
        json!("Ready"),
        json!("10m"),
        json!("1Gi"),
        json!(3),
    ];
    ensure!(cells[..7] == expected, "{cells:?}");
    Ok(())
}
