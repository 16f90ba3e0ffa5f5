//! A workload's Deployment.

use super::{labels, pod};
use crate::api::Workload;
use crate::capability::ValidTenant;
use crate::cluster::{Desired, Kind, metadata};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

pub fn deployment(tenant: &ValidTenant, workload: &Workload) -> Desired {
    let meta = labels::meta(&tenant.core, workload, &workload.name);
    let replicas = match (&workload.autoscaling, tenant.core.suspend) {
        (_, true) => Some(0),
        (Some(autoscaling), false) => Some(autoscaling.min_replicas.unwrap_or(1)),
        (None, false) => Some(workload.replicas.unwrap_or(1)),
    };
    let object = Deployment {
        metadata: meta.clone(),
        spec: Some(DeploymentSpec {
            replicas,
            selector: LabelSelector {
                match_labels: Some(labels::selector(&tenant.core, workload)),
                match_expressions: None,
            },
            template: pod::template(tenant, workload),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    };
    let desired = metadata::desired(Kind::Deployment, &meta, &object);
    // Under an autoscaler the number of replicas is its own, once the Deployment exists.
    let autoscaled = workload.autoscaling.is_some() && !tenant.core.suspend;
    Desired {
        others: if autoscaled { vec!["/spec/replicas"] } else { Vec::new() },
        ..desired
    }
}
