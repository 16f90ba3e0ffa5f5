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
use crate::isolation::check_schedule;
use crate::isolation::shared_values::SharedValues;
use std::sync::Arc;

/// Inputs that decide about allowed objects in one of a tenant's namespaces.
#[derive(Clone, Debug, PartialEq)]
pub struct AdmissionSubject {
    pub owner: Identity,
    pub namespace: String,
    pub placement: Arc<Placement>,
    pub allowed: Arc<Allowed>,
    /// Quota of this namespace.
    pub quota: Arc<ResourceList>,
}

impl check_schedule::CheckSubject for AdmissionSubject {
    fn tenant(&self) -> &str {
        &self.owner.tenant
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl AdmissionSubject {
    /// One for each namespace.
    pub fn all(tenant: &TenantCore) -> Vec<Self> {
        let (placement, allowed) = (Arc::new(placement(tenant)), Arc::new(tenant.allowed.clone()));
        let namespaces = tenant.namespaces.iter();
        namespaces
            .map(|namespace| Self {
                owner: tenant.owner.clone(),
                namespace: namespace.name.clone(),
                placement: placement.clone(),
                allowed: allowed.clone(),
                quota: Arc::new(namespace.quota.clone()),
            })
            .collect()
    }
}

/// What subjects have alike, once for all of them.
#[derive(Default)]
pub struct SharedParts {
    placements: SharedValues<Placement>,
    allowed: SharedValues<Allowed>,
    quotas: SharedValues<ResourceList>,
}

impl SharedParts {
    pub fn share(&self, subject: AdmissionSubject) -> AdmissionSubject {
        AdmissionSubject {
            placement: self.placements.share(&subject.placement),
            allowed: self.allowed.share(&subject.allowed),
            quota: self.quotas.share(&subject.quota),
            ..subject
        }
    }
}
