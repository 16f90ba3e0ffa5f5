//! The installed operator: its state, and its own metrics.

use crate::cluster::Cluster;
use crate::timing::until;
use anyhow::{Context, Result, ensure};
use clap::Parser;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use std::time::Duration;
use tenant_operator::names;
use tenant_operator::settings::Settings;

pub const NAMESPACE: &str = "tenant-operator-system";
pub const USER: &str = "system:serviceaccount:tenant-operator-system:tenant-operator";
const PODS: &str = "app.kubernetes.io/name=tenant-operator";
const TIMEOUT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

fn deployments(cluster: &Cluster) -> Api<Deployment> {
    Api::namespaced(cluster.client.clone(), NAMESPACE)
}

fn pods(cluster: &Cluster) -> Api<Pod> {
    Api::namespaced(cluster.client.clone(), NAMESPACE)
}

/// Returns the desired number of its pods.
pub async fn replicas(cluster: &Cluster) -> Result<i32> {
    let deployment = deployments(cluster)
        .get(names::MANAGER)
        .await
        .context("the operator is not installed: make up")?;
    Ok(deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1))
}

/// Sets how many pods there are, and waits until it is so.
pub async fn scale(cluster: &Cluster, replicas: i32) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments(cluster)
        .patch(names::MANAGER, &PatchParams::default(), &patch)
        .await
        .context("scale the operator")?;
    until(
        &format!("{replicas} pods of the operator"),
        TIMEOUT,
        PAUSE,
        async || {
            let status = deployments(cluster)
                .get(names::MANAGER)
                .await?
                .status
                .unwrap_or_default();
            let pods = pods(cluster)
                .list_metadata(&ListParams::default().labels(PODS))
                .await?
                .items
                .len();
            let ready = status.available_replicas.unwrap_or(0) == replicas;
            Ok((ready && i32::try_from(pods) == Ok(replicas)).then_some(()))
        },
    )
    .await
}

/// The settings that the installed operator has, from its environment.
pub async fn settings(cluster: &Cluster) -> Result<Settings> {
    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        settings: Settings,
    }
    let deployment = deployments(cluster).get(names::MANAGER).await?;
    let pod = deployment
        .spec
        .and_then(|spec| spec.template.spec)
        .context("the operator's Deployment has no pod")?;
    let variables = pod
        .containers
        .into_iter()
        .flat_map(|container| container.env.unwrap_or_default());
    let flags = variables.filter_map(|variable| {
        let flag = match variable.name.as_str() {
            "CLUSTER_CIDRS" => "--cluster-cidrs",
            "GATEWAY_NAMESPACE" => "--gateway-namespace",
            "GATEWAY_CONTROLLER" => "--gateway-controller",
            "GATEWAY_NAME" => "--gateway-name",
            "GATEWAY_PARENT_NAMESPACE" => "--gateway-parent-namespace",
            "GATEWAY_SCHEME" => "--gateway-scheme",
            "GATEWAY_SHARED_HOSTS" => "--gateway-shared-hosts",
            "GATEWAY_PATH_TEMPLATE" => "--gateway-path-template",
            "GATEWAY_APPLICATION_NAMESPACES" => "--gateway-application-namespaces",
            "DNS_NAMESPACE" => "--dns-namespace",
            "DNS_POD_LABELS" => "--dns-pod-labels",
            _ => return None,
        };
        Some(format!("{flag}={}", variable.value.unwrap_or_default()))
    });
    let arguments = ["bench".to_string(), format!("--namespace={NAMESPACE}")]
        .into_iter()
        .chain(flags);
    Ok(Flags::try_parse_from(arguments)?.settings)
}

/// The pod that leads.
pub async fn leader(cluster: &Cluster) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    until("a leader", TIMEOUT, PAUSE, async || {
        let holder = leases
            .get_opt(names::MANAGER)
            .await?
            .and_then(|lease| lease.spec?.holder_identity)
            .unwrap_or_default();
        let pod = if holder.is_empty() {
            None
        } else {
            pods(cluster).get_opt(&holder).await?
        };
        Ok(pod
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .map(|_| holder))
    })
    .await
}

/// Ends a pod in the ordinary way.
pub async fn delete(cluster: &Cluster, pod: &str) -> Result<()> {
    pods(cluster).delete(pod, &DeleteParams::default()).await?;
    Ok(())
}

/// The operator's own metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub cpu_seconds: f64,
    pub memory: f64,
    pub peak_memory: f64,
    pub reconciles: f64,
    pub errors: f64,
}

impl Metrics {
    /// Returns the counts since an earlier reading; memory as it is now.
    pub fn since(self, before: &Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            reconciles: self.reconciles - before.reconciles,
            errors: self.errors - before.errors,
            ..self
        }
    }
}

/// Reads a pod's metrics through the API server.
pub async fn metrics(cluster: &Cluster, pod: &str) -> Result<Metrics> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics");
    let request = http::Request::get(path).body(Vec::new())?;
    let text = cluster
        .client
        .request_text(request)
        .await
        .context("the operator's metrics")?;
    let read = |name: &str| -> f64 {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        lines
            .filter_map(|value| value.trim().parse::<f64>().ok())
            .fold(0.0, f64::max)
    };
    let metrics = Metrics {
        cpu_seconds: read("process_cpu_seconds_total"),
        memory: read("process_resident_memory_bytes"),
        peak_memory: read("process_resident_memory_peak_bytes"),
        reconciles: read("tenant_operator_reconciles_total{result=\"ok\"}"),
        errors: read("tenant_operator_reconciles_total{result=\"error\"}"),
    };
    ensure!(
        metrics.peak_memory > 0.0,
        "the operator's metrics do not tell its memory"
    );
    Ok(metrics)
}
