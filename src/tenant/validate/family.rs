//! The place of a subtenant below its parent.

use crate::api::{MAX_DEPTH, Tenant, TenantTier};
use crate::capability::{Invalid, ObservedFamily, World, family::Ancestor, identity};
use crate::host;
use kube::ResourceExt;

/// The field that names the parent.
const PARENT: &str = "spec.parent";

/// Judges the place of a Tenant, and of every tenant above it: below one that is refused there is no place either.
pub fn check(tenant: &Tenant, world: &World, errors: &mut Vec<Invalid>) {
    let family = &world.family;
    if tenant.spec.parent.is_none() {
        return;
    }
    if let Some(name) = &family.circle {
        errors.push(Invalid::new(PARENT, circle(tenant, name)));
        return;
    }
    if let Some(why) = family.lacks() {
        errors.push(Invalid::new(PARENT, why));
        return;
    }
    errors.extend(links(tenant, family));
    errors.extend(too_deep(family));
    errors.extend(going(family));
    errors.extend(replaced(tenant, family));
    errors.extend(taken_hosts(tenant, family));
}

fn circle(tenant: &Tenant, name: &str) -> String {
    match tenant.name_any() == name {
        true => {
            "the tenant is its own ancestor: spec.parent is immutable, so delete this Tenant or one above it".into()
        }
        false => format!("Tenant {name} is its own ancestor: delete one Tenant of the circle"),
    }
}

/// The first fault from here upwards.
fn links(tenant: &Tenant, family: &ObservedFamily) -> Option<Invalid> {
    let mut below = (tenant, family.place);
    for (level, ancestor) in family.ancestors.iter().enumerate() {
        let Ancestor {
            tenant: parent,
            tier,
            place,
        } = ancestor;
        let fault = tier
            .as_ref()
            .and_then(|tier| link_fault(below.0, below.1, parent, tier));
        if let Some(fault) = fault {
            return Some(match level {
                0 => fault,
                _ => Invalid::new(PARENT, format!("Tenant {} is refused: {fault}", below.0.name_any())),
            });
        }
        below = (&**parent, *place);
    }
    None
}

/// Returns the reason why a Tenant cannot be a child of another. `place` is its place among the children there.
pub fn link_fault(child: &Tenant, place: usize, parent: &Tenant, tier: &TenantTier) -> Option<Invalid> {
    let (name, of_tier) = (parent.name_any(), &parent.spec.tier);
    let Some(bounds) = &tier.spec.subtenants else {
        let message = format!("tier {of_tier} of Tenant {name} allows no subtenants: set subtenants in the tier");
        return Some(Invalid::new(PARENT, message));
    };
    let own = std::slice::from_ref(of_tier);
    let tiers = if bounds.tiers.is_empty() { own } else { &bounds.tiers };
    if !tiers.contains(&child.spec.tier) {
        let message = format!(
            "{} is no tier for subtenants of Tenant {name}, whose tier {of_tier} allows {}",
            child.spec.tier,
            tiers.join(", ")
        );
        return Some(Invalid::new("spec.tier", message));
    }
    let most = usize::try_from(bounds.max).unwrap_or_default();
    (place >= most).then(|| {
        let message = format!(
            "Tenant {name} has {most} older subtenants, the most that its tier {of_tier} allows: delete one, or raise subtenants.max of the tier"
        );
        Invalid::new(PARENT, message)
    })
}

fn too_deep(family: &ObservedFamily) -> Option<Invalid> {
    let root = family.ancestors.last()?;
    let bounds = root.tier.as_ref()?.spec.subtenants.as_ref()?;
    let most = usize::try_from(bounds.max_depth.unwrap_or(1))
        .unwrap_or_default()
        .min(MAX_DEPTH);
    let message = match family.ancestors.len() {
        levels if levels > MAX_DEPTH => {
            format!("there are more than {MAX_DEPTH} levels above the tenant: name a higher Tenant")
        }
        levels if levels > most => format!(
            "the tenant is on level {levels} below Tenant {}, whose tier {} allows {most}: name a higher Tenant, or raise subtenants.maxDepth of the tier",
            root.tenant.name_any(),
            root.tenant.spec.tier
        ),
        _ => return None,
    };
    Some(Invalid::new(PARENT, message))
}

/// The parent has nothing to give while it waits for the end of its children.
fn going(family: &ObservedFamily) -> Option<Invalid> {
    let mut ancestors = family.ancestors.iter();
    let going = ancestors.find(|ancestor| ancestor.tenant.metadata.deletion_timestamp.is_some())?;
    let name = going.tenant.name_any();
    let message = format!("Tenant {name} is being deleted, and waits for its subtenants: delete this Tenant too");
    Some(Invalid::new(PARENT, message))
}

/// A host below an ancestor's wildcard is free, unless an ancestor names it.
fn taken_hosts(tenant: &Tenant, family: &ObservedFamily) -> Vec<Invalid> {
    let hosts = |tenant: &Tenant| {
        tenant
            .spec
            .gateway
            .iter()
            .flat_map(|gateway| gateway.hosts.clone())
            .collect::<Vec<_>>()
    };
    let holder = |host: &String| {
        let is_taken = |named: &String| named == host || host::covers(host, named);
        let mut ancestors = family.ancestors.iter();
        ancestors.find(|ancestor| hosts(&ancestor.tenant).iter().any(is_taken))
    };
    let fault = |(i, host): (usize, String)| {
        let name = holder(&host)?.tenant.name_any();
        let message = format!("{host} has names that Tenant {name} above it lists itself: choose another host");
        Some(Invalid::new(format!("spec.gateway.hosts[{i}]"), message))
    };
    hosts(tenant).into_iter().enumerate().filter_map(fault).collect()
}

/// A Tenant that only has the name of the former parent is another customer.
fn replaced(tenant: &Tenant, family: &ObservedFamily) -> Option<Invalid> {
    let recorded = tenant.status.as_ref()?.parent.as_ref()?;
    let parent = identity(&family.ancestors.first()?.tenant);
    if parent.id == recorded.id {
        return None;
    }
    let message = format!(
        "Tenant {} has the id {}, but the tenant was made below the one with id {}: give the parent that id by its spec.id",
        parent.tenant, parent.id, recorded.id
    );
    Some(Invalid::new(PARENT, message))
}
