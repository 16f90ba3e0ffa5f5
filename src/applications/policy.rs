//! The policies on both sides: a way out of the tenant's namespaces, and one policy for each Service that lets its pods in.

use super::resolve::{OpenService, ValidApplications};
use crate::capability::applications::ServiceName;
use crate::capability::{Egress, Reach, ValidTenant};
use crate::cluster::{Desired, Kind, metadata};
use crate::names;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The NetworkPolicy in the tenant's namespaces, by the name of its kind of traffic.
pub const EGRESS: &str = "allow-applications";

/// The ways out to the pods of these Services.
pub fn egress(applications: &ValidApplications) -> Vec<Egress> {
    let open = applications.open.iter();
    open.map(|((namespace, _), service)| Egress {
        to: vec![Reach::Pods(namespace.clone(), service.labels.clone())],
        ports: ports(service),
    })
    .collect()
}

/// The policies that let the tenant's pods in.
pub fn ingress(tenant: &ValidTenant, applications: &ValidApplications) -> Vec<Desired> {
    let open = applications.open.iter();
    open.map(|(name, service)| policy(tenant, name, service)).collect()
}

fn policy(tenant: &ValidTenant, (namespace, service): &ServiceName, open: &OpenService) -> Desired {
    let owner = &tenant.core.owner;
    let meta = metadata::meta(owner, namespace, &names::application_policy(&owner.tenant, service));
    let mut from: Vec<String> = tenant.core.namespaces.iter().map(|own| own.name.clone()).collect();
    from.sort();
    let requirement = LabelSelectorRequirement {
        key: names::NAMESPACE_NAME.into(),
        operator: "In".into(),
        values: Some(from),
    };
    let peer = NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector {
            match_expressions: Some(vec![requirement]),
            match_labels: None,
        }),
        ..NetworkPolicyPeer::default()
    };
    let tcp = |port: IntOrString| NetworkPolicyPort {
        port: Some(port),
        end_port: None,
        protocol: Some("TCP".into()),
    };
    let object = NetworkPolicy {
        metadata: meta.clone(),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(open.labels.clone()),
                match_expressions: None,
            }),
            policy_types: Some(vec!["Ingress".into()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![peer]),
                ports: Some(ports(open).into_iter().map(tcp).collect()),
            }]),
            egress: None,
        }),
    };
    metadata::desired(Kind::NetworkPolicy, &meta, &object)
}

/// The open ports of the pods, each once.
fn ports(open: &OpenService) -> Vec<IntOrString> {
    let mut ports: Vec<IntOrString> = Vec::new();
    for port in open.ports.values() {
        if !ports.contains(port) {
            ports.push(port.clone());
        }
    }
    ports
}
