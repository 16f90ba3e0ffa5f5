//! The features of a tenant: the tier's, with those that it enables, without those that it disables.

use crate::api::{TenantSpec, TenantTierSpec};
use crate::capability::Invalid;
use std::collections::BTreeSet;

/// Returns the tenant's features, sorted.
pub fn resolve(spec: &TenantSpec, plan: &TenantTierSpec, errors: &mut Vec<Invalid>) -> Vec<String> {
    let of_tier = plan.features.clone().unwrap_or_default();
    let mut features: BTreeSet<&String> = of_tier.default.iter().collect();
    for (i, feature) in spec.features.iter().enumerate() {
        let name = &feature.name;
        let mut refuse = |message: String| errors.push(Invalid::new(format!("spec.features[{i}].name"), message));
        if spec.features[..i].iter().any(|other| other.name == *name) {
            refuse(format!("{name:.80} is there twice"));
        } else if !feature.enabled {
            features.remove(name);
        } else if of_tier.default.contains(name) || of_tier.allowed.contains(name) {
            features.insert(name);
        } else {
            let allowed: BTreeSet<&str> = of_tier
                .default
                .iter()
                .chain(&of_tier.allowed)
                .map(String::as_str)
                .collect();
            let allowed = match allowed.is_empty() {
                true => "no feature".into(),
                false => allowed.into_iter().collect::<Vec<_>>().join(", "),
            };
            refuse(format!(
                "{name:.80} is not allowed by tier {:.80}, which allows {allowed}: choose another tier, or disable the feature",
                spec.tier
            ));
        }
    }
    features.into_iter().cloned().collect()
}
