//! A workload's Deployment.

use super::{pod, workload_metadata};
use crate::api::Workload;
use crate::cluster::{Desired, Kind, metadata};
use crate::tenant::ValidTenant;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

pub fn deployment(tenant: &ValidTenant, workload: &Workload) -> Desired {
    let meta = workload_metadata::workload_meta(tenant, workload, &workload.name);
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
                match_labels: Some(workload_metadata::selector(tenant, workload)),
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
