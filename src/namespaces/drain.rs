//! Lets go of a namespace: closes it, stops what runs in it, and deletes or retains it.
//!
//! Every step can be repeated and none is remembered: where a namespace stands is seen from the namespace itself.

use super::apply::{is_enforced, until_uncontended};
use super::{access, quota};
use crate::api::DeletionPolicy;
use crate::capability::Pass;
use crate::cluster::{Desired, Error, Identity, Key, Kind, Live, Store, Writer, termination, write::has_code};
use crate::conditions::are;
use crate::names;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, ReplicationController};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, PartialObjectMeta};
use serde_json::{Value, json};

/// The time that a pod may take to end, in seconds, whatever it asks for itself: a tenant must not outstay its suspension.
const GRACE: u32 = 30;
/// The most objects that a message names.
const NAMED: usize = 3;

/// Brings a namespace nearer to its end. Returns what is waited for, or nothing when it is over.
pub async fn drain(
    pass: &Pass<'_>,
    owner: &Identity,
    namespace: &Live,
    policy: DeletionPolicy,
) -> Result<Option<String>, Error> {
    let (writer, store) = (pass.writer, pass.store);
    let name = &namespace.key.name;
    if namespace.is_terminating() {
        // The store may lag behind, and the namespace be gone.
        let found = writer.fetch(&namespace.key).await?;
        let found = found.filter(|found| found.uid == namespace.uid);
        return Ok(found.map(|found| termination_message(&found)));
    }
    if policy == DeletionPolicy::Retain && namespace.label(names::RETAINED).is_some() {
        return Ok(None);
    }
    let right = writer
        .ensure(owner, &access::operator(owner, name, pass.platform))
        .await;
    if let Err(error) = right {
        // Without its namespace nothing is left to drain.
        let known = store.get(&owner.tenant, &namespace.key);
        return known.map_or(Ok(None), |_| Err(error));
    }
    delete_routes(writer, store, owner, name).await?;
    if let Some(waiting) = deny_new_pods(writer, store, owner, name).await? {
        return Ok(Some(waiting));
    }
    match policy {
        DeletionPolicy::Delete => delete_controllers(writer, name).await?,
        DeletionPolicy::Retain => delete_objects(writer, store, owner, name).await?,
    }
    if let Some(waiting) = stop_pods(writer, std::slice::from_ref(name)).await? {
        return Ok(Some(waiting));
    }
    match policy {
        DeletionPolicy::Delete => {
            writer.delete(namespace).await?;
            Ok(Some(format!("namespace {name} is being deleted")))
        }
        DeletionPolicy::Retain => {
            writer.ensure(owner, &retained(owner, namespace)).await?;
            Ok(None)
        }
    }
}

/// Deletes the routes into a namespace, before the objects that guard them.
async fn delete_routes(writer: &Writer, store: &Store, owner: &Identity, namespace: &str) -> Result<(), Error> {
    for live in store.of(&owner.tenant).into_values() {
        let leads_in = live.key.kind.is_route() && live.key.namespace == namespace;
        if leads_in && live.belongs_to(owner) && !live.is_terminating() {
            writer.delete(&live).await?;
        }
    }
    Ok(())
}

/// Lets no further pod in, and waits until that is enforced.
pub async fn deny_new_pods(
    writer: &Writer,
    store: &Store,
    owner: &Identity,
    namespace: &str,
) -> Result<Option<String>, Error> {
    // All other keys stay as they are, and not as they were: their amounts may be another namespace's by now.
    until_uncontended(|| {
        let hard = quota::hard(owner, store, namespace).unwrap_or_default();
        let quota = quota::without_new_pods(owner, namespace, hard);
        async move { writer.ensure_as_known(owner, &quota).await }
    })
    .await?;
    let live = store.get(&owner.tenant, &quota::key(namespace));
    let enforced = live.is_some_and(|live| is_enforced(&live));
    Ok((!enforced).then(|| format!("namespace {namespace} is being closed to new pods")))
}

/// Deletes everything that would make pods anew, the tenant's own included.
async fn delete_controllers(writer: &Writer, namespace: &str) -> Result<(), Error> {
    let kinds = [
        ApiResource::erase::<CronJob>(&()),
        ApiResource::erase::<Job>(&()),
        ApiResource::erase::<Deployment>(&()),
        ApiResource::erase::<StatefulSet>(&()),
        ApiResource::erase::<DaemonSet>(&()),
        ApiResource::erase::<ReplicaSet>(&()),
        ApiResource::erase::<ReplicationController>(&()),
    ];
    for kind in kinds {
        let api: Api<DynamicObject> = Api::namespaced_with(writer.client().clone(), namespace, &kind);
        let (params, all) = (DeleteParams::background(), ListParams::default());
        writer.with_new_rights(|| api.delete_collection(&params, &all)).await?;
    }
    Ok(())
}

