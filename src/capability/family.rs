//! The family of a tenant: the tenants above it, and its children.

use super::{Amounts, identity};
use crate::api::{MAX_DEPTH, ResourceList, Tenant, TenantTier, unread_in};
use crate::cluster::Identity;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A child of a tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    pub owner: Identity,
    /// The quota over its namespaces and its own children, by its tier, its spec and the quotas of the tenants above it. Without the keys of which each
    /// namespace has its bound by itself.
    pub asked: ResourceList,
    /// False while it is being deleted or refused: it asks for nothing more, and keeps what it has.
    pub may_grow: bool,
}

/// The family of a valid tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    /// The parent first, the topmost tenant last.
    pub ancestors: Vec<Identity>,
    /// By creation, then by name.
    pub children: Vec<Child>,
    /// The names of its children, their children, and so on.
    pub descendants: BTreeSet<String>,
    /// The nearest ancestor that is suspended.
    pub suspended_by: Option<String>,
}

impl Family {
    /// The tenant directly above.
    pub fn parent(&self) -> Option<&Identity> {
        self.ancestors.first()
    }

    /// The topmost tenant; None where that is the tenant itself.
    pub fn root(&self) -> Option<&Identity> {
        self.ancestors.last()
    }

    /// The ids of the parent and of the topmost tenant.
    pub fn ids_above(&self) -> Option<(String, String)> {
        Some((self.parent()?.id.clone(), self.root()?.id.clone()))
    }

    /// Returns true where the Tenant of this name is above.
    pub fn is_below(&self, name: &str) -> bool {
        self.ancestors.iter().any(|ancestor| ancestor.tenant == name)
    }
}

/// A tenant above another one.
#[derive(Clone, Debug)]
pub struct Ancestor {
    pub tenant: Arc<Tenant>,
    /// None where it does not exist or cannot be read.
    pub tier: Option<Arc<TenantTier>>,
    /// Its place among the children of its own parent, by creation, then by name.
    pub place: usize,
}

/// The family of a Tenant as it was found.
#[derive(Clone, Debug, Default)]
pub struct ObservedFamily {
    /// The parent first. It ends early where a Tenant is missing, the tenants form a circle, or there are too many levels.
    pub ancestors: Vec<Ancestor>,
    /// The place among the children of the parent, by creation, then by name.
    pub place: usize,
    /// The ancestor that does not exist.
    pub missing: Option<String>,
    /// The ancestor that is below itself, or the Tenant itself.
    pub circle: Option<String>,
    /// The whole quota of the parent, by its tier, its spec and its own parent. No key may exceed it.
    pub bound: Amounts,
    /// By creation, then by name.
    pub children: Vec<Child>,
    /// The names of its children, their children, and so on.
    pub descendants: BTreeSet<String>,
}

impl ObservedFamily {
    /// Returns the reason why the tenants above cannot be known, which may pass by itself.
    pub fn lacks(&self) -> Option<String> {
        if let Some(name) = &self.missing {
            return Some(format!("there is no Tenant {name}"));
        }
        let fault = |ancestor: &Ancestor| {
            let (name, spec) = (ancestor.tenant.name_any(), &ancestor.tenant.spec);
            if let Some(unread) = unread_in(&spec.unread, "spec") {
                return Some(format!("Tenant {name}: {unread}"));
            }
            let tier = &spec.tier;
            let lacks = || format!("TenantTier {tier} of Tenant {name} does not exist, or cannot be read");
            ancestor.tier.is_none().then(lacks)
        };
        self.ancestors.iter().find_map(fault)
    }

    /// Returns the nearest ancestor that is suspended.
    pub fn suspended_by(&self) -> Option<String> {
        let mut ancestors = self.ancestors.iter();
        let suspended = ancestors.find(|ancestor| ancestor.tenant.spec.suspend == Some(true))?;
        Some(suspended.tenant.name_any())
    }

    /// Returns the family as a valid tenant has it.
    pub fn family(&self) -> Family {
        Family {
            ancestors: self
                .ancestors
                .iter()
                .map(|ancestor| identity(&ancestor.tenant))
                .collect(),
            children: self.children.clone(),
            descendants: self.descendants.clone(),
            suspended_by: self.suspended_by(),
        }
    }
}

/// Returns true where the tenant itself or a tenant above it is suspended.
pub fn is_suspended(tenant: &Tenant, family: &ObservedFamily) -> bool {
    tenant.spec.suspend == Some(true) || family.suspended_by().is_some()
}

