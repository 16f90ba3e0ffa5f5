//! The claims on what must be one tenant's alone: objects whose names are the hashes of what is claimed, so that only one tenant can
//! create each.

use super::Platform;
use crate::cluster::{Desired, Identity, Kind, Live, metadata};
use crate::names;
use crate::tenant::ValidTenant;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// The fields that say what is claimed.
const ID: &str = "spec.id";
const HOSTS: &str = "spec.gateway.hosts";

/// Something that is to be one tenant's alone.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The field that asks for it.
    pub field: &'static str,
    pub value: String,
    /// In the operator's namespace.
    pub object: Desired,
}

/// The claim of a tenant on its id.
pub fn id_claim(owner: &Identity, platform: &Platform) -> Claim {
    Claim {
        field: ID,
        value: owner.id.clone(),
        object: object(owner, platform, names::ID_CLAIM, &owner.id),
    }
}

/// The claims of a tenant on its hosts.
pub fn host_claims<'a>(tenant: &'a ValidTenant, platform: &'a Platform) -> impl Iterator<Item = Claim> + 'a {
    tenant.core.hosts.iter().map(|host| Claim {
        field: HOSTS,
        value: host.clone(),
        object: object(&tenant.core.owner, platform, names::HOST_CLAIM, host),
    })
}

fn object(owner: &Identity, platform: &Platform, kind: &str, value: &str) -> Desired {
    let mut meta = metadata::meta(owner, &platform.namespace, &names::claim(kind, value));
    meta.labels
        .get_or_insert_default()
        .insert(names::CLAIM.into(), kind.into());
    let data = BTreeMap::from([
        ("value".to_string(), value.to_string()),
        ("tenant".to_string(), owner.tenant.clone()),
    ]);
    let object = ConfigMap {
        metadata: meta.clone(),
        data: Some(data),
        ..ConfigMap::default()
    };
    metadata::desired(Kind::ConfigMap, &meta, &object)
}

/// The tenant that holds a claim.
pub fn holder(claim: &Live) -> Option<&str> {
    claim.value.pointer("/data/tenant").and_then(serde_json::Value::as_str)
}
