//! A valid Tenant: the core, a part for each capability, and what the parts give to each other.

use super::{Reach, TenantCore};
use k8s_openapi::api::core::v1::{EnvVar, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A Tenant that passed validation.
#[derive(Clone, Debug)]
pub struct ValidTenant {
    /// The part that several capabilities need.
    pub core: TenantCore,
    /// The sum of what its capabilities give to each other.
    pub contributions: Contributions,
    parts: Parts,
}

impl ValidTenant {
    /// A tenant without any part.
    pub fn new(core: TenantCore) -> Self {
        Self {
            core,
            contributions: Contributions::default(),
            parts: Parts::default(),
        }
    }

    /// The tenant's name, which is its first namespace's too.
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// A capability's part, where the tenant has it.
    pub fn part<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.parts.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Puts a part in the place of the former one.
    pub fn set<T: Any + Send + Sync>(&mut self, part: T) {
        self.parts.0.insert(TypeId::of::<T>(), Arc::new(part));
    }
}

/// One part of each type.
#[derive(Clone, Default)]
struct Parts(BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} parts", self.0.len())
    }
}

/// The sum of what capabilities give to others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contributions {
    /// For the pods of every workload.
    pub bindings: Vec<Binding>,
    /// Ways out of the tenant's namespaces, by the name of the NetworkPolicy.
    pub egress: BTreeMap<&'static str, Vec<Egress>>,
    /// Files that workloads find beside their configuration.
    pub files: BTreeMap<&'static str, String>,
}

/// The connection of a pod to one Secret, by the Service Binding convention.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    pub volume: Volume,
    pub mount: VolumeMount,
    pub env: Vec<EnvVar>,
    /// A pod that was started with another revision is replaced; None: it reads the files anew.
    pub revision: Option<String>,
}

/// A way out of the tenant's namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    pub to: Vec<Reach>,
    /// TCP ports.
    pub ports: Vec<IntOrString>,
}
