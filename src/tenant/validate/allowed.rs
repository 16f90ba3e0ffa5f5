//! What a tenant's objects may name: the tier's lists, and the tenant's within them. The operator's own objects keep to them too.

use super::Invalid;
use crate::api::{Allowed, ImagePullPolicy, Scheduling, TenantSpec, TenantTierSpec, Workload};

pub fn resolve(
    spec: &TenantSpec,
    tier: &TenantTierSpec,
    workloads: &[Workload],
    scheduling: &Scheduling,
    errors: &mut Vec<Invalid>,
) -> Allowed {
    let tiers = tier.allowed.clone().unwrap_or_default();
    let own = spec.allowed.clone().unwrap_or_default();
    let equal = |a: &String, b: &String| a == b;
    let allowed = Allowed {
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
    };
    for workload in workloads {
        for message in refused(&allowed, workload) {
            errors.push(Invalid::new(format!("spec.workloads: {}", workload.name), message));
        }
    }
    if !workloads.is_empty() {
        let mut class = |part: &str, name: &Option<String>, list: &Option<Vec<String>>, is_needed: bool| {
            let Some(list) = list else { return };
            let is_fine = match name {
                Some(name) => list.contains(name),
                None => !is_needed || list.is_empty(),
            };
            if !is_fine {
                let message = format!(
                    "is {}, and allowed is {}",
                    name.as_deref().unwrap_or("absent"),
                    names(list)
                );
                errors.push(Invalid::new(
                    format!("spec.tier: the tier's scheduling.{part}"),
                    message,
                ));
            }
        };
        class(
            "priorityClassName",
            &scheduling.priority_class_name,
            &allowed.priority_classes,
            false,
        );
        class(
            "runtimeClassName",
            &scheduling.runtime_class_name,
            &allowed.runtime_classes,
            true,
        );
    }
    allowed
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

fn text<T: serde::Serialize>(item: &T) -> String {
    let value = serde_json::to_value(item).unwrap_or_default();
    value.as_str().unwrap_or_default().to_string()
}

fn names(list: &[String]) -> String {
    match list.is_empty() {
        true => "none".into(),
        false => list.join(", "),
    }
}

/// Whether a path lies in a registry, or below a path in one.
fn lies_within(path: &String, bound: &String) -> bool {
    path == bound
        || path
            .strip_prefix(bound.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
}

/// The image with the registry that the container runtime takes where it names none.
fn with_registry(image: &str) -> String {
    match image.split_once('/') {
        None => format!("docker.io/library/{image}"),
        Some((first, _)) if is_registry(first) => image.to_string(),
        Some(_) => format!("docker.io/{image}"),
    }
}

/// Capital letters make a registry of it too: a path in one has none.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.contains(|c: char| c.is_ascii_uppercase())
}

/// Whether the registry of such an image is an address, `localhost` or a name within the cluster, as the policy `tenant-operator-images` has it.
fn is_internal(image: &str) -> bool {
    let registry = image.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let host = registry.split(':').next().unwrap_or_default();
    let labels: Vec<&str> = host.split('.').collect();
    let [_, .., last] = labels[..] else { return true };
    let is_top_level = last.starts_with("xn--") || (last.len() > 1 && last.chars().all(|c| c.is_ascii_lowercase()));
    !is_top_level
        || ["default", "internal", "local", "localdomain", "localhost"].contains(&last)
        || labels[1..].iter().any(|label| ["svc", "pod"].contains(label))
}

/// When an image is fetched of which nothing is said: always if its tag is `latest`, by name or for want of another.
fn default_policy(image: &str) -> ImagePullPolicy {
    let name = image.rsplit('/').next().unwrap_or_default();
    match (name.contains('@'), name.rsplit_once(':')) {
        (false, None | Some((_, "latest"))) => ImagePullPolicy::Always,
        _ => ImagePullPolicy::IfNotPresent,
    }
}

/// What admission would refuse of a workload's pods and claims.
fn refused(allowed: &Allowed, workload: &Workload) -> Vec<String> {
    let mut messages = Vec::new();
    let image = workload.image.as_deref().unwrap_or_default();
    let whole = with_registry(image);
    match &allowed.image_registries {
        None if is_internal(&whole) => messages.push(format!(
            "image {image} is of a registry that is an address, localhost or a name within the cluster: let allowed.imageRegistries name it"
        )),
        Some(list) if !list.iter().any(|bound| lies_within(&whole, bound)) => messages.push(format!(
            "image {image} is of none of the allowed registries: {}",
            names(list)
        )),
        _ => (),
    }
    if let Some(list) = &allowed.image_pull_policies {
        let policy = workload.image_pull_policy.unwrap_or_else(|| default_policy(image));
        if !list.contains(&policy) {
            let shown: Vec<String> = list.iter().map(text).collect();
            messages.push(format!(
                "imagePullPolicy {} is not allowed, but {}",
                text(&policy),
                names(&shown)
            ));
        }
    }
    if let Some(list) = &allowed.storage_classes {
        let claims = workload.volume_claims.iter().flatten();
        let claims = claims.filter_map(|claim| claim.storage_class_name.as_ref());
        for class in claims.chain(ephemeral_classes(workload)) {
            if !list.contains(class) {
                messages.push(format!("storageClassName {class} is not allowed, but {}", names(list)));
            }
        }
    }
    messages
}

/// The classes of the claims that each pod has for itself, by field and by annotation.
fn ephemeral_classes(workload: &Workload) -> impl Iterator<Item = &String> {
    let volumes = workload.volumes.iter().flatten();
    let templates = volumes.filter_map(|volume| volume.ephemeral.as_ref()?.volume_claim_template.as_ref());
    templates.flat_map(|template| {
        let annotations = template
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.annotations.as_ref());
        let older = annotations.and_then(|annotations| annotations.get("volume.beta.kubernetes.io/storage-class"));
        template.spec.storage_class_name.iter().chain(older)
    })
}

#[cfg(test)]
#[path = "allowed_test.rs"]
mod tests;
