//! Reads and writes of objects whose version matters.

use super::{Applied, Writer, has_code, live};
use crate::cluster::client::WithManagedFields;
use crate::cluster::{Desired, Error, Identity, Key, Live};
use crate::names;
use kube::ResourceExt;
use kube::api::{DynamicObject, GetParams, Request};

impl Writer {
    /// Brings one object to a state that was derived from the known one.
    ///
    /// # Errors
    /// [`Error::Contended`] where the object is not as it was known, which it is then; else as [`Writer::ensure`].
    pub async fn ensure_as_known(&self, owner: &Identity, desired: &Desired) -> Result<Applied, Error> {
        let known = self.store.get(&owner.tenant, &desired.key);
        self.bring(owner, desired, known, 1).await
    }

    /// Brings one object to a state that was derived from this version of it. None: it did not exist.
    ///
    /// # Errors
    /// [`Error::Contended`] where the object has another version; else as [`Writer::ensure`].
    pub async fn ensure_at(&self, owner: &Identity, desired: &Desired, known: Option<Live>) -> Result<Applied, Error> {
        self.bring(owner, desired, known, 1).await
    }

    /// Replaces an object in this version, and returns it as it is now.
    ///
    /// # Errors
    /// [`Error::Contended`] where it has another version, even if it is as desired already; else the API server's.
    pub async fn replace_at(&self, desired: &Desired, known: &Live) -> Result<Live, Error> {
        match self.with_new_rights(|| self.replace(desired, known)).await {
            Ok(written) => Ok(written),
            Err(error) if has_code(&error, 409) || has_code(&error, 404) => {
                self.fetch(&desired.key).await?;
                Err(Error::Contended(desired.key.clone()))
            }
            Err(error) => Err(Error::write(&desired.key, error)),
        }
    }

    /// Reads an object anew. Returns it, and true where another client wrote this entry of its data last.
    ///
    /// # Errors
    /// The API server's.
    pub async fn fetch_with_writer(&self, key: &Key, entry: &str) -> Result<Option<(Live, bool)>, Error> {
        let error = |error: kube::Error| Error::write(key, error);
        let at = <DynamicObject as kube::Resource>::url_path(&key.kind.resource(), Some(&key.namespace));
        let read = || async {
            let mut request = Request::new(&at)
                .get(&key.name, &GetParams::default())
                .map_err(kube::Error::BuildRequest)?;
            request.extensions_mut().insert(WithManagedFields);
            self.client.request::<DynamicObject>(request).await
        };
        let object = match self.with_new_rights(read).await {
            Err(error) if has_code(&error, 404) => {
                self.store.forget(key);
                return Ok(None);
            }
            object => object.map_err(error)?,
        };
        let is_others = was_written_by_others(&object, entry);
        let found = live(key, &object);
        self.note(key, object);
        Ok(Some((found, is_others)))
    }
}

/// Returns true where a client other than the operator wrote this entry of an object's data last.
fn was_written_by_others(object: &DynamicObject, entry: &str) -> bool {
    let field = format!("/f:data/f:{entry}");
    object.managed_fields().iter().any(|part| {
        let fields = part.fields_v1.as_ref();
        let has_field = fields.is_some_and(|fields| fields.0.pointer(&field).is_some());
        has_field && part.manager.as_deref() != Some(names::MANAGER)
    })
}
