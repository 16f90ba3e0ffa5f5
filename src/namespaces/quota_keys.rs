//! The keys of a quota. Kubernetes accepts many more than it counts, and a key that it does not count bounds nothing.
//! Source: `k8s.io/kubernetes/pkg/quota/v1/evaluator/core`.

use crate::api::ResourceList;
use crate::capability::Invalid;
use crate::quantity::{Amount, Unit, is_extended, is_hugepages};
use crate::syntax::{dns_subdomain, qualified_name};

/// The keys with a name of their own.
pub const KEYS: [&str; 16] = [
    "configmaps",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];
/// Kubernetes' own kinds of objects, as `count/` has them; it does not count Events. Those of other groups than these may be of anybody.
pub const COUNTED: [&str; 29] = [
    "configmaps",
    "endpoints",
    "limitranges",
    "persistentvolumeclaims",
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "serviceaccounts",
    "services",
    "controllerrevisions.apps",
    "daemonsets.apps",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "cronjobs.batch",
    "jobs.batch",
    "horizontalpodautoscalers.autoscaling",
    "leases.coordination.k8s.io",
    "endpointslices.discovery.k8s.io",
    "ingresses.networking.k8s.io",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "resourceclaims.resource.k8s.io",
    "resourceclaimtemplates.resource.k8s.io",
    "csistoragecapacities.storage.k8s.io",
];
/// The groups of [`COUNTED`] of which Kubernetes serves nothing else.
const OWN_GROUPS: [&str; 6] = ["apps", "autoscaling", "batch", "events.k8s.io", "extensions", "policy"];
/// What the keys of a StorageClass end in.
const STORAGE_CLASS: &str = ".storageclass.storage.k8s.io";
/// What the keys of a DeviceClass end in.
const DEVICE_CLASS: &str = ".deviceclass.resource.k8s.io";
/// A hint is at most so far from the key, in edits.
const FARTHEST: usize = 3;

/// Refuses the keys that bound nothing, and amounts that are no multiple of their unit.
pub fn check(list: &ResourceList, field: &str, errors: &mut Vec<Invalid>) {
    for (key, quantity) in list {
        let at = format!("{field}.{key:.100}");
        match (fault(key), Unit::of(key), Amount::parse(&quantity.0)) {
            (Some(message), ..) => errors.push(Invalid::new(at, message)),
            (None, unit @ Unit::Page(_), Ok(amount)) if !amount.is_multiple_of(unit) => {
                let size = key.rsplit('-').next().unwrap_or_default();
                errors.push(Invalid::new(
                    at,
                    format!("must be a multiple of {size}, the size of a page"),
                ));
            }
            _ => {}
        }
    }
}

/// Returns true where Kubernetes counts this key.
pub fn is_counted(key: &str) -> bool {
    fault(key).is_none()
}

/// Returns the reason why a key bounds nothing, and the right one.
fn fault(key: &str) -> Option<String> {
    if let Err(rule) = qualified_name(key) {
        return Some(format!("is no key of a quota: {rule}"));
    }
    if KEYS.contains(&key) || is_hugepages(key.strip_prefix("requests.").unwrap_or(key)) {
        return None;
    }
    if let Some(counted) = key.strip_prefix("count/") {
        return count_fault(key, counted);
    }
    if let Some((class, rest)) = key.split_once('/')
        && (class.ends_with(STORAGE_CLASS) || class.ends_with(DEVICE_CLASS))
    {
        return class_fault(class, rest);
    }
    match key.strip_prefix("requests.") {
        Some(resource) if is_extended(resource) => None,
        _ => Some(unknown(key)),
    }
}

fn count_fault(key: &str, counted: &str) -> Option<String> {
    let group = counted.split_once('.').map(|(_, group)| group);
    let is_foreign = group.is_some_and(|group| {
        let is_own = OWN_GROUPS.contains(&group)
            || COUNTED
                .iter()
                .any(|own| own.split_once('.').is_some_and(|own| own.1 == group));
        !is_own && dns_subdomain(counted).is_ok()
    });
    match COUNTED.contains(&counted) || is_foreign {
        true => None,
        false => Some(unknown(key)),
    }
}

fn class_fault(class: &str, rest: &str) -> Option<String> {
    let name = class.strip_suffix(STORAGE_CLASS);
    let known: &[&str] = match name {
        Some(_) => &["requests.storage", "persistentvolumeclaims"],
        None => &["devices"],
    };
    match known.contains(&rest) {
        true => None,
        false => Some(format!(
            "bounds nothing: Kubernetes counts only {} of a class",
            known.join(" and ")
        )),
    }
}

/// The message for a key that Kubernetes does not count.
fn unknown(key: &str) -> String {
    let resource = key
        .strip_prefix("limits.")
        .or_else(|| key.strip_prefix("requests."))
        .unwrap_or(key);
    if ["cpu", "memory", "ephemeral-storage"].contains(&key) {
        return format!("is ambiguous: write requests.{key} or limits.{key}");
    }
    let candidates = [
        format!("requests.{resource}"),
        resource.to_string(),
        format!("count/{resource}"),
    ];
    let direct = candidates
        .into_iter()
        .find(|candidate| candidate != key && is_counted_exactly(candidate));
    match direct.or_else(|| nearest(key)) {
        Some(hint) => format!("bounds nothing, because Kubernetes does not count it: write {hint}"),
        None => "bounds nothing, because Kubernetes does not count it".to_string(),
    }
}

