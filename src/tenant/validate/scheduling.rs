//! A tier's scheduling, which admission would refuse pod by pod.

use crate::api::{Scheduling, TenantTierSpec};
use crate::capability::Invalid;
use crate::names;

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
