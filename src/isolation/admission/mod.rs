//! What the API server must not let a tenant's people make, tried by dry-run as one who may make such things as RBAC goes.

pub mod deeds;
pub mod judge;
pub mod settings;

use crate::api::{Allowed, ResourceList};
use crate::cluster::Identity;
use crate::tenant::ValidTenant;
use crate::tenant::plan::{Placement, placement};

/// As whom it is tried: nobody can log in so, the operator alone may act so, and a policy of the chart's lets it do nothing but try.
pub const EXAMINER: &str = "tenant-operator:examiner";

/// What of a tenant decides what its people may make.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub owner: Identity,
    pub placement: Placement,
    pub allowed: Allowed,
    /// Of the first namespace, where it is tried.
    pub quota: ResourceList,
}

impl Subject {
    pub fn of(tenant: &ValidTenant) -> Self {
        Self {
            owner: tenant.owner.clone(),
            placement: placement(tenant),
            allowed: tenant.allowed.clone(),
            quota: tenant
                .namespaces
                .first()
                .map(|first| first.quota.clone())
                .unwrap_or_default(),
        }
    }
}
