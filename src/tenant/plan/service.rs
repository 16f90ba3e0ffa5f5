//! A workload's Service, where it serves ports.

use super::workload_metadata;
use crate::api::Workload;
use crate::cluster::{Desired, Kind, metadata};
use crate::tenant::ValidTenant;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub fn service(tenant: &ValidTenant, workload: &Workload) -> Option<Desired> {
    let ports: Vec<ServicePort> = workload
        .ports
        .iter()
        .flatten()
        .map(|port| ServicePort {
            name: Some(port.name.clone()),
            port: port.container_port,
            target_port: Some(IntOrString::String(port.name.clone())),
            protocol: Some(port.protocol.unwrap_or_default().as_str().into()),
            ..ServicePort::default()
        })
        .collect();
    if ports.is_empty() {
        return None;
    }
    let meta = workload_metadata::workload_meta(tenant, workload, &workload.name);
    let object = Service {
        metadata: meta.clone(),
        spec: Some(ServiceSpec {
            selector: Some(workload_metadata::selector(tenant, workload)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    Some(metadata::desired(Kind::Service, &meta, &object))
}
