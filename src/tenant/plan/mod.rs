//! `ValidTenant → Environment`: every object that should exist, in the order of application. Pure: no clock, no
//! randomness, no I/O; the same tenant gives the same bytes.

mod access;
mod autoscaler;
mod binding;
mod claim;
mod configuration;
mod deployment;
mod disruption_budget;
mod limits;
mod namespace;
mod network_policy;
mod own_keys;
mod pod;
mod quota;
mod service;
mod service_account;
mod volume_claim;
mod workload_metadata;

pub use access::operator as operator_binding;
pub use claim::{Claim, holder, host_claims, id_claim};
pub use quota::closed as closed_quota;

use super::ValidTenant;
use crate::cluster::Desired;
use crate::gateway::{self};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is the same for all tenants of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    /// The operator's own namespace.
    pub namespace: String,
    /// The operator's ServiceAccount there.
    pub service_account: String,
    /// Where the cluster's DNS runs.
    pub dns_namespace: String,
    /// What its pods are labelled with.
    pub dns_pod_labels: BTreeMap<String, String>,
    /// Where the gateway runs, if there is one.
    pub gateway_namespace: Option<String>,
    /// Where routes attach, if there is a gateway to write for.
    pub gateway: Option<gateway::Attachment>,
    /// Why that gateway serves nobody, if it does not.
    pub gateway_problem: Option<String>,
    /// Addresses and ports of the API server: its Service and what stands behind it.
    pub api_server: Vec<(IpAddr, u16)>,
    /// Whether admission is tried in tenants' namespaces.
    pub examiner: bool,
}

/// Everything that should exist for one tenant, each stage complete before the next begins.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// What must be the tenant's alone.
    pub claims: Vec<Desired>,
    pub namespaces: Vec<Desired>,
    /// The operator's own right to go on.
    pub bindings: Vec<Desired>,
    /// Quota, limits, network policies, the default ServiceAccount: what must hold before anyone or anything comes in.
    pub bounds: Vec<Desired>,
    /// Who is let in.
    pub access: Vec<Desired>,
    /// What workloads need.
    pub configuration: Vec<Desired>,
    pub workloads: Vec<Desired>,
    /// Who is let in at the gateway, and how much; what routes may lead to.
    pub admission: Vec<Desired>,
    /// What leads to the workloads.
    pub routes: Vec<Desired>,
}

impl Environment {
    /// Every object in the order of application.
    pub fn objects(&self) -> impl Iterator<Item = &Desired> {
        let Self {
            claims,
            namespaces,
            bindings,
            bounds,
            access,
            configuration,
            workloads,
            admission,
            routes,
        } = self;
        let stages = [
            claims,
            namespaces,
            bindings,
            bounds,
            access,
            configuration,
            workloads,
            admission,
            routes,
        ];
        stages.into_iter().flatten()
    }
}

/// Plans a tenant's environment.
pub fn plan(tenant: &ValidTenant, platform: &Platform) -> Environment {
    let mut environment = Environment {
        claims: std::iter::once(id_claim(&tenant.core.owner, platform))
            .chain(host_claims(tenant, platform))
            .map(|claim| claim.object)
            .collect(),
        ..Environment::default()
    };
    for namespace in &tenant.core.namespaces {
        environment
            .namespaces
            .push(namespace::namespace(tenant, &namespace.name));
        environment
            .bindings
            .push(access::operator(&tenant.core.owner, &namespace.name, platform));
        environment.bounds.push(quota::quota(tenant, namespace));
        environment.bounds.push(limits::limits(tenant, &namespace.name));
        environment
            .bounds
            .extend(network_policy::policies(tenant, &namespace.name, platform));
        environment
            .bounds
            .push(service_account::default(tenant, &namespace.name));
        environment.access.extend(access::owners(tenant, &namespace.name));
        environment
            .access
            .extend(access::examiner(&tenant.core.owner, &namespace.name, platform));
    }
    environment.configuration.extend(configuration::config_map(tenant));
    environment.workloads = workloads(tenant);
    let written = gateway_config(tenant, platform);
    (environment.routes, environment.admission) = written.into_iter().partition(|object| object.key.kind.is_route());
    environment
}

/// What leads to a tenant, as its gateway is told.
fn gateway_config(tenant: &ValidTenant, platform: &Platform) -> Vec<Desired> {
    let way = platform.gateway.as_ref().and_then(|to| {
        let way = tenant.gateway_config(&to.shared_hosts)?;
        Some(to.controller.write(&way, to).objects)
    });
    way.unwrap_or_default()
}

/// Plans what runs.
pub fn workloads(tenant: &ValidTenant) -> Vec<Desired> {
    let mut objects = Vec::new();
    for workload in &tenant.workloads {
        objects.push(service_account::of_workload(tenant, workload));
        objects.extend(volume_claim::claims(tenant, workload));
        objects.extend(service::service(tenant, workload));
        objects.extend(disruption_budget::disruption_budget(tenant, workload));
        objects.push(deployment::deployment(tenant, workload));
        objects.extend(autoscaler::autoscaler(tenant, workload));
    }
    objects
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;

#[cfg(test)]
#[path = "property_test.rs"]
mod properties;
