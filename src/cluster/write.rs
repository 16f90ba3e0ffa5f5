//! The writes. POST creates an object, so the operator never takes over one of others. PUT replaces it in the version that was compared, so it never overwrites
//! an unseen change, and removes others' additions.

mod versioned;

use super::blocked::{Blocked, Marks};
use super::futile::{Attempt, Futile};
use super::metadata::is_managed;
use super::{
    Error, Kind, SecretVersions, Store, diff, digest, fixed,
    object::{Desired, Identity, Key, Live},
};
use crate::names;
use crate::telemetry::metrics::{Metrics, Operation};
use kube::api::{Api, DeleteParams, DynamicObject, PostParams, Preconditions, PropagationPolicy};
use kube::{Client, ResourceExt};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The period in which the operator looks whether something that was in its way is gone.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// Number of retries of a write after a conflict.
const CONFLICTS: usize = 4;
/// Time until a new right takes effect everywhere (measured: under 2 s).
const RIGHTS_DELAYS: [Duration; 8] = [
    Duration::from_millis(15),
    Duration::from_millis(30),
    Duration::from_millis(60),
    Duration::from_millis(125),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1000),
    Duration::from_millis(1000),
];

/// Outcome of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    Unchanged,
    Created,
    /// Replaced because of a difference at this path.
    Updated(String),
}

/// Writes objects of tenants.
pub struct Writer {
    client: Client,
    store: Arc<Store>,
    metrics: Metrics,
    futile: Futile,
    /// Tenants whose undone writes may take effect now.
    released: Mutex<BTreeSet<String>>,
    blocked: Blocked,
}

impl Writer {
    pub fn new(client: Client, store: Arc<Store>, metrics: Metrics) -> Self {
        Self {
            client,
            store,
            metrics,
            futile: Futile::default(),
            released: Mutex::default(),
            blocked: Blocked::default(),
        }
    }

    /// Returns the client for objects of no tenant.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the known versions of the operator's Secrets.
    pub fn secrets(&self) -> &SecretVersions {
        &self.store.secrets
    }

