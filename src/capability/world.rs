//! The rest of the cluster, as far as a Tenant's validity and its objects depend on it.

use super::ObservedFamily;
use super::applications::{ServiceName, SharedService};
use crate::api::DatabaseModel;
use crate::dns::{DnsServers, DnsSettings};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The part of the cluster that a Tenant's validity depends on.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The addresses of the cluster itself (pods, services, nodes), which no egress rule may open.
    pub cluster_cidrs: Vec<IpNet>,
    /// The tenants named as peers, by name, as far as they exist.
    pub peers: BTreeMap<String, PeerTenant>,
    /// The ends of names in the cluster.
    pub dns: DnsSettings,
    /// Addresses of DNS servers that the platform names.
    pub dns_addresses: Vec<IpAddr>,
    /// The namespaces that database servers' hosts can be found in, and the server of each.
    pub server_suffixes: BTreeMap<String, String>,
    /// Existing namespaces of this tenant whose names are ends of hosts.
    pub capturing_namespaces: BTreeSet<String>,
    /// Namespaces of the platform, and their purpose: no tenant may have one of these names.
    pub reserved: BTreeMap<String, &'static str>,
    /// True where no gateway is known that tenants could let in.
    pub lacks_gateway: bool,
    /// Namespaces of other tenants, as far as this Tenant names them.
    pub tenant_namespaces: BTreeMap<String, String>,
    /// The hosts that all tenants share; none where there is no gateway to write routes for.
    pub shared_hosts: Option<Vec<String>>,
    /// Namespaces of shared applications, each with the tenant that has it, which must not be.
    pub application_namespaces: BTreeMap<String, Option<String>>,
    /// The Services of the applications that its tier opens to its pods, as far as they exist. None where the chart lets the operator open none.
    pub shared_services: Option<BTreeMap<ServiceName, SharedService>>,
    /// The model in which this Tenant's data is kept already, if there is any.
    pub placed: Option<DatabaseModel>,
    /// The tenants above it, and its children.
    pub family: ObservedFamily,
}

impl World {
    /// Returns the reason why a namespace holds no shared application. A mistake in a tier must lead nobody to another tenant, nor into the platform.
    pub fn why_not_shared(&self, namespace: &str) -> Option<String> {
        if let Some(whose) = self.reserved.get(namespace) {
            return Some(format!("which is the namespace of {whose}"));
        }
        if namespace.starts_with("kube-") {
            return Some("which belongs to Kubernetes".into());
        }
        match self.application_namespaces.get(namespace) {
            None => Some("which gateway.applicationNamespaces of the chart does not name".into()),
            Some(Some(tenant)) => Some(format!("which belongs to tenant {tenant}")),
            Some(None) => None,
        }
    }
}

/// The known part of another tenant.
#[derive(Clone, Debug, Default)]
pub struct PeerTenant {
    /// The tenants it names itself.
    pub names: BTreeSet<String>,
    /// The namespaces in its status.
    pub namespaces: Vec<String>,
}

/// The settings of the cluster that all tenants' objects depend on.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    /// The operator's own namespace.
    pub namespace: String,
    /// The operator's ServiceAccount there.
    pub service_account: String,
    /// The servers of the cluster's DNS.
    pub dns: DnsServers,
    /// The namespace of the gateway's proxies, if there is one.
    pub gateway_namespace: Option<String>,
    /// Addresses and ports of the API server: its Service and its endpoints.
    pub api_server: Vec<(IpAddr, u16)>,
    /// True where the operator tries admission in tenants' namespaces.
    pub examiner: bool,
}
