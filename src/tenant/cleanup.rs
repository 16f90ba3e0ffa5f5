//! The deletion of a Tenant.

use crate::api::DeletionPolicy;
use crate::capability::{Deletion, Pass, Released};
use crate::cluster::{Error, Identity, Kind, Live, Writer};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;

/// The CRD whose loss must not delete customers.
const CRD: &str = "tenants.tenant-operator.io";

/// Brings a deleted Tenant nearer to its end. Returns what is waited for, or nothing when the finalizer may go.
pub async fn cleanup(pass: &Pass<'_>, owner: &Identity) -> Result<Option<String>, Error> {
    let (writer, store) = (pass.writer, pass.store);
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
    let deletion = Deletion {
        owner,
        policy: pass.policy,
        namespaces: &namespaces,
    };
    // What one capability waits for keeps no other from its end.
    let (mut waiting, mut result) = (Vec::new(), Ok(()));
    for capability in pass.capabilities {
        match capability.delete(pass, &deletion).await {
            Ok(message) => waiting.extend(message),
            Err(error) => result = result.and(Err(error)),
        }
    }
    result?;
    if !waiting.is_empty() {
        return Ok(Some(waiting.join("; ")));
    }
    let released = Released {
        has_namespace: pass.policy == DeletionPolicy::Retain
            && namespaces.iter().any(|namespace| namespace.key.name == owner.tenant),
        has_data: pass.capabilities.iter().any(|capability| capability.keeps_data(owner)),
    };
    // The id last, in the order of the list from its end: it frees the name of all else.
    for capability in pass.capabilities.iter().rev() {
        capability.release(pass, &deletion, released).await?;
    }
    Ok(None)
}

/// Returns true while the definition of Tenants is deleted: that deletes every Tenant, and nobody wishes that for their customers.
async fn crd_is_going(writer: &Writer) -> Result<bool, Error> {
    let api: Api<CustomResourceDefinition> = Api::all(writer.client().clone());
    // Without its schema, which is large.
    let crd = api.get_metadata_opt(CRD).await?;
    Ok(crd.is_none_or(|crd| crd.metadata.deletion_timestamp.is_some()))
}
