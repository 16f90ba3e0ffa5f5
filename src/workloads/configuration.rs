//! The files of all workloads as one ConfigMap: the tenant's configuration, and what capabilities contribute.

use crate::capability::ValidTenant;
use crate::cluster::{Desired, Kind, metadata};
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// The file of the tenant's own configuration in [`MOUNT`].
const CONFIGURATION: &str = "configuration.json";
/// The folder of these files in a container.
pub const MOUNT: &str = "/etc/tenant";

/// Returns true where there are any files.
pub fn is_any(tenant: &ValidTenant) -> bool {
    tenant.core.configuration.is_some() || !tenant.contributions.files.is_empty()
}

/// A digest of all files, if there are any. None of them has a line break in it.
pub fn digest(tenant: &ValidTenant) -> Option<String> {
    let mut text = tenant.core.configuration.clone().unwrap_or_default();
    for file in tenant.contributions.files.values() {
        text = format!("{text}\n{file}");
    }
    is_any(tenant).then(|| names::digest(text.as_bytes()))
}

/// The ConfigMap with all files.
pub fn config_map(tenant: &ValidTenant) -> Option<Desired> {
    let own = tenant.core.configuration.iter().map(|text| (CONFIGURATION, text));
    let contributed = tenant.contributions.files.iter().map(|(file, text)| (*file, text));
    let files = own.chain(contributed);
    let files: BTreeMap<String, String> = files.map(|(file, text)| (file.to_string(), text.clone())).collect();
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
