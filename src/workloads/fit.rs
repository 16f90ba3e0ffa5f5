//! The needs of the declared workloads, beside their namespace's share of the quota. Pure.

use crate::api::ResourceList;
use crate::capability::Amounts;
use crate::cluster::{Desired, Kind};
use crate::names;
use crate::quantity::Amount;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The most keys, and the most workloads of a key, that a message names.
const NAMED: usize = 4;

/// The needs of each workload; those of none are under an empty name.
type Needs = BTreeMap<String, Amounts>;

/// A number of replicas to reckon with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// As many as always run.
    Least,
    /// As many as an autoscaler may start.
    Most,
}

/// The keys of which workloads need more than there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfit {
    pub message: String,
    /// True where they fit until an autoscaler starts more.
    pub only_scaled: bool,
}

/// Compares the objects of all workloads with the share of their namespace.
pub fn unfit(objects: &[Desired], namespace: &str, share: &ResourceList) -> Option<Unfit> {
    let lacks = |scale: Scale| lacking(&needs(objects, scale), share);
    let (least, most) = (lacks(Scale::Least), lacks(Scale::Most));
    let (lacks, only_scaled) = match least.is_empty() {
        true => (most, true),
        false => (least, false),
    };
    if lacks.is_empty() {
        return None;
    }
    let mut parts: Vec<String> = lacks.iter().take(NAMED).cloned().collect();
    if lacks.len() > NAMED {
        parts.push(format!("and {} more keys", lacks.len() - NAMED));
    }
    let when = if only_scaled {
        ", once autoscalers start as many pods as they may"
    } else {
        ""
    };
    let message = format!(
        "the workloads need more than namespace {namespace}'s share of the quota{when}: {}",
        parts.join("; ")
    );
    Some(Unfit { message, only_scaled })
}

/// The keys of which more is needed than the share has, each with its amounts.
fn lacking(needs: &Needs, share: &ResourceList) -> Vec<String> {
    let lack = |(key, has): (&String, &Quantity)| {
        let has = Amount::parse(&has.0).ok()?;
        let needed = needs
            .iter()
            .filter_map(|(name, amounts)| Some((name, *amounts.get(key)?)));
        let mut needed: Vec<(&String, Amount)> = needed.collect();
        let sum = needed.iter().fold(Amount::ZERO, |sum, (_, amount)| sum.plus(*amount));
        if sum <= has {
            return None;
        }
        needed.sort_by_key(|(_, amount)| Reverse(*amount));
        let named = needed.iter().filter(|(name, _)| !name.is_empty()).take(NAMED);
        let named: Vec<String> = named.map(|(name, amount)| format!("{name} {amount}")).collect();
        Some(format!("{key}: {sum} of {has} ({})", named.join(", ")))
    };
    share.iter().filter_map(lack).collect()
}

fn needs(objects: &[Desired], scale: Scale) -> Needs {
    let mut needs = Needs::new();
    let most = |name: &str| {
        let is_its = |object: &&Desired| object.key.kind == Kind::HorizontalPodAutoscaler && object.key.name == name;
        let autoscaler = objects.iter().find(is_its)?;
        autoscaler.value.pointer("/spec/maxReplicas")?.as_i64()
    };
    for object in objects {
        let workload = object
            .value
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(names::WORKLOAD));
        let workload = workload.and_then(Value::as_str).unwrap_or_default();
        let needs = needs.entry(workload.to_string()).or_default();
        add(needs, count(object.key.kind), 1);
        match object.key.kind {
            Kind::PersistentVolumeClaim => claim(needs, &object.value["spec"], 1),
            Kind::Deployment => {
                let replicas = object
                    .value
                    .pointer("/spec/replicas")
                    .and_then(Value::as_i64)
                    .unwrap_or(1);
                // A suspended workload has no pods, whatever its autoscaler says.
                let replicas = match scale {
                    Scale::Most if replicas > 0 => most(&object.key.name).unwrap_or(replicas),
                    _ => replicas,
                };
                add(needs, ["count/replicasets.apps".into()], 1);
                pods(needs, &object.value["spec"]["template"]["spec"], replicas);
            }
            _ => {}
        }
    }
    needs
}

/// The keys that count objects of a kind.
fn count(kind: Kind) -> Vec<String> {
    let resource = kind.resource();
    match resource.group.as_str() {
        // The core group's have their names of old besides.
        "" => vec![format!("count/{}", resource.plural), resource.plural],
        group => vec![format!("count/{}.{group}", resource.plural)],
    }
}

fn add(needs: &mut Amounts, keys: impl IntoIterator<Item = String>, count: i64) {
    for key in keys {
        more(needs, key, Amount::whole(1), count);
    }
}

fn more(needs: &mut Amounts, key: String, amount: Amount, count: i64) {
    let sum = needs.entry(key).or_insert(Amount::ZERO);
    *sum = sum.plus(amount.times(count));
}

/// Adds the needs of pods, as quota admission reckons them.
fn pods(needs: &mut Amounts, spec: &Value, replicas: i64) {
    add(needs, ["pods", "count/pods"].map(String::from), replicas);
    for container in spec["containers"].as_array().into_iter().flatten() {
        let of = |list: &str| amounts(container.pointer(&format!("/resources/{list}")));
        let (mut requests, limits) = (of("requests"), of("limits"));
        for (resource, limit) in &limits {
            more(needs, format!("limits.{resource}"), *limit, replicas);
            // What is limited and not requested is requested whole.
            requests.entry(resource.clone()).or_insert(*limit);
        }
        for (resource, request) in requests {
            if resource.starts_with("hugepages-") {
                more(needs, resource.clone(), request, replicas);
            }
            more(needs, format!("requests.{resource}"), request, replicas);
        }
    }
    let templates = spec["volumes"].as_array().into_iter().flatten();
    for template in templates.filter_map(|volume| volume.pointer("/ephemeral/volumeClaimTemplate/spec")) {
        add(needs, count(Kind::PersistentVolumeClaim), replicas);
        claim(needs, template, replicas);
    }
}

/// Adds the storage of claims, and their number by class.
fn claim(needs: &mut Amounts, spec: &Value, count: i64) {
    let storage = amounts(spec.pointer("/resources/requests"))
        .remove("storage")
        .unwrap_or(Amount::ZERO);
    more(needs, "requests.storage".into(), storage, count);
    if let Some(class) = spec["storageClassName"].as_str() {
        let of_class = |key: &str| format!("{class}.storageclass.storage.k8s.io/{key}");
        more(needs, of_class("requests.storage"), storage, count);
        add(needs, [of_class("persistentvolumeclaims")], count);
    }
}

fn amounts(list: Option<&Value>) -> Amounts {
    let entries = list.and_then(Value::as_object).into_iter().flatten();
    let parse = |value: &Value| match value {
        Value::String(text) => Amount::parse(text).ok(),
        other => Amount::parse(&other.to_string()).ok(),
    };
    entries
        .filter_map(|(key, value)| Some((key.clone(), parse(value)?)))
        .collect()
}

#[cfg(test)]
#[path = "fit_test.rs"]
mod tests;