    /// The kind's API in a namespace; cluster-wide where that is empty.
    pub fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        match namespace {
            "" => Api::all_with(self.client.clone(), &kind.resource()),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &kind.resource()),
        }
    }

    /// Brings one object to its desired state.
    ///
    /// # Errors
    /// [`Error::Foreign`] where an object that is not this tenant's has the name; else the API server's refusal.
    pub async fn ensure(&self, owner: &Identity, desired: &Desired) -> Result<Applied, Error> {
        let known = self.store.get(&owner.tenant, &desired.key);
        self.bring(owner, desired, known, CONFLICTS).await
    }

    async fn bring(
        &self,
        owner: &Identity,
        desired: &Desired,
        known: Option<Live>,
        attempts: usize,
    ) -> Result<Applied, Error> {
        let mut live = known;
        for round in 0..=attempts {
            let is_over = round == attempts;
            let Some(found) = live else {
                if is_over {
                    break;
                }
                match self.with_new_rights(|| self.create(desired)).await {
                    Ok(()) => {
                        self.blocked.clear(&desired.key);
                        return Ok(Applied::Created);
                    }
                    Err(error) if has_code(&error, 409) => {
                        live = self.fetch(&desired.key).await?;
                        continue;
                    }
                    // The API server checks quota and policies before the name: they may refuse an object that exists already.
                    Err(error) if has_code(&error, 403) && !lacks_rights(&error) => {
                        match self.fetch(&desired.key).await {
                            Ok(Some(found)) => live = Some(found),
                            _ => return Err(Error::write(&desired.key, error)),
                        }
                        continue;
                    }
                    Err(error) => {
                        if has_code(&error, 404) && !desired.key.namespace.is_empty() {
                            self.forget_lost(&desired.key.namespace).await?;
                        }
                        return Err(Error::write(&desired.key, error));
                    }
                }
            };
            if !(found.belongs_to(owner) || (desired.takes_over && found.is_unmarked())) {
                return Err(self.foreign(owner, &found));
            }
            self.blocked.clear(&desired.key);
            if found.is_terminating() {
                return Err(Error::terminating(&found));
            }
            if let Some(field) = fixed::must_be_replaced(desired, &found).filter(|_| !is_over) {
                tracing::warn!(object = %desired.key, field, "the API server never changes this field: the object is replaced");
                self.delete(&found).await?;
                self.store.forget(&desired.key);
                live = None;
                continue;
            }
            if fixed::is_stuck(desired, &found) {
                return Err(Error::Fixed {
                    key: found.key,
                    remedy: "save its data, delete it, and create it again without `immutable`",
                });
            }
            let desired = fixed::with_fixed_fields(desired, &found);
            let desired = desired.as_ref();
            let Some(path) = diff::difference(desired, &found) else {
                self.took_effect(&desired.key);
                return Ok(Applied::Unchanged);
            };
            if self.futile.is_known(&desired.key, &path, attempt(desired, &found)) {
                return Ok(Applied::Unchanged);
            }
            if is_over {
                break;
            }
            match self.with_new_rights(|| self.replace(desired, &found)).await {
                Ok(written) => {
                    match diff::difference(desired, &written) {
                        Some(left) => self.was_undone(owner, desired, &written, &left),
                        None => self.took_effect(&desired.key),
                    }
                    return Ok(match written.resource_version == found.resource_version {
                        true => Applied::Unchanged,
                        false => Applied::Updated(path),
                    });
                }
                Err(error) if has_code(&error, 409) || has_code(&error, 404) => {
                    live = self.fetch(&desired.key).await?;
                }
                Err(error) => return Err(Error::write(&desired.key, error)),
            }
        }
        Err(Error::Contended(desired.key.clone()))
    }

    /// Deletes one object, and no other that may have taken its name. One that is gone already is no error.
    pub async fn delete(&self, live: &Live) -> Result<(), Error> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(live.uid.clone()),
                resource_version: None,
            }),
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        let api = self.api(live.key.kind, &live.key.namespace);
        match self
            .with_new_rights(|| async { api.delete(&live.key.name, &params).await.map(|_| ()) })
            .await
        {
            Ok(()) => {
                self.metrics.wrote(live.key.kind.as_str(), Operation::Delete);
                self.took_effect(&live.key);
                Ok(())
            }
            Err(error) if has_code(&error, 404) => {
                self.store.forget(&live.key);
                Ok(())
            }
            // The precondition failed: another object has the name now, and is none of our business.
            Err(error) if has_code(&error, 409) => {
                self.fetch(&live.key).await?;
                Ok(())
            }
            Err(error) => Err(Error::write(&live.key, error)),
        }
    }

    /// Reads an object anew into the store.
    pub async fn fetch(&self, key: &Key) -> Result<Option<Live>, Error> {
        let api = self.api(key.kind, &key.namespace);
        let object = match self.with_new_rights(|| api.get_opt(&key.name)).await {
            Ok(object) => object,
            Err(error) => return Err(Error::write(key, error)),
        };
        let Some(object) = object else {
            self.store.forget(key);
            return Ok(None);
        };
        let found = live(key, &object);
        self.note(key, object);
        Ok(Some(found))
    }

    /// Takes an object into the store where the watch follows it. Of any other the store would never see the end.
    fn note(&self, key: &Key, object: DynamicObject) {
        match is_managed(object.labels()) {
            true => self.store.put(key.kind, object),
            false => self.store.forget(key),
        }
    }

    /// Forgets a namespace, and everything in it, where the API server no longer has it.
    async fn forget_lost(&self, namespace: &str) -> Result<(), Error> {
        if self.fetch(&Key::namespace(namespace)).await?.is_none() {
            self.store.forget_namespace(namespace);
        }
        Ok(())
    }

    /// Returns the error of a name that an object of others has. The name is watched from now on.
    pub fn foreign(&self, owner: &Identity, live: &Live) -> Error {
        self.blocked.note(&owner.tenant, &live.key, Marks::of_live(live));
        Error::foreign(live)
    }

    /// Notes that no object of others has this name.
    pub fn is_free(&self, key: &Key) {
        self.blocked.clear(key);
    }

    /// Looks at names that objects of others have, and at writes that others undid, for ever. Wakes the tenants that may try again.
    pub async fn follow_others(&self, wake: impl Fn(&str)) {
        loop {
            tokio::time::sleep(LOOK_PERIOD).await;
            for key in self.blocked.due() {
                let found = self.api(key.kind, &key.namespace).get_metadata_opt(&key.name).await;
                // Where the API server does not say, the next look asks again.
                if let Ok(found) = found {
                    let tenants = self.blocked.seen(&key, found.as_ref().map(Marks::of));
                    tenants.iter().for_each(|tenant| wake(tenant));
                }
            }
            self.futile.due().iter().for_each(|tenant| wake(tenant));
            let released = std::mem::take(&mut *self.released.lock().unwrap_or_else(PoisonError::into_inner));
            released.iter().for_each(|tenant| wake(tenant));
        }
    }

    async fn create(&self, desired: &Desired) -> Result<(), kube::Error> {
        let object: DynamicObject = parse(&desired.value)?;
        let api = self.api(desired.key.kind, &desired.key.namespace);
        let created = api
            .create(
                &PostParams {
                    field_manager: Some(names::MANAGER.into()),
                    ..PostParams::default()
                },
                &object,
            )
            .await?;
        self.metrics.wrote(desired.key.kind.as_str(), Operation::Create);
        self.note(&desired.key, created);
        Ok(())
    }

    /// Returns the object as it is now.
    async fn replace(&self, desired: &Desired, found: &Live) -> Result<Live, kube::Error> {
        let object: DynamicObject = parse(&diff::replacement(desired, found))?;
        let api = self.api(desired.key.kind, &desired.key.namespace);
        let params = PostParams {
            field_manager: Some(names::MANAGER.into()),
            ..PostParams::default()
        };
        let updated = api.replace(&desired.key.name, &params, &object).await?;
        self.metrics.wrote(desired.key.kind.as_str(), Operation::Update);
        let written = live(&desired.key, &updated);
        self.note(&desired.key, updated);
        Ok(written)
    }

    /// Retries forbidden requests for three seconds. The API server may not yet have seen our RoleBinding, or the hosts that we have just written onto the
    /// namespace.
    pub async fn with_new_rights<T, F: Future<Output = Result<T, kube::Error>>>(
        &self,
        request: impl Fn() -> F,
    ) -> Result<T, kube::Error> {
        for delay in RIGHTS_DELAYS {
            match request().await {
                Err(error) if lacks_rights(&error) || lacks_hosts(&error) => tokio::time::sleep(delay).await,
                result => return result,
            }
        }
        request().await
    }

    fn was_undone(&self, owner: &Identity, desired: &Desired, written: &Live, path: &str) {
        let attempt = attempt(desired, written);
        if self.futile.undone(&owner.tenant, &desired.key, path, attempt) {
            tracing::warn!(
                object = %desired.key,
                path,
                "the API server, or an admission webhook or policy, keeps a value of its own here; the operator tries again now and then"
            );
        }
    }

    /// Tenants with objects that may take effect too now are woken at the next look.
    fn took_effect(&self, key: &Key) {
        let tenants = self.futile.took_effect(key);
        if !tenants.is_empty() {
            let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
            released.extend(tenants);
        }
    }
}

