//! `ValidTenant → Environment`: every object that should exist, in the order of application. Pure: no clock, no
//! randomness, no I/O; the same tenant gives the same bytes.

use crate::capability::{Capability, Contributions, Planned, Platform, Stage, ValidTenant};
use crate::cluster::{Desired, Key};
use std::collections::HashSet;
use std::sync::Arc;

/// Everything that should exist for one tenant, by capability.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// In the order of the list of capabilities.
    pub planned: Vec<Vec<Planned>>,
}

impl Environment {
    /// Every object in the order of application.
    pub fn objects(&self) -> impl Iterator<Item = &Desired> {
        let mut all: Vec<&Planned> = self.planned.iter().flatten().collect();
        all.sort_by_key(|planned| planned.stage);
        all.into_iter().map(|planned| &planned.object)
    }

    /// The objects of one stage.
    pub fn stage(&self, stage: Stage) -> Vec<Desired> {
        let all = self.planned.iter().flatten();
        let of_stage = all.filter(|planned| planned.stage == stage);
        of_stage.map(|planned| planned.object.clone()).collect()
    }

    /// The keys of all objects.
    pub fn keys(&self) -> HashSet<Key> {
        let all = self.planned.iter().flatten();
        all.map(|planned| planned.object.key.clone()).collect()
    }
}

/// Returns what the tenant's capabilities give to each other.
pub fn contributions(capabilities: &[Arc<dyn Capability>], tenant: &ValidTenant) -> Contributions {
    let mut sum = Contributions::default();
    for capability in capabilities {
        capability.contribute(tenant, &mut sum);
    }
    sum
}

/// Plans a tenant's environment.
pub fn plan(capabilities: &[Arc<dyn Capability>], tenant: &mut ValidTenant, platform: &Platform) -> Environment {
    tenant.contributions = contributions(capabilities, tenant);
    Environment {
        planned: capabilities
            .iter()
            .map(|capability| capability.plan(tenant, platform))
            .collect(),
    }
}

#[cfg(test)]
#[path = "plan/plan_test.rs"]
mod tests;

#[cfg(test)]
#[path = "plan/property_test.rs"]
mod properties;
