//! The availability of workloads, from the status of their Deployments.

use crate::cluster::Live;
use crate::conditions::are;
use serde_json::Value;

/// A workload that does not run as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// The first such workload.
    pub workload: String,
    /// The figures of its pods.
    pub message: String,
    /// True where Kubernetes gave up on it, or refuses its pods.
    pub stuck: bool,
}

/// The first workload that is not available, if any.
pub fn judge(deployments: impl Iterator<Item = (String, Option<Live>)>) -> Option<Unavailable> {
    deployments.into_iter().find_map(|(workload, live)| {
        let (message, stuck) = match live {
            None => ("its Deployment does not exist yet".to_string(), false),
            Some(live) => problem(&live.value)?,
        };
        Some(Unavailable {
            workload,
            message,
            stuck,
        })
    })
}

fn problem(deployment: &Value) -> Option<(String, bool)> {
    let number = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_i64);
    let wanted = number("/spec/replicas").unwrap_or(1);
    let observed = number("/status/observedGeneration").unwrap_or(0);
    let updated = number("/status/updatedReplicas").unwrap_or(0);
    let available = number("/status/availableReplicas").unwrap_or(0);
    let total = number("/status/replicas").unwrap_or(0);
    let current = observed >= number("/metadata/generation").unwrap_or(0);
    if current && updated == wanted && available == wanted && total == wanted {
        return None;
    }
    let condition = |kind: &str, status: &str| {
        let conditions = deployment.pointer("/status/conditions").and_then(Value::as_array)?;
        let is = |condition: &&Value| {
            condition.get("type").and_then(Value::as_str) == Some(kind)
                && condition.get("status").and_then(Value::as_str) == Some(status)
        };
        conditions.iter().find(is)?.get("message")?.as_str()
    };
    let figures = match () {
        () if !current => "the Deployment controller has not observed its latest change yet".to_string(),
        () if available < wanted => format!("{available} of {} available", are(wanted, "pod")),
        () if updated < wanted => format!("{updated} of {} up to date", are(wanted, "pod")),
        () => format!("{} still terminating", are(total - wanted, "pod")),
    };
    let (message, stuck) = match (condition("ReplicaFailure", "True"), condition("Progressing", "False")) {
        (Some(reason), _) | (None, Some(reason)) if current => (format!("{figures}: {reason:.400}"), true),
        _ => (figures, false),
    };
    Some((message, stuck))
}

#[cfg(test)]
#[path = "availability_test.rs"]
mod tests;