/// Returns an object as the API server has it, without fields that the operator never reads.
fn live(key: &Key, object: &DynamicObject) -> Live {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    super::object::trim(key.kind, &mut value);
    Live {
        key: key.clone(),
        uid: object.uid().unwrap_or_default(),
        resource_version: object.resource_version().unwrap_or_default(),
        value,
    }
}

fn parse(value: &serde_json::Value) -> Result<DynamicObject, kube::Error> {
    serde_json::from_value(value.clone()).map_err(kube::Error::SerdeError)
}

/// Returns digests of the desired and the present object, without status and version.
fn attempt(desired: &Desired, live: &Live) -> Attempt {
    let mut found = live.value.clone();
    if let Some(object) = found.as_object_mut().filter(|_| !desired.key.kind.has_written_status()) {
        object.remove("status");
    }
    if let Some(metadata) = found.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
        for field in ["uid", "resourceVersion"] {
            metadata.remove(field);
        }
    }
    (digest(&desired.value), digest(&found))
}

/// Returns true if the API server answered with this status code.
pub fn has_code(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}

/// Returns true if the authorizer refused, as opposed to an admission policy or a quota, which answer 403 too.
fn lacks_rights(error: &kube::Error) -> bool {
    let by_authorizer = |message: &str| message.contains("is forbidden: User \"") && message.contains("\" cannot ");
    matches!(error, kube::Error::Api(status) if status.code == 403 && by_authorizer(&status.message))
}

/// Returns true if the refusal is that of the policy which limits routes to the hosts on their namespace.
fn lacks_hosts(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403 && status.message.contains(names::GATEWAY_CONFINEMENT))
}

#[cfg(test)]
#[path = "write_test.rs"]
mod tests;