/// Returns true for the operator's NetworkPolicy that denies all traffic.
pub fn is_deny_all(policy: &Key) -> bool {
    policy.name.ends_with("-deny-all")
}

/// Deletes what the operator itself gave: workloads, access, network allowances. Data and bounds stay.
async fn delete_objects(writer: &Writer, store: &Store, owner: &Identity, namespace: &str) -> Result<(), Error> {
    let stays = |key: &Key| match key.kind {
        Kind::Namespace | Kind::ResourceQuota | Kind::LimitRange | Kind::PersistentVolumeClaim => true,
        Kind::RoleBinding => key.name == names::NAMESPACE_BINDING,
        Kind::NetworkPolicy => is_deny_all(key),
        Kind::ServiceAccount => key.name == "default",
        _ => false,
    };
    for live in store.of(&owner.tenant).into_values() {
        if live.key.namespace == namespace && live.belongs_to(owner) && !live.is_terminating() && !stays(&live.key) {
            writer.delete(&live).await?;
        }
    }
    // Owners may have let others in, or themselves by another way.
    let bindings: Api<RoleBinding> = Api::namespaced(writer.client().clone(), namespace);
    let all = ListParams::default();
    for binding in writer.with_new_rights(|| bindings.list_metadata(&all)).await? {
        if binding.name_any() != names::NAMESPACE_BINDING {
            match bindings.delete(&binding.name_any(), &DeleteParams::default()).await {
                Err(error) if !has_code(&error, 404) => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Deletes every pod of these namespaces. Returns what is still there, or nothing.
pub async fn stop_pods(writer: &Writer, namespaces: &[String]) -> Result<Option<String>, Error> {
    let mut waiting = Vec::new();
    for namespace in namespaces {
        let api: Api<Pod> = Api::namespaced(writer.client().clone(), namespace);
        let all = ListParams::default();
        let pods = writer.with_new_rights(|| api.list_metadata(&all)).await?.items;
        if pods.is_empty() {
            continue;
        }
        if pods.iter().any(|pod| !is_ending(&pod.metadata)) {
            let params = DeleteParams::default().grace_period(GRACE);
            api.delete_collection(&params, &all).await?;
        }
        waiting.push(still_there(namespace, &pods));
    }
    Ok((!waiting.is_empty()).then(|| waiting.join("; ")))
}

/// Returns true where a pod is ending, within the time that it may take.
fn is_ending(pod: &ObjectMeta) -> bool {
    let grace = pod.deletion_grace_period_seconds.unwrap_or(0);
    pod.deletion_timestamp.is_some() && grace <= i64::from(GRACE)
}

fn still_there(namespace: &str, pods: &[PartialObjectMeta<Pod>]) -> String {
    let named: Vec<String> = pods
        .iter()
        .take(NAMED)
        .map(|pod| match pod.finalizers() {
            [] => pod.name_any(),
            finalizers => format!("{} (held by finalizer {})", pod.name_any(), finalizers.join(", ")),
        })
        .collect();
    let pods = are(pods.len(), "pod");
    format!("{pods} terminating in namespace {namespace}: {}", named.join(", "))
}

/// Quotes a terminating namespace on the objects that are left in it.
fn termination_message(namespace: &Live) -> String {
    let name = &namespace.key.name;
    match termination::left_in(namespace) {
        None => format!("namespace {name} is being deleted"),
        Some(left) => format!("namespace {name} is being deleted: {left}"),
    }
}

/// The namespace as it stays behind.
fn retained(owner: &Identity, namespace: &Live) -> Desired {
    let mut value = namespace.value.clone();
    let how = format!(
        "to reclaim it, create a Tenant named {} with spec.id: {} that names it",
        owner.tenant, owner.id
    );
    for (section, key, text) in [
        ("labels", names::RETAINED, "true".to_string()),
        ("annotations", names::RECLAIM, how),
        // They are free for others.
        ("annotations", names::ALLOWED_HOSTS, String::new()),
    ] {
        if let Some(Value::Object(metadata)) = value.get_mut("metadata")
            && let Some(map) = metadata.entry(section).or_insert_with(|| json!({})).as_object_mut()
        {
            map.insert(key.into(), json!(text));
        }
    }
    namespace.with(value)
}

#[cfg(test)]
#[path = "drain_test.rs"]
mod tests;
