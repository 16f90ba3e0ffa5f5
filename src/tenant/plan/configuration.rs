//! The tenant's configuration as a ConfigMap.

use super::meta;
use crate::cluster::{Desired, Kind};
use crate::names;
use crate::tenant::ValidTenant;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// The file that workloads find in [`MOUNT`].
pub const FILE: &str = "configuration.json";
/// Where workloads find it.
pub const MOUNT: &str = "/etc/tenant";

pub fn config_map(tenant: &ValidTenant) -> Option<Desired> {
    let configuration = tenant.configuration.clone()?;
    let meta = meta::meta(&tenant.owner, tenant.name(), names::CONFIGURATION);
    let object = ConfigMap {
        metadata: meta.clone(),
        data: Some(BTreeMap::from([(FILE.to_string(), configuration)])),
        ..ConfigMap::default()
    };
    Some(meta::desired(Kind::ConfigMap, &meta, &object))
}
