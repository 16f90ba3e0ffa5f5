//! Workloads against the lists of allowed names: the operator's own objects keep to them too.

use crate::api::{Allowed, ImagePullPolicy, Scheduling, Workload};
use crate::capability::Invalid;
use crate::capability::allowed::{lies_within, names, registry, text};

/// Refuses workloads that admission would refuse.
pub fn check(allowed: &Allowed, workloads: &[Workload], scheduling: &Scheduling, errors: &mut Vec<Invalid>) {
    for workload in workloads {
        for message in refused(allowed, workload) {
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
                    "is {}, but the allowed values are {}",
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
}

/// The image with the registry and the path that container runtimes take where it names none (`github.com/distribution/reference`), as the policy
/// `tenant-operator-images` has it.
fn with_registry(image: &str) -> String {
    let whole = match image.split_once('/') {
        None => format!("docker.io/{image}"),
        Some((first, _)) if is_registry(first) => registry(image),
        Some(_) => format!("docker.io/{image}"),
    };
    match whole.strip_prefix("docker.io/") {
        Some(name) if !name.contains('/') => format!("docker.io/library/{name}"),
        _ => whole,
    }
}

/// Capital letters make a registry of it too: a path in one has none.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.contains(|c: char| c.is_ascii_uppercase())
}

/// Returns true where the registry of an image is an address, `localhost` or a name within the cluster, as the policy `tenant-operator-images` has it.
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

/// The default pull policy: Always if its tag is `latest`, by name or for want of another.
fn default_policy(image: &str) -> ImagePullPolicy {
    let name = image.rsplit('/').next().unwrap_or_default();
    match (name.contains('@'), name.rsplit_once(':')) {
        (false, None | Some((_, "latest"))) => ImagePullPolicy::Always,
        _ => ImagePullPolicy::IfNotPresent,
    }
}

/// Returns what admission would refuse of a workload's pods and claims.
fn refused(allowed: &Allowed, workload: &Workload) -> Vec<String> {
    let mut messages = Vec::new();
    let image = workload.image.as_deref().unwrap_or_default();
    let whole = with_registry(image);
    match &allowed.image_registries {
        None if is_internal(&whole) => messages.push(format!(
            "image {image} has a registry that is an address, localhost or a name within the cluster: add it to allowed.imageRegistries"
        )),
        Some(list) if !list.iter().any(|bound| lies_within(&whole, bound)) => messages.push(format!(
            "image {image} has none of the allowed registries: {}",
            names(list)
        )),
        _ => (),
    }
    if let Some(list) = &allowed.image_pull_policies {
        let policy = workload.image_pull_policy.unwrap_or_else(|| default_policy(image));
        if !list.contains(&policy) {
            let shown: Vec<String> = list.iter().map(text).collect();
            messages.push(format!(
                "imagePullPolicy {} is not allowed; allowed: {}",
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
                messages.push(format!(
                    "storageClassName {class} is not allowed; allowed: {}",
                    names(list)
                ));
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
