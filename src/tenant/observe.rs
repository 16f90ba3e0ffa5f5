//! Reads what a Tenant's validity depends on out of what is known, and decides nothing.

use crate::api::{DatabaseModel, DatabaseServer, OwnerKind, Tenant, TenantTier, unread_in};
use crate::capability::applications::{self, ServiceName, SharedService};
use crate::capability::family::Relatives;
use crate::capability::peers::named_peers;
use crate::capability::{PeerTenant, SharedServices, Tenants, World, identity, namespaces};
use crate::cluster::{Key, Store};
use crate::conditions::reason;
use crate::database::placement_record;
use crate::dns::{DnsSettings, last_label};
use crate::tenant::family;
use ipnet::IpNet;
use kube::runtime::reflector::{self, ObjectRef};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Caches of everything that tenants depend on, and the settings.
#[derive(Clone)]
pub struct Caches {
    pub tenants: Tenants,
    pub tiers: reflector::Store<TenantTier>,
    pub servers: reflector::Store<DatabaseServer>,
    pub objects: Arc<Store>,
    /// The addresses of the cluster itself.
    pub cluster_cidrs: Vec<IpNet>,
    /// The ends of names in the cluster.
    pub dns: DnsSettings,
    /// Addresses of DNS servers that the platform names.
    pub dns_addresses: Vec<IpAddr>,
    /// Namespaces that are the platform's own, and whose.
    pub reserved: BTreeMap<String, &'static str>,
    /// True where no gateway is known that tenants could let in.
    pub lacks_gateway: bool,
    /// The hosts that all tenants share; none where there is no gateway to write routes for.
    pub shared_hosts: Option<Vec<String>>,
    /// Namespaces of shared applications.
    pub application_namespaces: Vec<String>,
    /// The Services there; None where the chart lets the operator open none to pods.
    pub shared_services: Option<SharedServices>,
    /// The operator's own namespace, where it records what is whose.
    pub namespace: String,
}

impl Caches {
    /// The tier that a Tenant names, if it exists and can be read: without a field that cannot it would give other bounds.
    pub fn tier(&self, tenant: &Tenant) -> Option<Arc<TenantTier>> {
        self.found_tier(tenant)
            .filter(|tier| unread_in(&tier.spec.unread, "spec").is_none())
    }

    /// Returns the fault of the tier that a Tenant names: a reason and a message.
    pub fn lacks_tier(&self, tenant: &Tenant) -> (&'static str, String) {
        let name = &tenant.spec.tier;
        match self.found_tier(tenant) {
            None => (reason::TIER_NOT_FOUND, format!("there is no TenantTier {name}")),
            Some(tier) => {
                let unread = unread_in(&tier.spec.unread, "spec").unwrap_or_default();
                (reason::INVALID_TIER, format!("TenantTier {name}: {unread}"))
            }
        }
    }

    fn found_tier(&self, tenant: &Tenant) -> Option<Arc<TenantTier>> {
        self.tiers.get(&ObjectRef::new(&tenant.spec.tier))
    }

    /// Returns the model in which the tenant's data is kept already.
    fn placed(&self, tenant: &Tenant) -> Option<DatabaseModel> {
        let owner = identity(tenant);
        let record = self
            .objects
            .get(&owner.tenant, &placement_record::key(&owner, &self.namespace))?;
        Some(placement_record::read(&record)?.model)
    }

    /// Returns existing namespaces of the tenant whose names are ends of hosts.
    fn capturing_namespaces(&self, tenant: &Tenant, servers: &BTreeMap<String, String>) -> BTreeSet<String> {
        let owner = identity(tenant);
        let is_there = |name: &String| {
            let live = self.objects.get(&owner.tenant, &Key::namespace(name.clone()));
            live.is_some_and(|live| live.belongs_to(&owner))
        };
        let names = namespaces(tenant).into_iter();
        let capturing = names.filter(|name| self.dns.suffix(name).is_some() || servers.contains_key(name));
        capturing.filter(is_there).collect()
    }

    /// Returns the Services of the applications that the tenant's tier opens to its pods.
    fn shared_services(&self, tenant: &Tenant) -> Option<BTreeMap<ServiceName, SharedService>> {
        let services = self.shared_services.as_ref()?;
        let tier = self.tier(tenant);
        let named = tier.map(|tier| applications::named(&tier.spec)).unwrap_or_default();
        let name = tenant.metadata.name.as_deref().unwrap_or_default();
        Some(services.read(name, named.into_values()))
    }

    /// The rest of the world, as far as this Tenant's validity depends on it.
    pub fn world(&self, tenant: &Tenant) -> World {
        let peers = named_peers(tenant).into_iter().filter_map(|name| {
            let peer = self
                .tenants
                .get(&name)
                .filter(|t| t.metadata.deletion_timestamp.is_none())?;
            let namespaces = peer
                .status
                .as_ref()
                .map(|status| status.namespaces.clone())
                .unwrap_or_default();
            Some((
                name,
                PeerTenant {
                    names: named_peers(&peer),
                    namespaces,
                },
            ))
        });
        let server_suffixes = server_suffixes(&self.dns, self.servers.state().iter().map(AsRef::as_ref));
        let name = tenant.metadata.name.as_deref().unwrap_or_default();
        let tenant_namespaces = tenant
            .spec
            .owners
            .iter()
            .filter(|owner| owner.kind == OwnerKind::ServiceAccount)
            .filter_map(|owner| {
                let namespace = owner.namespace.clone()?;
                let holder = self
                    .objects
                    .holder_of_namespace(&namespace)
                    .filter(|holder| holder != name)?;
                Some((namespace, holder))
            })
            .collect::<BTreeMap<_, _>>();
        World {
            cluster_cidrs: self.cluster_cidrs.clone(),
            peers: peers.collect(),
            tenant_namespaces,
            dns: self.dns.clone(),
            dns_addresses: self.dns_addresses.clone(),
            capturing_namespaces: self.capturing_namespaces(tenant, &server_suffixes),
            server_suffixes,
            reserved: self.reserved.clone(),
            lacks_gateway: self.lacks_gateway,
            shared_hosts: self.shared_hosts.clone(),
            application_namespaces: self
                .application_namespaces
                .iter()
                .map(|name| (name.clone(), self.objects.holder_of_namespace(name)))
                .collect(),
            shared_services: self.shared_services(tenant),
            placed: self.placed(tenant),
            family: family::observe(tenant, self),
        }
    }
}

impl Relatives for Caches {
    fn tenant(&self, name: &str) -> Option<Arc<Tenant>> {
        self.tenants.get(name)
    }

    fn tier(&self, tenant: &Tenant) -> Option<Arc<TenantTier>> {
        Self::tier(self, tenant)
    }

    fn children(&self, parent: &str) -> Vec<String> {
        self.tenants.children(parent)
    }
}

/// The namespaces that the hosts of database servers can be found in, and which server's. A dot at a host's end is no matter: not all clients heed it.
pub fn server_suffixes<'a>(
    dns: &DnsSettings,
    servers: impl Iterator<Item = &'a DatabaseServer>,
) -> BTreeMap<String, String> {
    let suffixes = servers.flat_map(|server| {
        let host = &server.spec.host;
        let last = last_label(host).map(str::to_ascii_lowercase);
        let name = server.metadata.name.clone().unwrap_or_default();
        let all = dns.namespaces(host).into_iter().chain(last);
        all.map(move |namespace| (namespace, name.clone()))
    });
    suffixes.collect()
}

#[cfg(test)]
#[path = "observe_test.rs"]
mod tests;
