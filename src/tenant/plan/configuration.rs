//! What workloads are told in files: the tenant's configuration and its people's roles, as one ConfigMap.

use crate::cluster::{Desired, Kind, metadata};
use crate::names;
use crate::tenant::ValidTenant;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// The files that workloads find in [`MOUNT`].
const CONFIGURATION: &str = "configuration.json";
const ROLES: &str = "roles.json";
/// Where workloads find it.
pub const MOUNT: &str = "/etc/tenant";

/// Whether there is any.
pub fn is_any(tenant: &ValidTenant) -> bool {
    tenant.configuration.is_some() || tenant.roles.is_some()
}

/// A digest of all of them, if there is any. None has a line break in it.
pub fn digest(tenant: &ValidTenant) -> Option<String> {
    let mut text = tenant.configuration.clone().unwrap_or_default();
    if let Some(roles) = &tenant.roles {
        text = format!("{text}\n{roles}");
    }
    is_any(tenant).then(|| names::digest(text.as_bytes()))
}

pub fn config_map(tenant: &ValidTenant) -> Option<Desired> {
    let files = [(CONFIGURATION, &tenant.configuration), (ROLES, &tenant.roles)].into_iter();
    let files: BTreeMap<String, String> = files
        .filter_map(|(file, text)| Some((file.to_string(), text.clone()?)))
        .collect();
    if files.is_empty() {
        return None;
    }
    let meta = metadata::meta(&tenant.core.owner, tenant.name(), names::CONFIGURATION);
    let object = ConfigMap {
        metadata: meta.clone(),
        data: Some(files),
        ..ConfigMap::default()
    };
    Some(metadata::desired(Kind::ConfigMap, &meta, &object))
}
