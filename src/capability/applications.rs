//! Shared applications: the Services of the platform that a tier opens to its tenants' pods, and what the cluster has of them.

use crate::api::{Application, TenantTierSpec};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Namespace and name of a Service.
pub type ServiceName = (String, String);

/// A Service, as far as network policies depend on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SharedService {
    /// The labels of its pods; empty where it has no selector.
    pub selector: BTreeMap<String, String>,
    /// The port of its pods for each of its TCP ports.
    pub ports: BTreeMap<u16, IntOrString>,
    /// Its address in the cluster; a headless Service has none.
    pub address: Option<IpAddr>,
    /// True where its pods admit only what NetworkPolicies of the platform allow.
    pub is_restricted: bool,
}

impl SharedService {
    /// Reads a Service.
    pub fn of(service: &Service) -> Self {
        let Some(spec) = &service.spec else {
            return Self::default();
        };
        let addresses = spec.cluster_ip.as_deref().unwrap_or_default();
        // Clients of a headless Service dial its pods at the port that they know.
        let is_headless = addresses == "None";
        let ports = spec.ports.iter().flatten().filter_map(|port| {
            let is_tcp = port.protocol.as_deref().unwrap_or("TCP") == "TCP";
            let number = u16::try_from(port.port).ok().filter(|_| is_tcp)?;
            let target = port.target_port.clone().filter(|_| !is_headless);
            Some((number, target.unwrap_or(IntOrString::Int(port.port))))
        });
        Self {
            // Kubernetes ignores the selector of an alias.
            selector: match spec.type_.as_deref() {
                Some("ExternalName") => BTreeMap::new(),
                _ => spec.selector.clone().unwrap_or_default(),
            },
            ports: ports.collect(),
            address: addresses.parse().ok(),
            is_restricted: false,
        }
    }
}

/// Returns the applications that a tier opens to its tenants' pods, as far as it has them.
pub fn opened(tier: &TenantTierSpec) -> impl Iterator<Item = &Application> {
    let all = tier.gateway.as_ref().map_or(&[][..], |gateway| &gateway.applications);
    names(tier)
        .iter()
        .filter_map(|name| all.iter().find(|one| one.name == *name))
}

/// The names by which a tier opens applications to its tenants' pods.
pub fn names(tier: &TenantTierSpec) -> &[String] {
    let egress = tier.network.as_ref().and_then(|network| network.egress.as_ref());
    egress.map_or(&[], |egress| &egress.applications)
}

/// The same applications by name, each with its Service.
pub fn named(tier: &TenantTierSpec) -> BTreeMap<String, ServiceName> {
    let named = opened(tier).map(|one| (one.name.clone(), (one.namespace.clone(), one.service.clone())));
    named.collect()
}

/// Returns the pods to which a NetworkPolicy restricts ingress; None where it restricts none.
pub fn restriction(policy: &NetworkPolicy) -> Option<LabelSelector> {
    let spec = policy.spec.as_ref()?;
    let types = spec.policy_types.as_deref().unwrap_or_default();
    let restricts = types.is_empty() || types.iter().any(|type_| type_ == "Ingress");
    restricts.then(|| spec.pod_selector.clone().unwrap_or_default())
}

/// Returns true where a selector certainly selects every pod with these labels, whatever other labels it has.
pub fn selects_all(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let mut equal = selector.match_labels.iter().flatten();
    let mut asked = selector.match_expressions.iter().flatten();
    equal.all(|(key, value)| labels.get(key) == Some(value))
        && asked.all(|asked| {
            let value = labels.get(&asked.key);
            let is_listed = value.is_some_and(|value| asked.values.iter().flatten().any(|other| other == value));
            match asked.operator.as_str() {
                "In" => is_listed,
                "NotIn" => value.is_some() && !is_listed,
                "Exists" => value.is_some(),
                _ => false,
            }
        })
}

/// The content of one namespace.
#[derive(Default)]
struct Content {
    services: BTreeMap<String, SharedService>,
    restrictions: BTreeMap<String, LabelSelector>,
    has_services: bool,
    has_restrictions: bool,
}

#[derive(Default)]
struct Inner {
    namespaces: BTreeMap<String, Content>,
    /// The namespaces that a tenant's last pass has read.
    readers: BTreeMap<String, BTreeSet<String>>,
}

/// The Services in the namespaces of shared applications, as watches show them. Clones share them.
#[derive(Clone, Default)]
pub struct SharedServices {
    inner: Arc<Mutex<Inner>>,
    listed: Arc<Notify>,
}

