//! Takes back rights to namespaces: of owners that the spec no longer names, of all pods of a suspended tenant, of the network of a tenant in
//! quarantine.

use super::{drain, owners};
use crate::api::OwnerRole;
use crate::capability::{Pass, Quarantine, Revocation, namespaces};
use crate::cluster::{Error, Identity, Key, Kind, Live, Store, Writer};
use crate::names;
use k8s_openapi::api::rbac::v1::Subject;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Takes back what the spec no longer gives. Returns what it waits for.
///
/// # Errors
/// The first write that was refused; the others are tried all the same.
pub async fn revoke(pass: &Pass<'_>, of: &Revocation<'_>) -> Result<Option<String>, Error> {
    let (writer, store, owner) = (pass.writer, pass.store, of.owner);
    let access = revoke_access(writer, store, of).await;
    let network = match of.quarantine {
        Some(quarantine) => apply_quarantine(writer, store, owner, quarantine).await,
        None => Ok(()),
    };
    let suspended = match of.is_suspended() {
        true => suspend(writer, store, owner).await,
        false => Ok(None),
    };
    access.and(network).and(suspended)
}

/// Remembers a quarantine, and takes back what the network policies of the tenant let through.
async fn apply_quarantine(
    writer: &Writer,
    store: &Store,
    owner: &Identity,
    quarantine: &Quarantine,
) -> Result<(), Error> {
    let objects = store.of(&owner.tenant);
    let mut result = Ok(());
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
            result = result.and(change(writer, owner, namespace, "metadata", metadata).await);
        }
    }
    let opens =
        |live: &&Live| live.key.kind == Kind::NetworkPolicy && live.belongs_to(owner) && !drain::is_deny_all(&live.key);
    for policy in objects.values().filter(opens) {
        tracing::info!(object = %policy.key, "closed by the quarantine");
        result = result.and(writer.delete(policy).await);
    }
    result
}

/// Removes from the owners' bindings whom the spec does not name, or may not name.
async fn revoke_access(writer: &Writer, store: &Store, of: &Revocation<'_>) -> Result<(), Error> {
    let owner = of.owner;
    let namespaces = namespaces(of.tenant);
    let allowed = owners::subjects(&of.tenant.spec.owners, &namespaces, of.world, &mut Vec::new());
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
    let (mut waiting, mut result) = (None, Ok(()));
    let mut closed = Vec::new();
    for namespace in ours(&objects, owner, Kind::Namespace) {
        match drain::deny_new_pods(writer, store, owner, &namespace.key.name).await {
            Ok(None) => closed.push(namespace.key.name.clone()),
            Ok(Some(message)) => waiting = Some(message),
            Err(error) => result = result.and(Err(error)),
        }
    }
    for deployment in ours(&objects, owner, Kind::Deployment) {
        let replicas = deployment.value.pointer("/spec/replicas").and_then(Value::as_i64);
        if replicas != Some(0) {
            let mut spec = deployment.value.get("spec").cloned().unwrap_or_default();
            spec["replicas"] = json!(0);
            result = result.and(change(writer, owner, deployment, "spec", spec).await);
        }
    }
    closed.sort();
    let stopping = drain::stop_pods(writer, &closed).await?;
    result.map(|()| stopping.or(waiting))
}

/// Writes an object as it is, but for one field.
async fn change(writer: &Writer, owner: &Identity, live: &Live, field: &str, value: Value) -> Result<(), Error> {
    let mut object = live.value.clone();
    object[field] = value;
    tracing::info!(object = %live.key, field, "revoked");
    writer.ensure(owner, &live.with(object)).await.map(|_| ())
}
