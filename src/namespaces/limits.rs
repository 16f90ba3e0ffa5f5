//! The LimitRange, without which a container that says nothing would be refused by the quota.

use super::quota::QUOTA;
use crate::capability::TenantCore;
use crate::cluster::{Desired, Kind, metadata};
use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};

pub fn limits(tenant: &TenantCore, namespace: &str) -> Desired {
    let meta = metadata::meta(&tenant.owner, namespace, QUOTA);
    let item = LimitRangeItem {
        type_: "Container".into(),
        default: Some(tenant.container_defaults.limits.clone()),
        default_request: Some(tenant.container_defaults.requests.clone()),
        ..LimitRangeItem::default()
    };
    let object = LimitRange {
        metadata: meta.clone(),
        spec: Some(LimitRangeSpec { limits: vec![item] }),
    };
    metadata::desired(Kind::LimitRange, &meta, &object)
}
