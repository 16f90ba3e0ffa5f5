//! The part of a valid Tenant that several capabilities need.

use super::{Family, Invalid, Quarantine, ValidNetwork};
use crate::api::{Allowed, ContainerResources, IsolationModel, ResourceList, Scheduling, Tenant, Workload};
use crate::cluster::Identity;
use crate::names;
use crate::quantity::Amount;
use crate::rotation::Rotation;
use std::collections::BTreeSet;

/// A namespace and its share of the quota.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidNamespace {
    pub name: String,
    pub quota: ResourceList,
}

/// The part of a valid Tenant that several capabilities need.
#[derive(Clone, Debug)]
pub struct TenantCore {
    pub owner: Identity,
    pub tier: String,
    pub isolation: IsolationModel,
    /// The first one has the tenant's name.
    pub namespaces: Vec<ValidNamespace>,
    /// Over all namespaces.
    pub quota: ResourceList,
    /// The reasons why the spec's quota cannot be divided as it is; then it is divided without the keys that they name.
    pub quota_faults: Vec<Invalid>,
    /// The keys of the quota of which each namespace has its bound by itself.
    pub undivided: BTreeSet<String>,
    pub network: ValidNetwork,
    /// Its number in the registry of the shared tables, where that has been read.
    pub number: Option<i64>,
    /// The classes, registries and other names that the objects in its namespaces may use.
    pub allowed: Allowed,
    pub scheduling: Scheduling,
    /// The rotation of every credential of its own.
    pub rotation: Rotation,
    /// Its hosts in order, without those that a wildcard of its own covers.
    pub hosts: Vec<String>,
    /// Requests and limits of a container that names none.
    pub container_defaults: ContainerResources,
    /// Largest storage request of one claim.
    pub largest_volume: Option<Amount>,
    /// The tier's and its own, merged, by name.
    pub workloads: Vec<Workload>,
    /// Its features, sorted.
    pub features: Vec<String>,
    /// The tier's configuration and its own, merged, as canonical JSON; None where it is empty.
    pub configuration: Option<String>,
    /// It, or a tenant above it, is suspended.
    pub suspend: bool,
    /// The tenants above it, and its children.
    pub family: Family,
    /// Its network and its logins are closed.
    pub quarantine: Option<Quarantine>,
}

impl TenantCore {
    /// The tenant's name, which is its first namespace's too.
    pub fn name(&self) -> &str {
        &self.owner.tenant
    }

    /// Returns true where neither its gateway nor its database admits anybody.
    pub fn is_blocked(&self) -> bool {
        self.suspend || self.quarantine.is_some()
    }
}

/// The identity of a tenant: named in the spec, else recorded earlier, else the UID that the API server drew at random.
pub fn id(tenant: &Tenant) -> Option<&str> {
    let recorded = tenant.status.as_ref().and_then(|status| status.id.as_deref());
    tenant
        .spec
        .id
        .as_deref()
        .or(recorded)
        .or(tenant.metadata.uid.as_deref())
}

/// The names that a tenant's namespaces have by its spec, the first one first.
pub fn namespaces(tenant: &Tenant) -> Vec<String> {
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let others = tenant
        .spec
        .namespaces
        .iter()
        .map(|ns| names::namespace(&name, &ns.name))
        .collect::<Vec<_>>();
    std::iter::once(name).chain(others).collect()
}

/// The field that names a namespace of [`namespaces`], by its place there.
pub fn namespace_field(place: usize) -> String {
    match place.checked_sub(1) {
        None => "metadata.name".to_string(),
        Some(place) => format!("spec.namespaces[{place}].name"),
    }
}

/// The owner of all objects of a Tenant.
pub fn identity(tenant: &Tenant) -> Identity {
    Identity {
        tenant: tenant.metadata.name.clone().unwrap_or_default(),
        id: id(tenant).unwrap_or_default().to_string(),
    }
}
