//! Check by dry-run that the API server refuses forbidden objects from a tenant's users, as a user with the necessary RBAC.

pub mod attempts;
pub mod outcome;
pub mod prober;
pub mod settings;

use crate::api::{Allowed, ResourceList};
use crate::capability::{
    TenantCore,
    placement::{Placement, placement},
};
use crate::cluster::Identity;
use crate::isolation::turns;

/// Inputs that decide about allowed objects in one of a tenant's namespaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub owner: Identity,
    pub namespace: String,
    pub placement: Placement,
    pub allowed: Allowed,
    /// Quota of this namespace.
    pub quota: ResourceList,
}

impl turns::Subject for Subject {
    fn tenant(&self) -> &str {
        &self.owner.tenant
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl Subject {
    /// One for each namespace.
    pub fn all(tenant: &TenantCore) -> Vec<Self> {
        let namespaces = tenant.namespaces.iter();
        namespaces
            .map(|namespace| Self {
                owner: tenant.owner.clone(),
                namespace: namespace.name.clone(),
                placement: placement(tenant),
                allowed: tenant.allowed.clone(),
                quota: namespace.quota.clone(),
            })
            .collect()
    }
}
