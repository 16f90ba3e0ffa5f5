//! `Tenant + TenantTier + World → ValidTenant`, or every reason why not. Pure; what is planned is planned from a
//! [`ValidTenant`] alone.

mod ancestors;
mod configuration;
mod family;
mod features;
mod hosts;
mod network;
mod rotation;
mod scheduling;

use crate::api::{IsolationModel, Tenant, TenantTier};
use crate::capability::{
    Asked, Capability, Invalid, TenantCore, ValidNamespace, ValidTenant, World, allowed, id, namespace_field,
    namespaces,
};
use crate::cluster::Identity;
use crate::names;
use crate::namespaces::{limits, shares};
use crate::workloads::merge;
use std::sync::Arc;

pub use family::link_fault;

/// The purpose of the namespaces of shared applications.
const APPLICATIONS: &str = "shared applications";

/// Judges a Tenant.
///
/// # Errors
/// Every reason at once.
pub fn validate(
    capabilities: &[Arc<dyn Capability>],
    tenant: &Tenant,
    tier: &TenantTier,
    world: &World,
) -> Result<ValidTenant, Vec<Invalid>> {
    match validate_but_quota(capabilities, tenant, tier, world) {
        Ok(valid) if !valid.core.quota_faults.is_empty() => Err(valid.core.quota_faults),
        judged => judged,
    }
}

/// As [`validate`], but for a tenant that has its quotas already: they can stay as they are while the rest of an edit takes effect. The reasons against the
/// quota are in the core.
///
/// # Errors
/// Every reason at once, if there is one against the rest.
pub fn validate_but_quota(
    capabilities: &[Arc<dyn Capability>],
    tenant: &Tenant,
    tier: &TenantTier,
    world: &World,
) -> Result<ValidTenant, Vec<Invalid>> {
    let mut errors = Vec::new();
    let asked = Asked { tenant, tier, world };
    let mut valid = ValidTenant::new(core(&asked, &mut errors));
    for capability in capabilities {
        capability.validate(&asked, &mut valid, &mut errors);
    }
    match errors.is_empty() {
        true => Ok(valid),
        false => {
            let mut all = valid.core.quota_faults;
            all.extend(errors);
            Err(all)
        }
    }
}

/// The part that several capabilities need.
fn core(asked: &Asked<'_>, errors: &mut Vec<Invalid>) -> TenantCore {
    let Asked { tenant, tier, world } = *asked;
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let (spec, plan) = (&tenant.spec, &tier.spec);
    name_is_valid(&name, errors);
    let id = id(tenant).unwrap_or_default().to_string();
    if !is_uuid(&id) {
        errors.push(Invalid::new("spec.id", "is not a UUID in lower case"));
    }
    family::check(tenant, world, errors);
    let isolation = isolation(tenant, tier, errors);
    let names = namespace_names(tenant, tier, world, errors);
    let mut quota_faults = Vec::new();
    let lent = shares::lent(&world.family.children);
    let (quota, shares) = shares::divide(spec, plan, &world.family.bound, &lent, &mut quota_faults);
    let namespaces = names.into_iter().zip(shares);
    TenantCore {
        network: network::resolve(&name, spec, plan, world, errors),
        owner: Identity { tenant: name, id },
        tier: spec.tier.clone(),
        isolation,
        namespaces: namespaces.map(|(name, quota)| ValidNamespace { name, quota }).collect(),
        quota,
        quota_faults,
        undivided: shares::undivided(spec, plan, &world.family.bound),
        number: number(tenant),
        allowed: allowed::resolve(spec, plan, errors),
        scheduling: scheduling::check(plan, errors),
        rotation: rotation::rotation(tenant, plan, errors),
        hosts: hosts::resolve(spec),
        container_defaults: shares::container_defaults(plan, errors),
        largest_volume: limits::largest_volume(plan, errors),
        workloads: merge::merge(spec, plan, isolation, errors),
        features: features::resolve(spec, plan, errors),
        configuration: configuration::resolve(tenant, tier, &world.family, errors),
        suspend: crate::capability::family::is_suspended(tenant, &world.family),
        family: world.family.family(),
        quarantine: None,
    }
}

/// The number by the status. One that the spec does not name is another tenant's, or was never read.
fn number(tenant: &Tenant) -> Option<i64> {
    let recorded = tenant.status.as_ref()?.database.as_ref()?.number;
    recorded.filter(|recorded| tenant.spec.number.is_none_or(|number| number == *recorded))
}

fn name_is_valid(name: &str, errors: &mut Vec<Invalid>) {
    if !crate::syntax::is_dns_label(name) || name.len() > names::MAX_TENANT_NAME {
        errors.push(Invalid::new(
            "metadata.name",
            "is not a DNS label of at most 53 characters",
        ));
    }
    if is_uuid(name) {
        let message = "is a UUID, which looks like another tenant's id";
        errors.push(Invalid::new("metadata.name", message));
    }
    if name.starts_with("kube-") {
        errors.push(Invalid::new(
            "metadata.name",
            "starts with kube-: Kubernetes reserves such namespaces",
        ));
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn isolation(tenant: &Tenant, tier: &TenantTier, errors: &mut Vec<Invalid>) -> IsolationModel {
    let bounds = tier.spec.isolation.clone().unwrap_or_default();
    let default = bounds
        .default
        .or(bounds.allowed.first().copied())
        .unwrap_or(IsolationModel::DedicatedApplication);
    let model = tenant
        .spec
        .isolation
        .as_ref()
        .map_or(default, |isolation| isolation.model);
    if !bounds.allowed.is_empty() && !bounds.allowed.contains(&model) {
        let allowed: Vec<String> = bounds.allowed.iter().map(ToString::to_string).collect();
        errors.push(Invalid::new(
            "spec.isolation.model",
            format!(
                "{model} is not allowed by tier {}, which allows {}",
                tenant.spec.tier,
                allowed.join(", ")
            ),
        ));
    }
    model
}

fn namespace_names(tenant: &Tenant, tier: &TenantTier, world: &World, errors: &mut Vec<Invalid>) -> Vec<String> {
    let all = namespaces(tenant);
    for (i, name) in all.iter().enumerate() {
        let field = namespace_field(i);
        if i > 0 && name.starts_with("kube-") {
            errors.push(Invalid::new(&field, format!("Kubernetes reserves the name {name}")));
        }
        let shared = world.application_namespaces.contains_key(name);
        let whose = world.reserved.get(name).copied();
        if let Some(whose) = whose.or(shared.then_some(APPLICATIONS)) {
            errors.push(Invalid::new(&field, format!("{name} is the namespace of {whose}")));
        }
    }
    for (i, name) in all.iter().enumerate().skip(1) {
        if !crate::syntax::is_dns_label(name) {
            let message = format!("{name:.80} is not a DNS label of at most 63 characters");
            errors.push(Invalid::new(namespace_field(i), message));
        }
        if all[..i].contains(name) {
            errors.push(Invalid::new(namespace_field(i), "is there twice"));
        }
    }
    let most = tier.spec.max_namespaces.unwrap_or(33);
    if i32::try_from(all.len()).unwrap_or(i32::MAX) > most {
        let message = format!(
            "{} namespaces, including the first, are more than the {most} of tier {}",
            all.len(),
            tenant.spec.tier
        );
        errors.push(Invalid::new("spec.namespaces", message));
    }
    all
}

#[cfg(test)]
#[path = "validate_test.rs"]
mod tests;

#[cfg(test)]
#[path = "family_test.rs"]
mod family_tests;
