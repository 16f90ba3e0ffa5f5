//! The namespaces that a tenant creates itself by TenantNamespaces.

use super::Note;
use crate::api::ResourceList;
use crate::names;
use k8s_openapi::jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A namespace that a tenant creates itself: its TenantNamespace, the namespace, or both.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedNamespace {
    /// The TenantNamespace's name.
    pub name: String,
    /// None where no TenantNamespace is known. The namespace stays then.
    pub request: Option<Request>,
    pub existing: Existing,
}

/// A TenantNamespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    pub quota: ResourceList,
    /// The fields of it that the operator cannot read.
    pub unreadable: Option<String>,
    pub created_at: Option<Timestamp>,
    pub removal: Removal,
}

/// The deletion of a TenantNamespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removal {
    /// It is not deleted.
    #[default]
    None,
    /// It is deleted, and the operator does not know yet why.
    Undecided,
    /// A person or tool deleted it: its namespace goes too.
    Requested,
    /// It goes with the tenant's first namespace, or with its definition: its namespace stays.
    Incidental,
}

/// The namespace of a TenantNamespace.
#[derive(Clone, Debug, PartialEq)]
pub enum Existing {
    /// The operator has not asked the API server yet.
    Unknown,
    Absent,
    /// It was created for a TenantNamespace that asked for this quota.
    Created(ResourceList),
    /// The same, retained from an earlier deletion of the Tenant.
    Retained(ResourceList),
    /// It is being deleted. `is_created`: it was created for a TenantNamespace.
    Terminating {
        is_created: bool,
    },
    /// It is no namespace of a TenantNamespace.
    Taken(Note),
}

impl CreatedNamespace {
    /// Returns the namespace's name.
    pub fn namespace(&self, tenant: &str) -> String {
        names::namespace(tenant, &self.name)
    }

    /// Returns true where the tenant has the namespace.
    pub fn exists(&self) -> bool {
        matches!(self.existing, Existing::Created(_))
    }
}

/// The namespaces that a valid Tenant created itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatedNamespaces {
    /// The quota that each asks for, by namespace.
    pub quotas: BTreeMap<String, ResourceList>,
    /// Namespaces that are deleted with their TenantNamespaces.
    pub ending: BTreeSet<String>,
    /// The number that the tier allows, if it allows any.
    pub max: Option<i32>,
}
