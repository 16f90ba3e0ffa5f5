//! Secrets in a tenant's first namespace, each known by its name. The operator reads no other Secret, keeps only versions in memory, and leaves others' Secrets
//! unchanged. It stores its own records of a Secret in an annotation, and nowhere else.

use super::{Error, Identity, Key, Kind, Live, Version, Writer, metadata::meta, write::has_code};
use crate::names;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A Secret in the tenant's first namespace.
pub fn opaque(owner: &Identity, name: &str, data: BTreeMap<String, ByteString>) -> Secret {
    Secret {
        metadata: meta(owner, &owner.tenant, name),
        type_: Some("Opaque".into()),
        data: Some(data),
        ..Secret::default()
    }
}

/// Writes a record into a Secret's annotation.
pub fn annotate(secret: &mut Secret, annotation: &str, record: &impl Serialize) {
    let text = serde_json::to_string(record).unwrap_or_default();
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(annotation.into(), text);
}

/// Reads the record in a Secret's annotation; None if it is missing or unreadable.
pub fn annotation<T: DeserializeOwned>(secret: &Secret, annotation: &str) -> Option<T> {
    let text = secret.metadata.annotations.as_ref()?.get(annotation)?;
    serde_json::from_str(text).ok()
}

/// Returns the key of a tenant's Secret.
fn key(owner: &Identity, name: &str) -> Key {
    Key {
        kind: Kind::Secret,
        namespace: owner.tenant.clone(),
        name: name.into(),
    }
}

fn api(writer: &Writer, owner: &Identity) -> Api<Secret> {
    Api::namespaced(writer.client().clone(), &owner.tenant)
}

/// Returns the tenant's Secret of this name, if there is one.
///
/// # Errors
/// [`Error::Foreign`] where an object that is not this tenant's has the name.
pub async fn read(writer: &Writer, owner: &Identity, name: &str) -> Result<Option<Secret>, Error> {
    let (api, key) = (api(writer, owner), key(owner, name));
    let found = writer.with_new_rights(|| api.get_opt(name)).await;
    let found = found.map_err(|error| Error::write(&key, error))?;
    let version = found.as_ref().map(Version::of);
    writer.secrets().note(&owner.tenant, name, version);
    let Some(secret) = found else {
        writer.is_free(&key);
        return Ok(None);
    };
    let live = Live {
        key,
        uid: secret.uid().unwrap_or_default(),
        resource_version: secret.resource_version().unwrap_or_default(),
        value: serde_json::json!({"metadata": secret.meta()}),
    };
    match live.belongs_to(owner) {
        true if live.is_terminating() => Err(Error::terminating(&live)),
        true => Ok(Some(secret)),
        false => Err(writer.foreign(owner, &live)),
    }
}

/// Writes a Secret where the found one differs. Returns its version.
///
/// # Errors
/// The API server's.
pub async fn put(
    writer: &Writer,
    owner: &Identity,
    found: Option<&Secret>,
    mut wanted: Secret,
) -> Result<Version, Error> {
    let (api, name) = (api(writer, owner), wanted.name_any());
    let params = PostParams {
        field_manager: Some(names::MANAGER.into()),
        ..PostParams::default()
    };
    let written = match found {
        Some(found) if is_as(found, &wanted) => return Ok(Version::of(found)),
        Some(found) if cannot_change(found, &wanted) => {
            return Err(Error::Fixed {
                key: key(owner, &name),
                remedy: "save its keys, delete it, and create it with them as a Secret that is not immutable and of the right type",
            });
        }
        Some(found) => {
            wanted.metadata.resource_version = found.resource_version();
            wanted.metadata.uid = found.uid();
            writer.with_new_rights(|| api.replace(&name, &params, &wanted)).await
        }
        None => writer.with_new_rights(|| api.create(&params, &wanted)).await,
    };
    let written = written.map_err(|error| Error::write(&key(owner, &name), error))?;
    let version = Version::of(&written);
    writer.secrets().note(&owner.tenant, &name, Some(version.clone()));
    Ok(version)
}

/// Returns true where the API server would refuse the change. The Secret is not replaced: its keys may exist nowhere else.
fn cannot_change(found: &Secret, wanted: &Secret) -> bool {
    let is_immutable = found.immutable == Some(true) && found.data != wanted.data;
    is_immutable || found.type_ != wanted.type_
}

/// Removes the tenant's Secret of this name.
///
/// # Errors
/// The errors are those of [`read`].
pub async fn delete(writer: &Writer, owner: &Identity, name: &str) -> Result<(), Error> {
    let Some(secret) = read(writer, owner, name).await? else {
        return Ok(());
    };
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: secret.uid(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match api(writer, owner).delete(name, &params).await {
        Err(error) if !has_code(&error, 404) => Err(Error::write(&key(owner, name), error)),
        _ => Ok(()),
    }
}

/// Returns true if a Secret has the wanted content; additions of others do not count.
pub fn is_as(found: &Secret, wanted: &Secret) -> bool {
    let has = |found: &Option<BTreeMap<String, String>>, wanted: &Option<BTreeMap<String, String>>| {
        let (found, wanted) = (found.clone().unwrap_or_default(), wanted.clone().unwrap_or_default());
        let ours = |key: &str| key.starts_with(names::PREFIX);
        wanted.iter().all(|(key, value)| found.get(key) == Some(value))
            && found.keys().all(|key| !ours(key) || wanted.contains_key(key))
    };
    found.data == wanted.data
        && found.type_ == wanted.type_
        && has(&found.metadata.labels, &wanted.metadata.labels)
        && has(&found.metadata.annotations, &wanted.metadata.annotations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_replaced_for_what_cannot_change() {
        let owner = Identity {
            tenant: "acme".into(),
            id: "id-1".into(),
        };
        let of = |data: &str, type_: &str, immutable: Option<bool>| {
            let data = BTreeMap::from([("key".to_string(), ByteString(data.into()))]);
            Secret {
                type_: Some(type_.into()),
                immutable,
                ..opaque(&owner, "keys", data)
            }
        };
        let wanted = of("a", "Opaque", None);
        for (found, is_stuck) in [
            (of("a", "Opaque", None), false),
            (of("b", "Opaque", None), false),
            (of("b", "Opaque", Some(false)), false),
            (of("a", "Opaque", Some(true)), false),
            (of("b", "Opaque", Some(true)), true),
            (of("a", "servicebinding.io/postgresql", None), true),
        ] {
            assert_eq!(cannot_change(&found, &wanted), is_stuck, "{found:?}");
        }
    }

    #[test]
    fn what_is_told_is_told_again_and_the_marks_of_ownership_stay() {
        let owner = Identity {
            tenant: "acme".into(),
            id: "id-1".into(),
        };
        let mut secret = opaque(&owner, "keys", BTreeMap::new());
        assert_eq!(annotation::<Vec<u8>>(&secret, names::KEYS), None, "nothing was said");
        annotate(&mut secret, names::KEYS, &[1, 2]);
        assert_eq!(annotation(&secret, names::KEYS), Some(vec![1_u8, 2]));
        assert_eq!(annotation::<bool>(&secret, names::KEYS), None, "it says something else");
        let annotations = secret.metadata.annotations.expect("annotations");
        assert_eq!(annotations[names::OWNED_BY], owner.annotation());
    }
}
