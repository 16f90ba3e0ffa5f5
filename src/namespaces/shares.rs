//! A tenant's quota, and the share of each namespace.

use super::quota_keys;
use crate::api::{ContainerResources, ResourceList, TenantSpec, TenantTierSpec};
use crate::capability::{Amounts, Child, Invalid, amounts, resource_list};
use crate::quantity::{Amount, Unit};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeSet;

/// Object counts that every tenant has a bound for: a LoadBalancer costs money and a node port is the cluster's.
const COUNTS: [(&str, i64); 2] = [("services.loadbalancers", 0), ("services.nodeports", 0)];

/// The bounds on objects in each namespace where neither tenant nor tier has one: of every kind that the roles of owners may create, and of
/// what Kubernetes makes of these without a bound of its own. What stands here is what the cluster's store can be filled with.
pub const OBJECTS: [(&str, i64); 20] = [
    ("count/configmaps", 250),
    ("count/controllerrevisions.apps", 500),
    ("count/cronjobs.batch", 50),
    ("count/daemonsets.apps", 20),
    ("count/deployments.apps", 100),
    ("count/horizontalpodautoscalers.autoscaling", 100),
    ("count/ingresses.networking.k8s.io", 100),
    ("count/jobs.batch", 250),
    ("count/networkpolicies.networking.k8s.io", 100),
    ("count/persistentvolumeclaims", 100),
    ("count/poddisruptionbudgets.policy", 100),
    ("count/pods", 500),
    ("count/replicasets.apps", 500),
    ("count/replicationcontrollers", 20),
    ("count/rolebindings.rbac.authorization.k8s.io", 100),
    ("count/roles.rbac.authorization.k8s.io", 50),
    ("count/secrets", 250),
    ("count/serviceaccounts", 100),
    ("count/services", 100),
    ("count/statefulsets.apps", 50),
];

/// Requests and limits of a container where neither it nor its tier has any.
const CONTAINER_REQUESTS: [(&str, &str); 3] = [("cpu", "100m"), ("memory", "128Mi"), ("ephemeral-storage", "64Mi")];
const CONTAINER_LIMITS: [(&str, &str); 3] = [("cpu", "1"), ("memory", "512Mi"), ("ephemeral-storage", "1Gi")];

/// The tenant's quota, and each namespace's share, the first namespace's first. Every share has every key, and no key's
/// shares add up to more than the tenant's. A subtenant has no more of any key than `parent`, the quota of its parent. Its own children have `lent` of
/// it: namespaces without a quota of their own share the rest.
pub fn divide(
    spec: &TenantSpec,
    tier: &TenantTierSpec,
    parent: &Amounts,
    lent: &Amounts,
    errors: &mut Vec<Invalid>,
) -> (ResourceList, Vec<ResourceList>) {
    let mut total = whole(spec, tier, parent, errors);

    let named: Vec<Amounts> = std::iter::once(Amounts::new())
        .chain(spec.namespaces.iter().enumerate().map(|(i, namespace)| {
            let field = format!("spec.namespaces[{i}].quota");
            let amounts = counted(&namespace.quota, &field, errors);
            for key in amounts.keys().filter(|key| !total.contains_key(*key)) {
                let message = "the tenant's quota has no such key, so there is nothing to share";
                errors.push(Invalid::new(format!("{field}.{key}"), message));
            }
            amounts
        }))
        .collect();

    let mut shares = vec![Amounts::new(); named.len()];
    for (key, whole) in &total {
        let taken = named
            .iter()
            .filter_map(|share| share.get(key))
            .fold(Amount::ZERO, |sum, share| sum.plus(*share));
        if taken > *whole {
            for (i, share) in named.iter().enumerate().skip(1) {
                if share.contains_key(key) {
                    let message = format!("the namespaces together have {taken}, more than the tenant's {whole}");
                    errors.push(Invalid::new(format!("spec.namespaces[{}].quota.{key}", i - 1), message));
                }
            }
        }
        let heirs = named.iter().filter(|share| !share.contains_key(key)).count();
        let lent = lent.get(key).copied().unwrap_or(Amount::ZERO);
        let rest = whole.minus(taken).minus(lent);
        let mut rest = rest.divide(heirs, Unit::of(key)).into_iter();
        for (share, named) in shares.iter_mut().zip(&named) {
            if let Some(amount) = named.get(key).copied().or_else(|| rest.next()) {
                share.insert(key.clone(), amount);
            }
        }
    }
    bound_objects(&mut total, &mut shares);
    (resource_list(&total), shares.iter().map(resource_list).collect())
}

/// The amounts that children ask for. One that may not grow keeps what it has, and asks for nothing.
pub fn lent(children: &[Child]) -> Amounts {
    let mut sum = Amounts::new();
    for (key, quantity) in children
        .iter()
        .filter(|child| child.may_grow)
        .flat_map(|child| &child.asked)
    {
        let asked = Amount::parse(&quantity.0).unwrap_or(Amount::ZERO);
        let lent = sum.entry(key.clone()).or_insert(Amount::ZERO);
        *lent = lent.plus(asked);
    }
    sum
}

