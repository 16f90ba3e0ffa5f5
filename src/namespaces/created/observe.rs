//! The TenantNamespaces of a tenant, beside the namespaces that exist for them.

use super::cache::TenantNamespaces;
use crate::api::{ResourceList, TenantNamespace, unread_in};
use crate::capability::created::{CreatedNamespace, Existing, Removal, Request};
use crate::capability::{Note, Pass};
use crate::cluster::served::is_definition_going;
use crate::cluster::{Error, Identity, Key, Live, Store};
use crate::conditions::reason;
use crate::names;
use futures::{FutureExt, StreamExt, stream};
use std::collections::BTreeMap;

/// Namespaces of one tenant that are read at once.
const READS_AT_ONCE: usize = 6;
/// The definition whose loss must delete no namespace.
const CRD: &str = "tenantnamespaces.tenant-operator.io";

/// Reads the namespaces that a tenant creates itself from what is known. `is_tenant`: a Tenant has this name.
pub fn observed(
    owner: &Identity,
    store: &Store,
    requests: Option<&TenantNamespaces>,
    is_tenant: impl Fn(&str) -> bool,
) -> Vec<CreatedNamespace> {
    let objects = requests.map(|requests| requests.of(&owner.tenant)).unwrap_or_default();
    let mut requests: BTreeMap<String, Option<Request>> = BTreeMap::new();
    let prefix = names::namespace(&owner.tenant, "");
    let known = |namespace: &str| store.get(&owner.tenant, &Key::namespace(namespace));
    for namespace in store.namespaces_of(&owner.tenant) {
        let existing = known(&namespace).map(|live| existing(owner, &live));
        let is_created = matches!(
            existing,
            Some(Existing::Created(_) | Existing::Terminating { is_created: true })
        );
        let name = namespace.strip_prefix(&prefix).filter(|_| is_created);
        requests.extend(name.map(|name| (name.to_string(), None)));
    }
    requests.extend(objects.into_iter().map(|(name, object)| (name, Some(request(&object)))));
    let created = requests.into_iter().map(|(name, request)| {
        let namespace = names::namespace(&owner.tenant, &name);
        let existing = match store.find(&Key::namespace(&*namespace)) {
            Some(live) => existing(owner, &live),
            None if is_tenant(&namespace) => Existing::Taken(Note {
                reason: reason::NAME_TAKEN,
                ..foreign(&namespace)
            }),
            None => Existing::Unknown,
        };
        CreatedNamespace {
            name,
            request,
            existing,
        }
    });
    created.collect()
}

/// Reads a TenantNamespace.
pub fn request(object: &TenantNamespace) -> Request {
    Request {
        quota: object.spec.quota.clone(),
        unreadable: unread_in(&object.spec.unread, ""),
        created_at: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
        removal: match object.metadata.deletion_timestamp {
            None => Removal::None,
            Some(_) => Removal::Undecided,
        },
    }
}

/// The state of a namespace of this name.
fn existing(owner: &Identity, live: &Live) -> Existing {
    let name = &live.key.name;
    if !live.belongs_to(owner) {
        return Existing::Taken(foreign(name));
    }
    let quota = live.annotation(names::TENANT_NAMESPACE).map(quota);
    let is_retained = live.label(names::RETAINED).is_some();
    match (live.is_terminating(), is_retained, quota) {
        (true, _, quota) => Existing::Terminating {
            is_created: quota.is_some(),
        },
        (false, true, Some(quota)) => Existing::Retained(quota),
        (false, false, Some(quota)) => Existing::Created(quota),
        (false, true, None) => {
            let message = format!("namespace {name} is retained: only spec.namespaces of the Tenant reclaims it");
            Existing::Taken(Note::new(reason::NAME_TAKEN, message))
        }
        (false, false, None) => {
            let message =
                format!("the tenant has a namespace {name} that no TenantNamespace created: choose another name");
            Existing::Taken(Note::new(reason::NAME_TAKEN, message))
        }
    }
}

/// The note on a name that others have. A tenant does not learn whose it is.
fn foreign(namespace: &str) -> Note {
    let message = format!("namespace {namespace} exists, and is not this tenant's: choose another name");
    Note::new(reason::CONFLICT, message)
}

/// Reads the quota of the mark of a namespace.
fn quota(mark: &str) -> ResourceList {
    serde_json::from_str(mark).unwrap_or_default()
}

/// Asks the API server about what is not known: whether names are free, and why TenantNamespaces are deleted. What it does not answer stays unknown.
pub async fn ask(pass: &Pass<'_>, owner: &Identity, created: &mut [CreatedNamespace]) {
    let open = created.iter_mut().filter(|one| is_open(one));
    let looks = open.map(|one| {
        async move {
            let namespace = one.namespace(&owner.tenant);
            match look(pass, owner, &namespace).await {
                Ok(existing) => one.existing = existing,
                Err(error) => {
                    tracing::debug!(namespace, %error, "the operator does not know whether a namespace exists")
                }
            }
        }
        .boxed()
    });
    let looks: Vec<_> = looks.collect();
    stream::iter(looks)
        .buffer_unordered(READS_AT_ONCE)
        .collect::<()>()
        .await;
    let undecided = || created.iter().filter_map(|one| one.request.as_ref());
    if !undecided().any(|request| request.removal == Removal::Undecided) {
        return;
    }
    let removal = match is_incidental(pass, owner).await {
        Ok(true) => Removal::Incidental,
        Ok(false) => Removal::Requested,
        Err(error) => {
            tracing::debug!(%error, "the operator does not know why TenantNamespaces are deleted");
            return;
        }
    };
    for request in created.iter_mut().filter_map(|one| one.request.as_mut()) {
        if request.removal == Removal::Undecided {
            request.removal = removal;
        }
    }
}

/// Returns true where the API server says whether the name is free.
fn is_open(one: &CreatedNamespace) -> bool {
    let is_unknown = match &one.existing {
        Existing::Unknown => true,
        Existing::Taken(note) => note.reason == reason::CONFLICT,
        _ => false,
    };
    is_unknown && one.request.is_some()
}

async fn look(pass: &Pass<'_>, owner: &Identity, namespace: &str) -> Result<Existing, Error> {
    let key = Key::namespace(namespace);
    let Some(live) = pass.writer.fetch(&key).await? else {
        pass.writer.is_free(&key);
        return Ok(Existing::Absent);
    };
    if !live.belongs_to(owner) {
        // The tenant is woken once the name is free.
        pass.writer.foreign(owner, &live);
    }
    Ok(existing(owner, &live))
}

/// Returns true where TenantNamespaces are deleted with the tenant's first namespace, or with their definition.
async fn is_incidental(pass: &Pass<'_>, owner: &Identity) -> Result<bool, Error> {
    let first = pass.writer.fetch(&Key::namespace(&*owner.tenant)).await?;
    if first.is_none_or(|first| first.is_terminating()) {
        return Ok(true);
    }
    is_definition_going(pass.writer.client(), CRD).await
}

#[cfg(test)]
#[path = "observe_test.rs"]
mod tests;
