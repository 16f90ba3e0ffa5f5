//! The lifetime of a tenant's credentials.

use crate::api::{Tenant, TenantTierSpec};
use crate::capability::{Invalid, duration};
use crate::names;
use crate::rotation::Rotation;
use std::time::Duration;

/// The default interval of renewals: 90 days.
const ROTATION_INTERVAL: Duration = Duration::from_hours(2160);
/// The default time for which former credentials go on working.
const OVERLAP: Duration = Duration::from_hours(24);
/// More often than this nobody's clients could follow.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);

/// Resolves the rotation of the tenant's credentials.
pub fn rotation(tenant: &Tenant, tier: &TenantTierSpec, errors: &mut Vec<Invalid>) -> Rotation {
    let own = tenant.spec.credentials.clone().unwrap_or_default();
    let plan = tier.credentials.clone().unwrap_or_default();
    let mut resolve = |name: &str, own: Option<String>, plan: Option<String>, default: Duration| {
        let (field, text) = match (own, plan) {
            (Some(text), _) => (format!("spec.credentials.{name}"), text),
            (None, Some(text)) => (format!("spec.tier: the tier's credentials.{name}"), text),
            (None, None) => return default,
        };
        duration(&field, &text, errors).unwrap_or(default)
    };
    let interval = resolve(
        "rotationInterval",
        own.rotation_interval,
        plan.rotation_interval,
        ROTATION_INTERVAL,
    );
    let asked = own.overlap.is_some() || plan.overlap.is_some();
    let overlap = resolve("overlap", own.overlap, plan.overlap, OVERLAP.min(interval));
    if interval < SHORTEST_INTERVAL {
        errors.push(Invalid::new(
            "spec.credentials.rotationInterval",
            "is less than a minute",
        ));
    }
    if asked && overlap > interval {
        let message = "is longer than the rotation interval: three credentials would have to work at once";
        errors.push(Invalid::new("spec.credentials.overlap", message));
    }
    let annotations = tenant.metadata.annotations.as_ref();
    Rotation {
        interval,
        overlap,
        request: annotations.and_then(|all| all.get(names::ROTATE)).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::fixtures::{acme, tenant, tier, validate, world};
    use serde_json::{Value, json};

    fn refusal(spec: Value, plan: Value) -> String {
        let reasons = validate(&tenant(spec), &tier(plan), &world(&[])).expect_err("refused");
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        reasons[0].to_string()
    }

    #[test]
    fn credentials_live_as_long_as_tenant_or_plan_say() {
        let with = |spec: Value, plan: Value| {
            acme(json!({"credentials": spec}), json!({"credentials": plan}))
                .core
                .rotation
        };
        let hours = |rotation: Rotation| (rotation.interval.as_secs() / 3600, rotation.overlap.as_secs() / 3600);
        assert_eq!(hours(with(json!({}), json!({}))), (2160, 24));
        assert_eq!(
            hours(with(json!({}), json!({"rotationInterval": "12h"}))),
            (12, 12),
            "no more than the interval"
        );
        let own = json!({"overlap": "2h"});
        assert_eq!(
            hours(with(own, json!({"rotationInterval": "48h", "overlap": "12h"}))),
            (48, 2)
        );
        let plan = json!({"credentials": {"rotationInterval": "1h"}});
        let reason = refusal(json!({"credentials": {"overlap": "2h"}}), plan.clone());
        assert!(
            reason.starts_with("spec.credentials.overlap: is longer than"),
            "{reason}"
        );
        let reason = refusal(json!({"credentials": {"rotationInterval": "5s"}}), plan);
        assert!(
            reason.starts_with("spec.credentials.rotationInterval: is less than"),
            "{reason}"
        );
    }
}
