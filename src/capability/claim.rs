//! The claims on what must be one tenant's alone: objects whose names are the hashes of what is claimed, so that only one tenant can
//! create each.

use super::{Deletion, Pass, Platform, Released};
use crate::api::DeletionPolicy;
use crate::cluster::{Desired, Error, Identity, Kind, Live, Writer, metadata, write::Applied};
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// The fields that say what is claimed.
const ID: &str = "spec.id";
const HOSTS: &str = "spec.gateway.hosts";

/// A value that only one tenant may have, such as an id or a host.
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

/// The claim of a tenant on a host.
pub fn host_claim(owner: &Identity, host: &str, platform: &Platform) -> Claim {
    Claim {
        field: HOSTS,
        value: host.to_string(),
        object: object(owner, platform, names::HOST_CLAIM, host),
    }
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

/// The write of a claim, or the object that stands in its way.
pub type Taken = Result<Applied, Option<Live>>;

/// Takes the tenant's id.
///
/// # Errors
/// [`Error::Claimed`] where another tenant has it; else the API server's.
pub async fn take_id(writer: &Writer, owner: &Identity, platform: &Platform) -> Result<(), Error> {
    let claim = id_claim(owner, platform);
    match take_one(writer, owner, &claim).await? {
        Ok(_) => Ok(()),
        Err(existing) => Err(claimed(claim, holder_of(existing.as_ref()))),
    }
}

/// The error that names the holder of a claim.
pub fn claimed(claim: Claim, holder: String) -> Error {
    Error::Claimed {
        field: claim.field,
        value: claim.value,
        holder,
    }
}

/// The tenant that holds the object in our way.
pub fn holder_of(existing: Option<&Live>) -> String {
    existing.and_then(holder).unwrap_or("unknown").to_string()
}

/// Takes one claim; else returns the object that stands in the way.
///
/// # Errors
/// The API server's.
pub async fn take_one(writer: &Writer, owner: &Identity, claim: &Claim) -> Result<Taken, Error> {
    match writer.ensure(owner, &claim.object).await {
        Err(Error::Foreign { key, .. }) => Ok(Err(writer.fetch(&key).await?)),
        outcome => outcome.map(Ok),
    }
}

/// Gives up the id of a deleted tenant, unless something is retained under it: nobody else may take it then.
///
/// # Errors
/// The API server's.
pub async fn release_id(pass: &Pass<'_>, of: &Deletion<'_>, as_is: Released) -> Result<(), Error> {
    let is_over = of.policy == DeletionPolicy::Delete || of.namespaces.is_empty();
    if as_is.has_data || !is_over {
        return Ok(());
    }
    let key = id_claim(of.owner, pass.platform).object.key;
    let live = pass.store.get(&of.owner.tenant, &key);
    match live.filter(|live| live.belongs_to(of.owner)) {
        Some(live) => pass.writer.delete(&live).await,
        None => Ok(()),
    }
}
