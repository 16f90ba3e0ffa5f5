//! The resources of a container.

use super::Faults;
use crate::api::{ResourceList, Workload};
use crate::quantity::{Amount, Unit, is_extended, is_hugepages};
use crate::syntax::qualified_name;

pub fn check(workload: &Workload, faults: &mut Faults) {
    if let Some(resources) = &workload.resources {
        lists(&resources.requests, &resources.limits, faults);
    }
}

fn lists(requests: &ResourceList, limits: &ResourceList, faults: &mut Faults) {
    for (part, list) in [("requests", requests), ("limits", limits)] {
        for (key, quantity) in list {
            let at = format!(".resources.{part}.{key:.100}");
            let unit = Unit::of(key);
            let is_whole =
                || Amount::parse(&quantity.0).is_ok_and(|amount| amount > Amount::ZERO && amount.is_multiple_of(unit));
            match name_fault(key) {
                Some(message) => faults.say(at, message),
                None if is_hugepages(key) && !is_whole() => {
                    faults.say(at, format!("is not positive integer multiple of {key}"));
                }
                None => {}
            }
        }
    }
    let amount = |list: &ResourceList, key: &String| list.get(key).and_then(|text| Amount::parse(&text.0).ok());
    for (key, request) in requests {
        if !(is_extended(key) || is_hugepages(key)) {
            continue;
        }
        let at = format!(".resources.requests.{key:.100}");
        match amount(limits, key) {
            None => faults.say(at, "needs a limit: Kubernetes does not overcommit this resource"),
            Some(limit) if Amount::parse(&request.0) != Ok(limit) => {
                faults.say(at, format!("must be equal to the limit of {limit}"))
            }
            Some(_) => {}
        }
    }
    let keys = || requests.keys().chain(limits.keys());
    if keys().any(|key| is_hugepages(key)) && !keys().any(|key| ["cpu", "memory"].contains(&key.as_str())) {
        faults.say(".resources", "hugepages need cpu or memory beside them");
    }
}

/// Returns the reason why this is no resource of a container.
fn name_fault(key: &str) -> Option<String> {
    if let Err(rule) = qualified_name(key) {
        return Some(rule.into());
    }
    let is_standard = ["cpu", "memory", "ephemeral-storage"].contains(&key) || is_hugepages(key);
    match is_standard || is_extended(key) || key.contains("kubernetes.io/") {
        true => None,
        false if key.starts_with("requests.") || key.starts_with("limits.") => Some(format!(
            "is a key of quotas: write {} here",
            key.split_once('.').map_or(key, |(_, resource)| resource)
        )),
        false => Some("is no resource of a container: cpu, memory, ephemeral-storage, hugepages-<size>, or one with a domain such as nvidia.com/gpu".into()),
    }
}
