//! The operator that the tests find installed.

use super::tenant::is_ready;
use super::{Cluster, cluster::text, eventually, kubectl, path, secs};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

pub const NAMESPACE: &str = "tenant-operator-system";
pub const NAME: &str = "tenant-operator";
pub const USER: &str = "system:serviceaccount:tenant-operator-system:tenant-operator";
/// Values that `e2e/up.sh` gives the chart.
pub const GATEWAY_NAMESPACE: &str = "gateway-system";

/// Waits for the operator's Deployment; says how to install it when there is none.
pub async fn available(cluster: &Cluster) -> Result<Value> {
    let at = path("deployments", NAMESPACE, NAME);
    ensure!(
        cluster.exists(&at).await?,
        "there is no operator in {NAMESPACE}: install it first (make up)"
    );
    eventually("the operator to be available", secs(60), async || {
        let deployment = cluster.get(&at).await?;
        let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
        let status = &deployment["status"];
        let available = status["availableReplicas"].as_u64().unwrap_or(0);
        let observed = status["observedGeneration"] == deployment["metadata"]["generation"];
        let count = status["replicas"].as_u64().unwrap_or(0);
        ensure!(
            observed && wanted > 0 && available == wanted && count == wanted,
            "its status is {status}"
        );
        Ok(deployment)
    })
    .await
}

/// The names of its pods that are not going away.
pub async fn pods(cluster: &Cluster) -> Result<Vec<String>> {
    let list = path("pods", NAMESPACE, "") + "?labelSelector=app.kubernetes.io/name%3Dtenant-operator";
    let pods = cluster.list(&list).await?;
    let alive = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    Ok(alive.map(|pod| text(&pod["metadata"]["name"])).collect())
}

/// Returns the metrics of one of its pods, through the API server: OpenMetrics text.
pub async fn metrics(cluster: &Cluster, pod: &str) -> Result<String> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics");
    let request = http::Request::get(path).body(Vec::new())?;
    let text = cluster.client.request_text(request).await;
    text.context("the operator's metrics")
}

/// Whether each of these pods is ready, by its own word: for a moment the Deployment still counts a pod that was deleted.
async fn are_ready(cluster: &Cluster, pods: &[String]) -> Result<bool> {
    for pod in pods {
        let pod = cluster.get(&path("pods", NAMESPACE, pod)).await?;
        if !is_ready(&pod) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Replaces the pod: the kubelet delays each further start of a killed container, for any cause.
pub async fn renew(cluster: &Cluster) -> Result<()> {
    let before = pods(cluster).await?;
    for pod in &before {
        let at = path("pods", NAMESPACE, pod);
        cluster.delete(&at).await.with_context(|| format!("delete {pod}"))?;
    }
    eventually("another pod of the operator", secs(60), async || {
        let now = pods(cluster).await?;
        ensure!(
            !now.is_empty() && now.iter().all(|pod| !before.contains(pod)),
            "there are {now:?}"
        );
        ensure!(are_ready(cluster, &now).await?, "{now:?} are not ready");
        available(cluster).await?;
        Ok(())
    })
    .await
}

/// Installs it anew with these values (`a.b=c`), the others as they are.
pub async fn configure(values: &[&str]) -> Result<()> {
    let chart = format!("{}/charts/tenant-operator", super::REPOSITORY);
    let mut words = vec!["upgrade", NAME, &chart, "--namespace", NAMESPACE];
    words.extend(["--reset-then-reuse-values", "--wait", "--timeout", "3m"]);
    for value in values {
        words.extend(["--set", value]);
    }
    kubectl::helm(&words).await
}

/// Sets the number of replicas.
pub async fn scale(cluster: &Cluster, replicas: u64) -> Result<()> {
    let at = path("deployments", NAMESPACE, NAME);
    cluster
        .patch(&at, &json!({"spec": {"replicas": replicas}}))
        .await
        .context("scale the operator")?;
    if replicas > 0 {
        available(cluster).await?;
    }
    eventually(&format!("{replicas} pods of the operator"), secs(60), async || {
        let list = path("pods", NAMESPACE, "") + "?labelSelector=app.kubernetes.io/name%3Dtenant-operator";
        let count = cluster.list(&list).await?.len() as u64;
        ensure!(count == replicas, "there are {count}");
        Ok(())
    })
    .await
}

/// Returns the holder of the lease.
pub async fn leader(cluster: &Cluster) -> Result<String> {
    let lease = cluster
        .get(&path("leases", NAMESPACE, NAME))
        .await
        .context("the lease")?;
    Ok(text(&lease["spec"]["holderIdentity"]))
}

/// All that the operator's present pods have said.
pub async fn log(cluster: &Cluster) -> Result<String> {
    let mut whole = String::new();
    for pod in pods(cluster).await? {
        whole += &kubectl::run(&["logs", "-n", NAMESPACE, &pod, "--tail=-1"]).await?;
    }
    Ok(whole)
}
