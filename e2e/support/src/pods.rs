//! Pods that a test makes itself.

use super::{Cluster, SERVER_IMAGE, eventually, path, secs};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// A server on port 8080 that Pod Security `restricted` admits.
pub fn server(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec()
    })
}

/// The pod spec of such a server.
pub fn spec() -> Value {
    json!({
        "automountServiceAccountToken": false,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "server", "image": SERVER_IMAGE, "imagePullPolicy": "IfNotPresent",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}
        }]
    })
}

/// A Deployment of such servers, as a tenant would make one itself.
pub fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec()}
        }
    })
}

/// Makes a server and waits until it runs; returns its address.
pub async fn run(cluster: &Cluster, namespace: &str, name: &str) -> Result<String> {
    cluster
        .create(&path("pods", namespace, ""), &server(name))
        .await
        .with_context(|| format!("create pod {name}"))?;
    address(cluster, namespace, name).await
}

/// The address of a pod, once it is ready.
pub async fn address(cluster: &Cluster, namespace: &str, name: &str) -> Result<String> {
    eventually(&format!("pod {namespace}/{name} to be ready"), secs(90), async || {
        let pod = cluster.get(&path("pods", namespace, name)).await?;
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
        ensure!(ready, "its status is {}", pod["status"]);
        Ok(pod["status"]["podIP"].as_str().context("no address")?.to_owned())
    })
    .await
}

/// Pods are refused in a new namespace until it has its default ServiceAccount.
pub async fn account(cluster: &Cluster, namespace: &str) -> Result<()> {
    eventually(
        &format!("the default ServiceAccount of {namespace}"),
        secs(20),
        async || {
            ensure!(
                cluster.exists(&path("serviceaccounts", namespace, "default")).await?,
                "it is not there"
            );
            Ok(())
        },
    )
    .await
}
