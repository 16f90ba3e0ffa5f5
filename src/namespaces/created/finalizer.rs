//! The finalizer that holds a TenantNamespace until its namespace is gone.

use crate::api::TenantNamespace;
use crate::cluster::Error;
use crate::cluster::write::has_code;
use crate::names;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

/// Returns true where the operator holds it.
pub fn is_on(object: &TenantNamespace) -> bool {
    object
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == names::FINALIZER)
}

/// Holds a TenantNamespace. Returns false where it is no longer as it was known, or the API server refuses: another pass will do it.
pub async fn add(client: &Client, object: &TenantNamespace) -> bool {
    if is_on(object) {
        return true;
    }
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(names::FINALIZER.into());
    let result = set(client, object, &finalizers).await;
    if let Err(error) = &result {
        let (tenant, name) = (object.namespace().unwrap_or_default(), object.name_any());
        tracing::debug!(tenant, name, %error, "a TenantNamespace could not be held yet");
    }
    result.is_ok()
}

/// Lets a TenantNamespace go.
///
/// # Errors
/// The API server's, also where the object is no longer as it was known.
pub async fn remove(client: &Client, object: &TenantNamespace) -> Result<(), Error> {
    if !is_on(object) {
        return Ok(());
    }
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != names::FINALIZER);
    match set(client, object, &finalizers).await {
        Err(error) if !has_code(&error, 404) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Metadata only: a spec is never written. The version is the one that was read, so that nobody's finalizer is lost.
async fn set(client: &Client, object: &TenantNamespace, finalizers: &[String]) -> Result<(), kube::Error> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<TenantNamespace> = Api::namespaced(client.clone(), &namespace);
    let patch = json!({"metadata": {
        "resourceVersion": object.metadata.resource_version,
        "uid": object.metadata.uid,
        "finalizers": finalizers,
    }});
    api.patch_metadata(&object.name_any(), &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}
