//! The part of a valid Tenant that several capabilities need.

use super::{Quarantine, ValidNetwork};
use crate::api::{Allowed, IsolationModel, ResourceList, Scheduling};
use crate::cluster::Identity;
use crate::rotation::Rotation;

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
    pub network: ValidNetwork,
    /// The classes, registries and other names that the objects in its namespaces may use.
    pub allowed: Allowed,
    pub scheduling: Scheduling,
    /// Of every credential it has.
    pub rotation: Rotation,
    /// Names under which it is reached, without those that a wildcard of its own covers, in order.
    pub hosts: Vec<String>,
    pub suspend: bool,
    /// Its network and its logins are closed.
    pub quarantine: Option<Quarantine>,
}

impl TenantCore {
    /// The tenant's name, which is its first namespace's too.
    pub fn name(&self) -> &str {
        &self.owner.tenant
    }

    /// Whether nobody is let into its database.
    pub fn is_shut(&self) -> bool {
        self.suspend || self.quarantine.is_some()
    }
}