/// Sources of the tenants and tiers of a family.
pub trait Relatives {
    /// The Tenant of this name.
    fn tenant(&self, name: &str) -> Option<Arc<Tenant>>;
    /// The tier of a Tenant, where it can be read.
    fn tier(&self, tenant: &Tenant) -> Option<Arc<TenantTier>>;
    /// The names of the Tenants with this parent, by creation, then by name. The parent need not exist.
    fn children(&self, parent: &str) -> Vec<String>;
}

/// Follows the parents of a Tenant upwards, and its descendants by name. The caller, who knows quotas, adds the children.
pub fn observe(tenant: &Tenant, relatives: &impl Relatives) -> ObservedFamily {
    let mut family = ObservedFamily {
        place: place(tenant, relatives),
        descendants: descendants(&tenant.name_any(), |name| relatives.children(name)),
        ..ObservedFamily::default()
    };
    let mut seen = vec![tenant.name_any()];
    let mut above = tenant.spec.parent.clone();
    // One level more than there may be shows that there are too many.
    while let Some(name) = above.take_if(|_| family.ancestors.len() <= MAX_DEPTH) {
        if seen.contains(&name) {
            family.circle = Some(name);
            break;
        }
        let Some(ancestor) = relatives.tenant(&name) else {
            family.missing = Some(name);
            break;
        };
        seen.push(name);
        above.clone_from(&ancestor.spec.parent);
        family.ancestors.push(Ancestor {
            tier: relatives.tier(&ancestor),
            place: place(&ancestor, relatives),
            tenant: ancestor,
        });
    }
    family
}

fn place(tenant: &Tenant, relatives: &impl Relatives) -> usize {
    let Some(parent) = &tenant.spec.parent else { return 0 };
    let name = tenant.name_any();
    let siblings = relatives.children(parent);
    // One that the index does not have yet is the youngest.
    siblings
        .iter()
        .position(|sibling| *sibling == name)
        .unwrap_or(siblings.len())
}

/// The names of all Tenants below one, which may be in a circle.
fn descendants(name: &str, children: impl Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut ahead = children(name);
    while let Some(next) = ahead.pop() {
        if next != name && found.insert(next.clone()) {
            ahead.extend(children(&next));
        }
    }
    found
}

/// The part of a Tenant on which its relatives depend. Its status is not in it, but for the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub parent: Option<String>,
    pub created: Option<Timestamp>,
    generation: Option<i64>,
    id: String,
    is_terminating: bool,
}

impl Link {
    /// The part of this Tenant.
    pub fn of(tenant: &Tenant) -> Self {
        let created = tenant.metadata.creation_timestamp.as_ref();
        Self {
            parent: tenant.spec.parent.clone(),
            created: created.map(|time| time.0),
            generation: tenant.metadata.generation,
            id: identity(tenant).id,
            is_terminating: tenant.metadata.deletion_timestamp.is_some(),
        }
    }
}

/// An index of parents and children.
#[derive(Clone, Debug, Default)]
pub struct Links {
    all: BTreeMap<String, Link>,
    /// The children of each name, by creation, then by name.
    children: BTreeMap<String, BTreeSet<(Option<Timestamp>, String)>>,
}

impl Links {
    /// Enters a Tenant in the place of its former version.
    pub fn put(&mut self, tenant: &Tenant) {
        let (name, link) = (tenant.name_any(), Link::of(tenant));
        self.remove(&name);
        if let Some(parent) = &link.parent {
            let siblings = self.children.entry(parent.clone()).or_default();
            siblings.insert((link.created, name.clone()));
        }
        self.all.insert(name, link);
    }

    /// Removes a Tenant. Its children keep their places.
    pub fn remove(&mut self, name: &str) {
        let Some(link) = self.all.remove(name) else { return };
        let Some(parent) = link.parent else { return };
        if let Some(siblings) = self.children.get_mut(&parent) {
            siblings.remove(&(link.created, name.to_string()));
            if siblings.is_empty() {
                self.children.remove(&parent);
            }
        }
    }

    /// Keeps the Tenants whose names match.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        let gone: Vec<String> = self.all.keys().filter(|name| !is_there(name)).cloned().collect();
        gone.iter().for_each(|name| self.remove(name));
    }

    /// The part of a Tenant on which its relatives depend.
    pub fn get(&self, name: &str) -> Option<&Link> {
        self.all.get(name)
    }

    /// The names of a Tenant's children, by creation, then by name.
    pub fn children(&self, parent: &str) -> Vec<String> {
        let children = self.children.get(parent).into_iter().flatten();
        children.map(|(_, name)| name.clone()).collect()
    }

    /// The names of all Tenants below this one.
    pub fn below(&self, name: &str) -> BTreeSet<String> {
        descendants(name, |name| self.children(name))
    }
}

#[cfg(test)]
#[path = "family_test.rs"]
mod tests;
