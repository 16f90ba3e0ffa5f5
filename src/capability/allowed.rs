//! The names that a tenant's objects may use: the tier's lists, and the tenant's within them.

use super::Invalid;
use crate::api::{Allowed, TenantSpec, TenantTierSpec};

/// The lists of a tenant.
pub fn resolve(spec: &TenantSpec, tier: &TenantTierSpec, errors: &mut Vec<Invalid>) -> Allowed {
    let mut tiers = tier.allowed.clone().unwrap_or_default();
    let mut own = spec.allowed.clone().unwrap_or_default();
    for list in [&mut tiers.image_registries, &mut own.image_registries]
        .into_iter()
        .flatten()
    {
        list.iter_mut().for_each(|bound| *bound = registry(bound));
    }
    let equal = |a: &String, b: &String| a == b;
    Allowed {
        image_registries: narrow(
            "imageRegistries",
            own.image_registries,
            tiers.image_registries,
            lies_within,
            errors,
        ),
        image_pull_policies: narrow(
            "imagePullPolicies",
            own.image_pull_policies,
            tiers.image_pull_policies,
            |a, b| a == b,
            errors,
        ),
        storage_classes: narrow(
            "storageClasses",
            own.storage_classes,
            tiers.storage_classes,
            equal,
            errors,
        ),
        volume_attributes_classes: narrow(
            "volumeAttributesClasses",
            own.volume_attributes_classes,
            tiers.volume_attributes_classes,
            equal,
            errors,
        ),
        ingress_classes: narrow(
            "ingressClasses",
            own.ingress_classes,
            tiers.ingress_classes,
            equal,
            errors,
        ),
        priority_classes: narrow(
            "priorityClasses",
            own.priority_classes,
            tiers.priority_classes,
            equal,
            errors,
        ),
        runtime_classes: narrow(
            "runtimeClasses",
            own.runtime_classes,
            tiers.runtime_classes,
            equal,
            errors,
        ),
        // Absent is none, of these two.
        csi_drivers: narrow(
            "csiDrivers",
            own.csi_drivers,
            Some(tiers.csi_drivers.unwrap_or_default()),
            equal,
            errors,
        ),
        service_types: narrow(
            "serviceTypes",
            own.service_types,
            Some(tiers.service_types.unwrap_or_default()),
            |a, b| a == b,
            errors,
        ),
        // Likewise.
        annotations: narrow(
            "annotations",
            own.annotations,
            Some(tiers.annotations.unwrap_or_default()),
            |key, bound| key == bound || bound.strip_suffix('*').is_some_and(|prefix| key.starts_with(prefix)),
            errors,
        ),
    }
}

/// The tenant's list where it has one and it lies within the tier's, else the tier's.
fn narrow<T: serde::Serialize>(
    field: &str,
    own: Option<Vec<T>>,
    tiers: Option<Vec<T>>,
    within: fn(&T, &T) -> bool,
    errors: &mut Vec<Invalid>,
) -> Option<Vec<T>> {
    let Some(own) = own else { return tiers };
    let Some(tiers) = tiers else { return Some(own) };
    for (i, item) in own.iter().enumerate() {
        if !tiers.iter().any(|bound| within(item, bound)) {
            let shown: Vec<String> = tiers.iter().map(text).collect();
            let message = format!(
                "{} is not allowed by the tier, which allows {}",
                text(item),
                names(&shown)
            );
            errors.push(Invalid::new(format!("spec.allowed.{field}[{i}]"), message));
        }
    }
    Some(own)
}

/// The name of an item of a list.
pub fn text<T: serde::Serialize>(item: &T) -> String {
    let value = serde_json::to_value(item).unwrap_or_default();
    value.as_str().unwrap_or_default().to_string()
}

/// The items of a list in a message.
pub fn names(list: &[String]) -> String {
    match list.is_empty() {
        true => "none".into(),
        false => list.join(", "),
    }
}

/// The older name of `docker.io`, which container runtimes take for the same registry.
const OLDER: &str = "index.docker.io";

/// A registry, or a path in one, by the name that container runtimes give it.
pub fn registry(bound: &str) -> String {
    match bound.strip_prefix(OLDER) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("docker.io{rest}"),
        _ => bound.to_string(),
    }
}

/// Returns true where a path lies in a registry, or below a path in one.
pub fn lies_within(path: &String, bound: &String) -> bool {
    path == bound
        || path
            .strip_prefix(bound.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
}
