//! The LimitRange: defaults, without which a container that says nothing would be refused by the quota, and the bound of a claim.

use super::quota::QUOTA;
use crate::api::TenantTierSpec;
use crate::capability::{Invalid, TenantCore};
use crate::cluster::{Desired, Kind, metadata};
use crate::quantity::Amount;
use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// The largest storage request of a claim that the tier allows.
pub fn largest_volume(tier: &TenantTierSpec, errors: &mut Vec<Invalid>) -> Option<Amount> {
    let max = &tier.volumes.as_ref()?.max;
    let field = "spec.tier: the tier's volumes.max";
    match Amount::parse(&max.0) {
        Ok(amount) if amount > Amount::ZERO => return Some(amount),
        Ok(_) => errors.push(Invalid::new(
            field,
            "must be above zero: to forbid claims, set the quota's persistentvolumeclaims to 0",
        )),
        Err(fault) => errors.push(Invalid::new(field, fault)),
    }
    None
}

pub fn limits(tenant: &TenantCore, namespace: &str) -> Desired {
    let meta = metadata::meta(&tenant.owner, namespace, QUOTA);
    let item = LimitRangeItem {
        type_: "Container".into(),
        default: Some(tenant.container_defaults.limits.clone()),
        default_request: Some(tenant.container_defaults.requests.clone()),
        ..LimitRangeItem::default()
    };
    let claim = tenant.largest_volume.map(|largest| LimitRangeItem {
        type_: "PersistentVolumeClaim".into(),
        max: Some(BTreeMap::from([("storage".into(), Quantity(largest.to_string()))])),
        ..LimitRangeItem::default()
    });
    let object = LimitRange {
        metadata: meta.clone(),
        spec: Some(LimitRangeSpec {
            limits: [Some(item), claim].into_iter().flatten().collect(),
        }),
    };
    metadata::desired(Kind::LimitRange, &meta, &object)
}
