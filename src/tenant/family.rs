//! The family of a Tenant with the quotas of its members, by their tiers and specs alone. Pure.

use crate::api::{Tenant, TenantTier};
use crate::capability::family::{self, Relatives};
use crate::capability::{Amounts, Child, ObservedFamily, identity, resource_list};
use crate::namespaces::shares;
use crate::tenant::validate::link_fault;
use std::sync::Arc;

/// Returns the tenants above a Tenant and its children.
pub fn observe(tenant: &Tenant, relatives: &impl Relatives) -> ObservedFamily {
    let mut family = family::observe(tenant, relatives);
    let above = family.ancestors.iter().rev();
    family.bound = above.fold(Amounts::new(), |bound, ancestor| {
        quota(&ancestor.tenant, ancestor.tier.as_deref(), bound)
    });
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    let children = relatives.children(name);
    if children.is_empty() {
        return family;
    }
    let own = relatives.tier(tenant);
    let bound = quota(tenant, own.as_deref(), family.bound.clone());
    let children = children.into_iter().enumerate();
    let children = children.filter_map(|(place, child)| Some((place, relatives.tenant(&child)?)));
    family.children = children
        .map(|(place, child)| as_child(&child, place, (tenant, own.as_ref()), &bound, relatives))
        .collect();
    family
}

fn as_child(
    child: &Tenant,
    place: usize,
    (parent, tier): (&Tenant, Option<&Arc<TenantTier>>),
    bound: &Amounts,
    relatives: &impl Relatives,
) -> Child {
    let own = relatives.tier(child);
    let is_refused = tier.is_none_or(|tier| link_fault(child, place, parent, tier).is_some());
    Child {
        owner: identity(child),
        asked: resource_list(&quota(child, own.as_deref(), bound.clone())),
        may_grow: own.is_some() && !is_refused && child.metadata.deletion_timestamp.is_none(),
    }
}

/// The whole quota of a Tenant within that of its parent. Faults are its own affair.
fn quota(tenant: &Tenant, tier: Option<&TenantTier>, parent: Amounts) -> Amounts {
    match tier {
        Some(tier) => shares::whole(&tenant.spec, &tier.spec, &parent, &mut Vec::new()),
        None => parent,
    }
}
