//! The id is for good: this needs stored objects.

use crate::harness;
use crate::support::{Scene, refused};
use anyhow::{Result, ensure};
use serde_json::json;

const FIRST: &str = "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11";
const OTHER: &str = "8d2b6f0e-0c55-4a3c-8f7e-5f5f5f5f5f5f";

#[tokio::test]
async fn an_id_cannot_be_changed_or_taken_away() -> Result<()> {
    harness::cluster().await?;
    let scene = Scene::without_operator("id").await?;
    let tenant = scene.tenant("", "no-such-tier", json!({"id": FIRST})).await?;
    let patch = async |spec| scene.cluster.patch(&tenant.path(), &json!({"spec": spec})).await;
    refused("another id", patch(json!({"id": OTHER})).await, &["id"])?;
    refused("no id", patch(json!({"id": null})).await, &["id is immutable"])?;
    tenant.patch(json!({"displayName": "Same id"})).await?;
    ensure!(tenant.get().await?["spec"]["id"] == FIRST, "the id changed");
    Ok(())
}

#[tokio::test]
async fn an_id_can_be_named_later_only_as_it_is() -> Result<()> {
    harness::cluster().await?;
    let scene = Scene::without_operator("id").await?;
    let tenant = scene.tenant("", "no-such-tier", json!({})).await?;
    // An operator at work says first that there is no such tier, and would write over what is recorded below.
    for _ in 0..25 {
        if !tenant.get().await?["status"]["observedGeneration"].is_null() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    // The operator's first act; an operator in the cluster has done it already.
    let status = format!("{}/status", tenant.path());
    let id = match tenant.get().await?["status"]["id"].as_str() {
        Some(id) => id.to_owned(),
        None => FIRST.to_owned(),
    };
    scene.cluster.patch(&status, &json!({"status": {"id": id}})).await?;
    let other = scene
        .cluster
        .patch(&tenant.path(), &json!({"spec": {"id": OTHER}}))
        .await;
    refused("an id other than the recorded one", other, &["spec.id cannot differ"])?;
    let recorded = crate::support::cluster::text(&tenant.get().await?["status"]["id"]);
    tenant.patch(json!({"id": recorded})).await?;
    Ok(())
}
