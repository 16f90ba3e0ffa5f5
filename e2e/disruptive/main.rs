//! Tests that disturb the operator, or need it undisturbed: restarts, two replicas, a killed leader, quiet.
//!
//! `cargo test --test e2e_disruptive -- --test-threads 1`, after `make up` and with nothing else at work.

use e2e_support as support;

mod admission;
mod api_server_restart;
mod authorizers;
mod autoscaling;
mod certificates;
mod crash;
mod crash_at_writes;
mod crd_removal;
mod database;
mod down;
mod examples;
mod fleet;
mod hasty;
mod isolation;
mod leadership;
mod lives;
mod network;
mod quiet;
mod reports;
mod storage;
mod together;

use anyhow::Result;
use serde_json::json;
use support::{Scene, TestTenant, server_workload};

/// Some tenants with something of everything, Ready.
async fn settled_tenants(scene: &Scene) -> Result<Vec<TestTenant>> {
    let tier = scene.tier(json!({})).await?;
    let spec = json!({
        "owners": [{"kind": "User", "name": scene.name, "role": "Admin"}], "namespaces": [{"name": "more"}],
        "configuration": {"a": 1}, "workloads": [server_workload("web")], "network": {"ingress": {"gateway": "Allow"}}
    });
    let mut tenants = Vec::new();
    for suffix in ["a", "b", "c"] {
        tenants.push(scene.tenant(suffix, &tier, spec.clone()).await?);
    }
    for tenant in &tenants {
        tenant.ready().await?;
        tenant.pods("web", 1).await?;
    }
    Ok(tenants)
}
