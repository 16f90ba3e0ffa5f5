//! A tier's scheduling, which admission would refuse pod by pod.

use crate::api::{Scheduling, TenantTierSpec};
use crate::capability::Invalid;
use crate::names;
use crate::syntax::{Check, dns_subdomain, label_value, qualified_name};
use k8s_openapi::api::core::v1::Toleration;

pub fn check(tier: &TenantTierSpec, errors: &mut Vec<Invalid>) -> Scheduling {
    let scheduling = tier.scheduling.clone().unwrap_or_default();
    let mut say = |part: &str, message: &str| {
        errors.push(Invalid::new(
            format!("spec.tier: the tier's scheduling.{part}"),
            message,
        ));
    };
    for (i, toleration) in scheduling.tolerations.iter().enumerate() {
        match toleration.key.as_deref() {
            None | Some("") => say(
                &format!("tolerations[{i}]"),
                "without a key it tolerates every tenant's nodes",
            ),
            Some(names::TENANT) => say(
                &format!("tolerations[{i}]"),
                "is set by the operator, for DedicatedNodes",
            ),
            Some(_) => {}
        }
        if let Some(fault) = toleration_fault(toleration) {
            say(&format!("tolerations[{i}]"), &fault);
        }
    }
    let mut name = |part: &str, text: &str, check: fn(&str) -> Check| {
        if let Err(rule) = check(text) {
            say(part, &format!("{text:.80?}: {rule}"));
        }
    };
    for (key, value) in &scheduling.node_selector {
        name("nodeSelector", key, qualified_name);
        name("nodeSelector", value, label_value);
    }
    for (part, class) in [
        ("priorityClassName", &scheduling.priority_class_name),
        ("runtimeClassName", &scheduling.runtime_class_name),
    ] {
        if let Some(class) = class.as_deref().filter(|class| !class.is_empty()) {
            name(part, class, dns_subdomain);
        }
    }
    if scheduling.node_selector.contains_key(names::TENANT) {
        say(
            "nodeSelector",
            "the tenant's label is set by the operator, for DedicatedNodes",
        );
    }
    if scheduling
        .priority_class_name
        .as_ref()
        .is_some_and(|name| name.starts_with("system-"))
    {
        say("priorityClassName", "is for the system's own pods");
    }
    scheduling
}

/// The reason why Kubernetes refuses every pod with this toleration.
fn toleration_fault(toleration: &Toleration) -> Option<String> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let [key, operator, value, effect] = [
        &toleration.key,
        &toleration.operator,
        &toleration.value,
        &toleration.effect,
    ]
    .map(text);
    let key = Some(key).filter(|key| !key.is_empty());
    if let Some(Err(rule)) = key.as_deref().map(qualified_name) {
        return Some(rule.to_string());
    }
    match (operator.as_str(), value.as_str()) {
        ("Exists", "") => {}
        ("Exists", _) => return Some("value must be empty when `operator` is 'Exists'".into()),
        ("" | "Equal", value) => {
            if let Err(rule) = label_value(value) {
                return Some(rule.to_string());
            }
        }
        _ => return Some(format!("the operator {operator:.40?} is none of Exists and Equal")),
    }
    match effect.as_str() {
        "" | "NoSchedule" | "PreferNoSchedule" if toleration.toleration_seconds.is_none() => None,
        "NoExecute" => None,
        "" | "NoSchedule" | "PreferNoSchedule" => {
            Some("effect must be 'NoExecute' when `tolerationSeconds` is set".into())
        }
        _ => Some(format!(
            "the effect {effect:.40?} is none of NoSchedule, PreferNoSchedule and NoExecute"
        )),
    }
}