/// As [`is_counted`], but of `count/` only the known kinds.
fn is_counted_exactly(key: &str) -> bool {
    match key.strip_prefix("count/") {
        Some(counted) => COUNTED.contains(&counted),
        None => {
            let resource = key.strip_prefix("requests.").unwrap_or(key);
            KEYS.contains(&key) || is_hugepages(resource) || (resource != key && is_extended(resource))
        }
    }
}

/// The known key that is most like this one.
fn nearest(key: &str) -> Option<String> {
    let lower = key.to_ascii_lowercase();
    let counts = COUNTED.iter().map(|counted| format!("count/{counted}"));
    let known = KEYS.iter().map(|key| (*key).to_string()).chain(counts);
    // `count/deployments` lacks its group, which is many edits away.
    let distance = |known: &String| match known
        .strip_prefix(lower.as_str())
        .is_some_and(|rest| rest.starts_with('.'))
    {
        true => 0,
        false => strsim::damerau_levenshtein(&lower, known),
    };
    let nearest = known.map(|known| (distance(&known), known)).min()?;
    (nearest.0 <= FARTHEST.min(lower.len() / 3)).then_some(nearest.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_kubernetes_counts_are_accepted() {
        for key in KEYS.into_iter().chain([
            "count/configmaps",
            "count/deployments.apps",
            "count/ingresses.networking.k8s.io",
            "count/widgets.example.com",
            "count/httproutes.gateway.networking.k8s.io",
            "requests.nvidia.com/gpu",
            "hugepages-2Mi",
            "requests.hugepages-1Gi",
            "gold.storageclass.storage.k8s.io/requests.storage",
            "gold.storageclass.storage.k8s.io/persistentvolumeclaims",
            "gpu.deviceclass.resource.k8s.io/devices",
        ]) {
            assert_eq!(fault(key), None, "{key}");
        }
        for (key, _) in crate::namespaces::shares::OBJECTS {
            assert_eq!(fault(key), None, "{key}");
        }
    }

    #[test]
    fn keys_that_bound_nothing_are_refused_with_the_right_one() {
        for (key, hint) in [
            ("nvidia.com/gpu", "write requests.nvidia.com/gpu"),
            ("limits.nvidia.com/gpu", "write requests.nvidia.com/gpu"),
            ("limits.hugepages-2Mi", "write requests.hugepages-2Mi"),
            ("cpu", "write requests.cpu or limits.cpu"),
            ("memory", "write requests.memory or limits.memory"),
            ("storage", "write requests.storage"),
            ("limits.storage", "write requests.storage"),
            ("request.cpu", "write requests.cpu"),
            ("limit.memory", "write limits.memory"),
            ("requests.pods", "write pods"),
            ("pod", "write pods"),
            ("Pods", "write pods"),
            ("secret", "write secrets"),
            ("persistentvolumeclaim", "write persistentvolumeclaims"),
            ("services.nodePorts", "write services.nodeports"),
            ("deployments.apps", "write count/deployments.apps"),
            ("count/deployments", "write count/deployments.apps"),
            ("count/deployment.apps", "write count/deployments.apps"),
            ("count/ingresses", "write count/ingresses.networking.k8s.io"),
            ("count/configmap", "write count/configmaps"),
            ("count/ingresses.extensions", "bounds nothing"),
            ("count/events", "bounds nothing"),
            ("count/events.events.k8s.io", "bounds nothing"),
            (
                "gold.storageclass.storage.k8s.io/limits.storage",
                "requests.storage and persistentvolumeclaims",
            ),
            ("requests.kubernetes.io/gpu", "bounds nothing"),
            ("something", "bounds nothing"),
            ("a b", "is no key of a quota"),
        ] {
            let message = fault(key).unwrap_or_else(|| panic!("{key} is accepted"));
            assert!(message.contains(hint), "{key}: {message}");
        }
    }

    #[test]
    fn hugepages_are_whole_pages() {
        let list = ResourceList::from(
            [
                ("hugepages-2Mi", "3Mi"),
                ("requests.hugepages-1Gi", "2Gi"),
                ("hugepages-1Gi", "1536Mi"),
            ]
            .map(|(key, amount)| {
                (
                    key.to_string(),
                    k8s_openapi::apimachinery::pkg::api::resource::Quantity(amount.into()),
                )
            }),
        );
        let mut errors = Vec::new();
        check(&list, "spec.quota", &mut errors);
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "spec.quota.hugepages-1Gi: must be a multiple of 1Gi, the size of a page",
                "spec.quota.hugepages-2Mi: must be a multiple of 2Mi, the size of a page"
            ]
        );
    }
}
