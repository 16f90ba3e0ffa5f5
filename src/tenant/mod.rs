//! The heart: what a Tenant is worth, what it should become, and what to say of it.

pub mod claims;
pub mod cleanup;
pub mod diagnosis;
pub mod drain;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod grants;
pub mod observe;
pub mod own_keys;
pub mod plan;
pub mod provision;
pub mod quarantine;
pub mod revocation;
pub mod routes;
pub mod status;
pub mod validate;
pub mod workload;

pub use plan::{Environment, Platform, plan};
pub use validate::{Invalid, ValidTenant, World, validate};

use crate::api::Tenant;

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
        .map(|ns| crate::names::namespace(&name, &ns.name))
        .collect::<Vec<_>>();
    std::iter::once(name).chain(others).collect()
}
