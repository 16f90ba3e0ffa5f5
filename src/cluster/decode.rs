//! Objects of a watch, each decoded on its own and as far as it can be.
//!
//! A schema may admit more than this program's types hold, and an object may be older than the schema or newer than this
//! program. A watch that ends at such an object holds up all others; one that skips it keeps former rights alive.

mod depth;
mod managed_fields;

pub use managed_fields::without_managed_fields;

use crate::api::{DatabaseServer, Tenant, TenantTier, Unread};
use depth::{Part, Place};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::DynamicObject;
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _};
use serde_json::{Value, json};
use serde_path_to_error::Segment;
use std::borrow::Cow;

/// Maximum depth of an object: functions on values are recursive, and the stack is finite.
pub const LEVELS: usize = 100;
/// Maximum number of named errors in one field; decoding drops a field with more.
const NAMED: usize = 4;
/// Maximum number of repaired errors of one object.
const MENDED: usize = 200;

/// An object, and the fields that could not be read: the object lacks them.
#[derive(Clone, Debug, PartialEq)]
pub struct Read<K> {
    pub object: K,
    pub unread: Vec<Unread>,
}

impl<K> From<K> for Read<K> {
    fn from(object: K) -> Self {
        Self {
            object,
            unread: Vec::new(),
        }
    }
}

/// A kind whose objects are read as far as they can be.
pub trait Readable: Resource + DeserializeOwned {
    /// Placeholders for fields that decoding of the kind requires.
    fn least() -> Value {
        json!({})
    }
}

macro_rules! readable {
    ($($kind:ty),+) => {$( impl Readable for $kind {} )+};
}

readable!(
    DynamicObject,
    Role,
    ClusterRole,
    RoleBinding,
    ClusterRoleBinding,
    NetworkPolicy,
    EndpointSlice,
    Service
);

impl Readable for Tenant {
    fn least() -> Value {
        json!({"spec": {"tier": ""}})
    }
}

impl Readable for TenantTier {
    fn least() -> Value {
        json!({"spec": {}})
    }
}

impl Readable for DatabaseServer {
    fn least() -> Value {
        json!({"spec": {"host": "", "database": "", "adminSecretRef": {"name": ""}}})
    }
}

/// A kind whose objects carry a note of their unreadable fields.
pub trait Noting: Readable {
    fn note(&mut self, unread: Vec<Unread>);
}

macro_rules! noting {
    ($($kind:ty),+) => {$(
        impl Noting for $kind {
            fn note(&mut self, unread: Vec<Unread>) {
                self.spec.unread = unread;
            }
        }
    )+};
}

noting!(Tenant, TenantTier, DatabaseServer);

impl<K: Resource> Resource for Read<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        self.object.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.object.meta_mut()
    }
}

impl<'de, K: Readable> Deserialize<'de> for Read<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut unread = Vec::new();
        let part = Part {
            place: &Place::Root,
            depth: 0,
            unread: &mut unread,
        };
        let value = part.deserialize(deserializer)?;
        decode(value, unread).map_err(D::Error::custom)
    }
}

/// Decodes an object. It removes the fields that prevent this, one by one.
fn decode<K: Readable>(mut value: Value, mut unread: Vec<Unread>) -> Result<Read<K>, String> {
    let least = K::least();
    let (mut is_filled, mut is_bare) = (false, false);
    for _ in 0..MENDED {
        let error = match serde_path_to_error::deserialize::<_, K>(&value) {
            Ok(object) => return Ok(Read { object, unread }),
            Err(error) => error,
        };
        if !std::mem::replace(&mut is_filled, true) {
            let mut missing = Vec::new();
            fill(&mut value, &least, "", &mut missing);
            if !missing.is_empty() {
                unread.extend(missing.into_iter().map(|field| Unread::new(field, "it is missing")));
                continue;
            }
        }
        let path: Vec<Segment> = error.path().iter().cloned().collect();
        let field = path.get(..2).unwrap_or(&path);
        let so_far = unread.iter().filter(|known| known.is_in(&text(field))).count();
        let (path, why) = match so_far {
            ..NAMED => (&path[..], error.into_inner().to_string()),
            _ => (field, "too much of it cannot be read".to_string()),
        };
        let found = Unread::new(text(path), &why);
        if take_out(&mut value, path, &least) {
            unread.push(found);
        } else if std::mem::replace(&mut is_bare, true) {
            return Err(found.to_string());
        } else {
            // Nothing but whose it is.
            let metadata = value.get_mut("metadata").map(Value::take);
            value = json!({"metadata": metadata.ok_or(why.clone())?});
            fill(&mut value, &least, "", &mut Vec::new());
            unread.push(Unread::new("spec".into(), &why));
        }
    }
    Err("too much of it cannot be read".into())
}

/// Adds missing fields, and names them.
fn fill(value: &mut Value, least: &Value, place: &str, missing: &mut Vec<String>) {
    let (Value::Object(fields), Value::Object(least)) = (value, least) else {
        return;
    };
    for (name, least) in least {
        let place = format!("{place}.{name}").trim_start_matches('.').to_string();
        match fields.get_mut(name) {
            Some(field) => fill(field, least, &place, missing),
            None => {
                fields.insert(name.clone(), least.clone());
                missing.push(place);
            }
        }
    }
}

/// Removes a value, or puts the required one in its place. Returns false where there is nothing to remove.
fn take_out(value: &mut Value, path: &[Segment], least: &Value) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return false;
    };
    match (first, value) {
        (Segment::Map { key }, Value::Object(fields)) => {
            let least = &least[key.as_str()];
            let Some(field) = fields.get_mut(key) else {
                return false;
            };
            if rest.is_empty() || !take_out(field, rest, least) {
                match least {
                    Value::Null => fields.remove(key).is_some(),
                    least if *least == *field => false,
                    least => {
                        *field = least.clone();
                        true
                    }
                }
            } else {
                true
            }
        }
        (Segment::Seq { index }, Value::Array(items)) => {
            let Some(item) = items.get_mut(*index) else {
                return false;
            };
            if rest.is_empty() || !take_out(item, rest, &Value::Null) {
                items.remove(*index);
            }
            true
        }
        _ => false,
    }
}

/// A path as people write it.
fn text(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } if text.is_empty() => text.push_str(key),
            Segment::Map { key } => {
                text.push('.');
                text.push_str(key);
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}

#[cfg(test)]
#[path = "decode_test.rs"]
mod tests;

#[cfg(test)]
#[path = "decode_property_test.rs"]
mod property;
