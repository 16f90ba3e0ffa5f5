//! A PodDisruptionBudget, where there is more than one pod: draining a node takes one at a time.

use super::labels;
use crate::api::Workload;
use crate::capability::TenantCore;
use crate::cluster::{Desired, Kind, metadata};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub fn disruption_budget(tenant: &TenantCore, workload: &Workload) -> Option<Desired> {
    let least = match &workload.autoscaling {
        Some(autoscaling) => autoscaling.min_replicas.unwrap_or(1),
        None => workload.replicas.unwrap_or(1),
    };
    if least < 2 {
        return None;
    }
    let meta = labels::meta(tenant, workload, &workload.name);
    let selector = LabelSelector {
        match_labels: Some(labels::selector(tenant, workload)),
        match_expressions: None,
    };
    let object = PodDisruptionBudget {
        metadata: meta.clone(),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    };
    Some(metadata::desired(Kind::PodDisruptionBudget, &meta, &object))
}
