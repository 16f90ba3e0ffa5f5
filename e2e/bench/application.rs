//! The application of the platform that tenants with routes share, with one real pod.

use crate::cluster::{Cluster, gone};
use crate::timing::until;
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;
use std::time::Duration;

/// The namespace in which `e2e/up.sh` lets the operator grant routes.
pub const NAMESPACE: &str = "shared-applications";
pub const NAME: &str = "bench";
const IMAGE: &str = "executive-service:1.0.0";
const TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

fn pods(cluster: &Cluster) -> Api<Pod> {
    Api::namespaced(cluster.client.clone(), NAMESPACE)
}

fn services(cluster: &Cluster) -> Api<Service> {
    Api::namespaced(cluster.client.clone(), NAMESPACE)
}

/// Makes it, and waits until it answers.
pub async fn run(cluster: &Cluster) -> Result<()> {
    let service = serde_json::from_value(json!({
        "metadata": {"name": NAME},
        "spec": {"selector": {"app": NAME}, "ports": [{"port": 80, "targetPort": 8080}]},
    }))?;
    let made = services(cluster).create(&PostParams::default(), &service).await;
    made.with_context(|| format!("a Service in {NAMESPACE}"))?;
    let pod = serde_json::from_value(json!({
        "metadata": {"name": NAME, "labels": {"app": NAME}},
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "server", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
                "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
            }],
        },
    }))?;
    pods(cluster).create(&PostParams::default(), &pod).await?;
    until("the shared application", TIMEOUT, PAUSE, async || {
        let status = pods(cluster).get(NAME).await?.status.unwrap_or_default();
        let mut conditions = status.conditions.into_iter().flatten();
        Ok(conditions
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
            .then_some(()))
    })
    .await
}

/// Removes it.
pub async fn remove(cluster: &Cluster) -> Result<()> {
    gone(services(cluster).delete(NAME, &DeleteParams::default()).await)?;
    gone(pods(cluster).delete(NAME, &DeleteParams::default()).await)?;
    until("the shared application to go", TIMEOUT, PAUSE, async || {
        Ok(pods(cluster).get_opt(NAME).await?.is_none().then_some(()))
    })
    .await
}