impl SharedServices {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot leave a map half-changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when all of these namespaces were listed once.
    pub async fn listed(&self, namespaces: &[String]) {
        loop {
            let changed = self.listed.notified();
            let is_listed = {
                let inner = self.lock();
                let content = |name: &String| inner.namespaces.get(name);
                let is_whole = |content: &Content| content.has_services && content.has_restrictions;
                namespaces.iter().all(|name| content(name).is_some_and(is_whole))
            };
            if is_listed {
                return;
            }
            changed.await;
        }
    }

    /// Returns those of these Services that exist. A change of their namespaces wakes the tenant from now on.
    pub fn read(
        &self,
        tenant: &str,
        names: impl IntoIterator<Item = ServiceName>,
    ) -> BTreeMap<ServiceName, SharedService> {
        let mut inner = self.lock();
        let names: BTreeSet<ServiceName> = names.into_iter().collect();
        let read: BTreeSet<String> = names.iter().map(|(namespace, _)| namespace.clone()).collect();
        match read.is_empty() {
            true => inner.readers.remove(tenant),
            false => inner.readers.insert(tenant.into(), read),
        };
        let found = names
            .into_iter()
            .filter_map(|name| Some((name.clone(), inner.service(&name)?)));
        found.collect()
    }

    /// The tenants that read a namespace.
    pub fn readers(&self, namespace: &str) -> Vec<String> {
        let inner = self.lock();
        let readers = inner.readers.iter().filter(|(_, read)| read.contains(namespace));
        readers.map(|(tenant, _)| tenant.clone()).collect()
    }

    /// The tenant does not exist any more.
    pub fn forget(&self, tenant: &str) {
        self.lock().readers.remove(tenant);
    }

    /// Returns an address of each Service that has one.
    pub fn addresses(&self) -> Vec<(ServiceName, IpAddr, u16)> {
        let inner = self.lock();
        let of_namespace = |(namespace, content): (&String, &Content)| {
            let address = |(name, service): (&String, &SharedService)| {
                let port = *service.ports.keys().next()?;
                Some(((namespace.clone(), name.clone()), service.address?, port))
            };
            content.services.iter().filter_map(address).collect::<Vec<_>>()
        };
        inner.namespaces.iter().flat_map(of_namespace).collect()
    }

    /// Stores a Service, or notes that it is gone. Returns true where that changes anything.
    pub fn put_service(&self, namespace: &str, name: &str, service: Option<SharedService>) -> bool {
        let mut inner = self.lock();
        put(&mut inner.content(namespace).services, name, service)
    }

    /// Stores what a NetworkPolicy restricts. Returns true where that changes anything.
    pub fn put_restriction(&self, namespace: &str, name: &str, restriction: Option<LabelSelector>) -> bool {
        let mut inner = self.lock();
        put(&mut inner.content(namespace).restrictions, name, restriction)
    }

    /// Forgets the Services of a namespace that its complete list lacks. Returns true where that changes anything.
    pub fn retain_services(&self, namespace: &str, listed: &BTreeSet<String>) -> bool {
        let mut inner = self.lock();
        let content = inner.content(namespace);
        content.has_services = true;
        self.listed.notify_waiters();
        retain(&mut content.services, listed)
    }

    /// The same for what NetworkPolicies restrict.
    pub fn retain_restrictions(&self, namespace: &str, listed: &BTreeSet<String>) -> bool {
        let mut inner = self.lock();
        let content = inner.content(namespace);
        content.has_restrictions = true;
        self.listed.notify_waiters();
        retain(&mut content.restrictions, listed)
    }
}

impl Inner {
    fn content(&mut self, namespace: &str) -> &mut Content {
        self.namespaces.entry(namespace.into()).or_default()
    }

    fn service(&self, (namespace, name): &ServiceName) -> Option<SharedService> {
        let content = self.namespaces.get(namespace)?;
        let service = content.services.get(name)?;
        let mut restrictions = content.restrictions.values();
        Some(SharedService {
            is_restricted: restrictions.any(|selector| selects_all(selector, &service.selector)),
            ..service.clone()
        })
    }
}

fn put<T: PartialEq>(map: &mut BTreeMap<String, T>, name: &str, new: Option<T>) -> bool {
    if map.get(name) == new.as_ref() {
        return false;
    }
    match new {
        Some(new) => map.insert(name.into(), new),
        None => map.remove(name),
    };
    true
}

fn retain<T>(map: &mut BTreeMap<String, T>, names: &BTreeSet<String>) -> bool {
    let before = map.len();
    map.retain(|name, _| names.contains(name));
    map.len() < before
}

#[cfg(test)]
#[path = "applications_test.rs"]
mod tests;