/// The tenant's quota over all its namespaces, without the keys of [`undivided`].
pub fn whole(spec: &TenantSpec, tier: &TenantTierSpec, parent: &Amounts, errors: &mut Vec<Invalid>) -> Amounts {
    let bounds = counted(&tier.quota, "spec.tier: the tier's quota", errors);
    let own = counted(&spec.quota, "spec.quota", errors);
    let (name, above) = (&spec.tier, spec.parent.as_deref().unwrap_or_default());
    for (key, asked) in &own {
        let of_tier = bounds.get(key).filter(|bound| asked > bound);
        let of_parent = parent.get(key).filter(|bound| asked > bound);
        let message = match (of_tier, of_parent) {
            (Some(bound), _) => format!("{asked} is more than the {bound} of tier {name}"),
            (None, Some(bound)) => format!("{asked} is more than the {bound} of its parent, Tenant {above}"),
            (None, None) => continue,
        };
        errors.push(Invalid::new(format!("spec.quota.{key}"), message));
    }
    let counts = COUNTS
        .iter()
        .map(|(key, count)| (key.to_string(), Amount::whole(*count)));
    let mut total: Amounts = counts.collect();
    for (key, asked) in bounds.iter().chain(&own) {
        // A fault is reported above; no child's quota may exceed it all the same.
        let bound = bounds.get(key).map_or(*asked, |bound| (*asked).min(*bound));
        total.insert(key.clone(), bound);
    }
    for (key, bound) in parent {
        let own = total.entry(key.clone()).or_insert(*bound);
        *own = (*own).min(*bound);
    }
    total
}

/// The amounts of the keys that Kubernetes counts.
fn counted(list: &ResourceList, field: &str, errors: &mut Vec<Invalid>) -> Amounts {
    quota_keys::check(list, field, errors);
    let (known, _) = list
        .clone()
        .into_iter()
        .partition(|(key, _)| quota_keys::is_counted(key));
    amounts(&known, field, errors)
}

/// The keys of which nothing is divided: each namespace has its bound by itself.
pub fn undivided(spec: &TenantSpec, tier: &TenantTierSpec, parent: &Amounts) -> BTreeSet<String> {
    let keys = OBJECTS.iter().map(|(key, _)| *key);
    let is_named =
        |key: &&str| spec.quota.contains_key(*key) || tier.quota.contains_key(*key) || parent.contains_key(*key);
    keys.filter(|key| !is_named(key)).map(String::from).collect()
}

/// Bounds the kinds of [`OBJECTS`] that nobody has bounded, in each namespace.
fn bound_objects(total: &mut Amounts, shares: &mut [Amounts]) {
    for (key, count) in OBJECTS {
        if total.contains_key(key) {
            continue;
        }
        let mut sum = Amount::ZERO;
        for share in &mut *shares {
            // `pods` counts those that run, `count/pods` those that have ended too.
            let named = share.get(key.trim_start_matches("count/"));
            let room = named.map_or(Amount::ZERO, |named| named.plus(*named));
            let bound = Amount::whole(count).max(room).min(Amount::whole(i64::MAX));
            share.insert(key.into(), bound);
            sum = sum.plus(bound);
        }
        total.insert(key.into(), sum.min(Amount::whole(i64::MAX)));
    }
}

/// Resolves requests and limits of a container that has none itself; no request is above its limit.
pub fn container_defaults(tier: &TenantTierSpec, errors: &mut Vec<Invalid>) -> ContainerResources {
    let own = tier.container_defaults.clone().unwrap_or_default();
    let fill = |own: &ResourceList, defaults: &[(&str, &str)]| {
        let mut filled: ResourceList = defaults
            .iter()
            .map(|(k, v)| (k.to_string(), Quantity(v.to_string())))
            .collect();
        filled.extend(own.clone());
        filled
    };
    let mut limits = amounts(
        &fill(&own.limits, &CONTAINER_LIMITS),
        "spec.tier: the tier's containerDefaults.limits",
        errors,
    );
    let mut requests = amounts(
        &fill(&own.requests, &CONTAINER_REQUESTS),
        "spec.tier: the tier's containerDefaults.requests",
        errors,
    );
    // As the API server does in a LimitRange: what is limited and not requested is requested whole.
    for (key, limit) in &limits {
        requests.entry(key.clone()).or_insert(*limit);
    }
    for (key, request) in &mut requests {
        let Some(limit) = limits.get_mut(key) else { continue };
        match (own.requests.contains_key(key), own.limits.contains_key(key)) {
            // Whichever side the tier left out gives way to the side that it names.
            (true, false) => *limit = (*limit).max(*request),
            (false, true) => *request = (*request).min(*limit),
            _ if request > limit => errors.push(Invalid::new(
                "spec.tier",
                format!("the tier's containerDefaults request more {key} ({request}) than they allow ({limit})"),
            )),
            _ => {}
        }
    }
    ContainerResources {
        requests: resource_list(&requests),
        limits: resource_list(&limits),
    }
}

#[cfg(test)]
#[path = "shares_test.rs"]
mod tests;
