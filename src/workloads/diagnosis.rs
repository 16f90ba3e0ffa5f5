//! The reason that pods report for not running.

use super::availability::Unavailable;
use crate::cluster::Writer;
use crate::names;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};

/// A workload's pods mostly fail alike; a few tell it.
const LOOKED_AT: u32 = 20;

/// Reasons of kubelet and scheduler that do not pass by themselves.
const HOPELESS: [&str; 3] = ["InvalidImageName", "CreateContainerConfigError", "ErrImageNeverPull"];

/// Adds to a workload's state what its pods say. Where they cannot be read, nothing is added.
pub async fn diagnose(writer: &Writer, namespace: &str, unavailable: Unavailable) -> Unavailable {
    let api: Api<Pod> = Api::namespaced(writer.client().clone(), namespace);
    let selector = format!("{}={}", names::WORKLOAD, unavailable.workload);
    let params = ListParams::default().labels(&selector).limit(LOOKED_AT);
    match api.list(&params).await {
        Ok(pods) => explain(unavailable, &pods.items),
        Err(error) => {
            tracing::debug!(%error, namespace, "pods could not be read");
            unavailable
        }
    }
}

fn explain(unavailable: Unavailable, pods: &[Pod]) -> Unavailable {
    let Some((why, hopeless)) = pods.iter().find_map(complaint) else {
        return unavailable;
    };
    Unavailable {
        message: format!("{}; {why}", unavailable.message),
        stuck: unavailable.stuck || hopeless,
        ..unavailable
    }
}

/// Returns a pod's complaint, and true where that does not pass by itself.
fn complaint(pod: &Pod) -> Option<(String, bool)> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref()?;
    for container in status.container_statuses.iter().flatten() {
        if let Some(waiting) = container.state.as_ref().and_then(|state| state.waiting.as_ref()) {
            let reason = waiting.reason.as_deref().unwrap_or_default();
            if !matches!(reason, "ContainerCreating" | "PodInitializing" | "") {
                let message = waiting.message.as_deref().unwrap_or_default();
                return Some((
                    format!("pod {name}: {reason}: {message:.300}"),
                    HOPELESS.contains(&reason),
                ));
            }
        }
    }
    let lacks = |kind: &str| {
        let condition = status
            .conditions
            .iter()
            .flatten()
            .find(|c| c.type_ == kind && c.status == "False")?;
        Some(condition.message.clone().unwrap_or_default())
    };
    let starting = status.phase.as_deref() == Some("Pending");
    lacks("PodScheduled")
        .map(|why| format!("pod {name} is not scheduled: {why:.300}"))
        .or_else(|| {
            lacks("Ready")
                .filter(|_| !starting)
                .map(|why| format!("pod {name} is not ready: {why:.300}"))
        })
        .map(|why| (why, false))
}
