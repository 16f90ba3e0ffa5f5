//! What the spec takes away is taken away first, and whatever else the spec says: a mistake in another field, a tier that
//! is gone, or an object that is refused must keep nobody's former rights alive and let nothing run that is suspended.

use super::drain;
use super::own_keys;
use super::plan::Platform;
use super::routes;
use super::validate::{self, World};
use crate::api::{OwnerRole, Tenant, TenantTier, unread_in};
use crate::capability::Quarantine;
use crate::cluster::{Error, Identity, Key, Kind, Live, Store, Writer};
use crate::database::{Databases, release};
use crate::gateway::config::{CUT_OFF, SUSPENDED};
use crate::names;
use k8s_openapi::api::rbac::v1::Subject;
use serde_json::{Value, json};
use std::collections::HashMap;

/// What besides the Tenant says what it is given.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// None where it is not there.
    pub tier: Option<&'a TenantTier>,
    pub platform: &'a Platform,
}

/// Takes away what the spec no longer gives. Returns what is waited for, if anything.
///
/// # Errors
/// The first write that was refused; the others are tried all the same.
pub async fn revoke(
    writer: &Writer,
    databases: &Databases,
    tenant: &Tenant,
    owner: &Identity,
    world: &World,
    quarantine: Option<&Quarantine>,
    given: Given<'_>,
) -> Result<Option<String>, Error> {
    let store = &*databases.store;
    let revoked = revoke_access(writer, store, tenant, owner, world).await;
    let is_suspended = tenant.spec.suspend == Some(true);
    let shut_in = match quarantine {
        Some(quarantine) => apply_quarantine(writer, store, owner, quarantine).await,
        None => Ok(()),
    };
    let closed = match is_suspended || quarantine.is_some() {
        true => release::pause(databases, owner).await,
        false => Ok(None),
    };
    let suspended = match is_suspended {
        true => suspend(writer, store, owner).await,
        false => Ok(None),
    };
    let why = match is_suspended {
        true => Some(SUSPENDED),
        false => quarantine.map(|_| CUT_OFF),
    };
    let shut = match why {
        Some(why) => routes::shut(writer, store, owner, given.platform, why).await,
        None => Ok(()),
    };
    let keys = routes::revoke_keys(writer, tenant, owner).await;
    // Where that part of the spec cannot be read, it is not known whether it asks for a key.
    let is_read = unread_in(&tenant.spec.unread, "spec.credentials").is_none();
    let signing = match is_read {
        true => own_keys::revoke(writer, store, tenant, given.tier, owner, given.platform).await,
        false => Ok(()),
    };
    revoked.and(shut_in).and(shut).and(keys).and(signing)?;
    Ok(suspended?.or(closed?))
}

/// Remembers a quarantine, and takes back what the network policies of the tenant let through.
async fn apply_quarantine(
    writer: &Writer,
    store: &Store,
    owner: &Identity,
    quarantine: &Quarantine,
) -> Result<(), Error> {
    let objects = store.of(&owner.tenant);
    for namespace in ours(&objects, owner, Kind::Namespace) {
        if Quarantine::read(Some(namespace)).as_ref() != Some(quarantine) {
            let mut metadata = namespace.value["metadata"].clone();
            if let Some(annotations) = metadata["annotations"].as_object_mut() {
                annotations.remove(names::QUARANTINE_CLEAN_SINCE);
                annotations.extend(
                    quarantine
                        .annotations()
                        .into_iter()
                        .map(|(key, value)| (key, json!(value))),
                );
            }
            change(writer, owner, namespace, "metadata", metadata).await?;
        }
    }
    let opens =
        |live: &&Live| live.key.kind == Kind::NetworkPolicy && live.belongs_to(owner) && !drain::is_wall(&live.key);
    let mut result = Ok(());
    for policy in objects.values().filter(opens) {
        tracing::info!(object = %policy.key, "closed by the quarantine");
        result = result.and(writer.delete(policy).await);
    }
    result
}

/// Removes from the owners' bindings whom the spec does not name, or may not name.
async fn revoke_access(
    writer: &Writer,
    store: &Store,
    tenant: &Tenant,
    owner: &Identity,
    world: &World,
) -> Result<(), Error> {
    let namespaces = super::namespaces(tenant);
    let allowed = validate::subjects(&tenant.spec.owners, &namespaces, world, &mut Vec::new());
    let mut result = Ok(());
    for namespace in namespaces {
        for role in OwnerRole::ALL {
            let key = Key {
                kind: Kind::RoleBinding,
                namespace: namespace.clone(),
                name: role.cluster_role().into(),
            };
            let Some(live) = store.get(&owner.tenant, &key).filter(|live| live.belongs_to(owner)) else {
                continue;
            };
            let kept = kept(&live, allowed.get(&role).map_or(&[], Vec::as_slice));
            let written = match kept {
                None => Ok(()),
                Some(kept) if kept.is_empty() => writer.delete(&live).await,
                Some(kept) => change(writer, owner, &live, "subjects", json!(kept)).await,
            };
            result = result.and(written);
        }
    }
    result
}

/// The subjects of a binding that may stay, or nothing where all may.
fn kept(binding: &Live, allowed: &[Subject]) -> Option<Vec<Subject>> {
    let found = binding.value.get("subjects").cloned().unwrap_or_default();
    let found: Vec<Subject> = serde_json::from_value(found).unwrap_or_default();
    let same = |a: &Subject, b: &Subject| (&a.kind, &a.name, &a.namespace) == (&b.kind, &b.name, &b.namespace);
    let kept: Vec<Subject> = found
        .iter()
        .filter(|subject| allowed.iter().any(|allowed| same(allowed, subject)))
        .cloned()
        .collect();
    (kept.len() < found.len()).then_some(kept)
}

/// The tenant's objects of a kind that are neither going nor kept for later.
fn ours<'a>(objects: &'a HashMap<Key, Live>, owner: &'a Identity, kind: Kind) -> impl Iterator<Item = &'a Live> {
    objects.values().filter(move |live| {
        live.key.kind == kind
            && live.belongs_to(owner)
            && !live.is_terminating()
            && live.label(names::RETAINED).is_none()
    })
}

/// Closes the tenant's namespaces to pods and ends those that run.
async fn suspend(writer: &Writer, store: &Store, owner: &Identity) -> Result<Option<String>, Error> {
    let objects = store.of(&owner.tenant);
    let mut waiting = None;
    let mut closed = Vec::new();
    for namespace in ours(&objects, owner, Kind::Namespace) {
        match drain::close(writer, store, owner, &namespace.key.name).await? {
            None => closed.push(namespace.key.name.clone()),
            Some(message) => waiting = Some(message),
        }
    }
    for deployment in ours(&objects, owner, Kind::Deployment) {
        let replicas = deployment.value.pointer("/spec/replicas").and_then(Value::as_i64);
        if replicas != Some(0) {
            let mut spec = deployment.value.get("spec").cloned().unwrap_or_default();
            spec["replicas"] = json!(0);
            change(writer, owner, deployment, "spec", spec).await?;
        }
    }
    closed.sort();
    Ok(drain::stop_pods(writer, &closed).await?.or(waiting))
}

/// Writes an object as it is, but for one field.
async fn change(writer: &Writer, owner: &Identity, live: &Live, field: &str, value: Value) -> Result<(), Error> {
    let mut object = live.value.clone();
    object[field] = value;
    tracing::info!(object = %live.key, field, "revoked");
    writer.ensure(owner, &live.with(object)).await.map(|_| ())
}
