//! A workload's Service, where it serves ports.

use super::labels;
use crate::api::Workload;
use crate::capability::TenantCore;
use crate::cluster::{Desired, Kind, metadata};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub fn service(tenant: &TenantCore, workload: &Workload) -> Option<Desired> {
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
    let meta = labels::meta(tenant, workload, &workload.name);
    let object = Service {
        metadata: meta.clone(),
        spec: Some(ServiceSpec {
            selector: Some(labels::selector(tenant, workload)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    Some(metadata::desired(Kind::Service, &meta, &object))
}
