//! What a Tenant's deletion does.

use super::drain;
use super::own_keys;
use super::plan::{self, Platform};
use super::{claims, grants, routes};
use crate::api::DeletionPolicy;
use crate::cluster::{Error, Identity, Kind, Live, Store, Writer};
use crate::database::{Databases, release};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;

/// The CRD whose loss must not delete customers.
const CRD: &str = "tenants.tenant-operator.io";

/// Brings a deleted Tenant nearer to its end. Returns what is waited for, or nothing when the finalizer may go.
pub async fn cleanup(
    writer: &Writer,
    store: &Store,
    databases: &Databases,
    owner: &Identity,
    platform: &Platform,
    policy: DeletionPolicy,
) -> Result<Option<String>, Error> {
    let mut namespaces: Vec<Live> = store
        .of(&owner.tenant)
        .into_values()
        .filter(|live| live.key.kind == Kind::Namespace && live.belongs_to(owner))
        .collect();
    namespaces.sort_by(|a, b| a.key.cmp(&b.key));
    // What is being deleted already cannot be saved any more.
    let all_end = !namespaces.is_empty() && namespaces.iter().all(Live::is_terminating);
    if !all_end && crd_is_going(writer).await? {
        tracing::warn!("the Tenant's definition is being removed: its namespaces are left as they are");
        return Ok(None);
    }
    // A server that is away keeps nothing else from its end.
    let mut waiting = Vec::from_iter(release::release(databases, writer, owner, policy).await?);
    for namespace in &namespaces {
        waiting.extend(drain::drain(writer, store, owner, platform, namespace, policy).await?);
    }
    // No route is left that would need them.
    grants::withdraw(writer, owner, platform).await?;
    if !waiting.is_empty() {
        return Ok(Some(waiting.join("; ")));
    }
    if policy == DeletionPolicy::Retain && namespaces.iter().any(|namespace| namespace.key.name == owner.tenant) {
        // Whoever comes back gets other keys.
        routes::withdraw_keys(writer, owner).await?;
        own_keys::withdraw(writer, owner).await?;
    }
    claims::release_hosts(writer, store, owner, platform).await?;
    // What is retained keeps its id: nobody else may take it. Where nothing was ever made, nothing is kept.
    let kept = databases.placement(owner).is_some();
    if !kept && (policy == DeletionPolicy::Delete || namespaces.is_empty()) {
        let claim = plan::id_claim(owner, platform).object;
        if let Some(live) = store
            .get(&owner.tenant, &claim.key)
            .filter(|live| live.belongs_to(owner))
        {
            writer.delete(&live).await?;
        }
    }
    Ok(None)
}

/// When the definition of Tenants is deleted, so is every Tenant; that is nobody's wish for their customers.
async fn crd_is_going(writer: &Writer) -> Result<bool, Error> {
    let api: Api<CustomResourceDefinition> = Api::all(writer.client().clone());
    // Without its schema, which is large.
    let crd = api.get_metadata_opt(CRD).await?;
    Ok(crd.is_none_or(|crd| crd.metadata.deletion_timestamp.is_some()))
}
