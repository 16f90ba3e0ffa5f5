//! Objects of a watch, each decoded on its own and as far as it can be.
//!
//! A schema may admit more than this program's types hold, and an object may be older than the schema or newer than this
//! program. A watch that ends at such an object holds up all others; one that skips it keeps former rights alive.

use crate::api::{DatabaseServer, Tenant, TenantTier, Unread};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::DynamicObject;
use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value, json};
use serde_path_to_error::Segment;
use std::borrow::Cow;
use std::fmt;

/// Maximum depth of an object: functions on values are recursive, and the stack is finite.
pub const LEVELS: usize = 100;
/// Maximum number of named errors in one field; decoding drops a field with more.
const NAMED: usize = 4;
/// Maximum number of repaired errors of one object.
const MENDED: usize = 200;
/// Keys that serde_json takes for its own.
const RESERVED: &str = "$serde_json::private::";

/// An object, and what of it could not be read: that is left out of the object.
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
    EndpointSlice
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

/// A kind whose objects carry a note of what could not be read of them.
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

/// Decodes an object. What keeps it from being decoded is taken out until it can be.
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

/// Puts in what is absent, and names it.
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

/// Takes out what is there, or puts what has to be there in its place. False where there is nothing to be taken out.
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

/// Path of a value in an object.
enum Place<'a> {
    Root,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl Place<'_> {
    /// The field of the object's, and what of that, to which it belongs.
    fn field(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(Self::Root | Self::Field(Self::Root, _), _) => self.to_string(),
            Self::Field(parent, _) | Self::Item(parent, _) => parent.field(),
        }
    }

    /// Notes of how an object was written: nobody reads them, anybody who writes the object may write anything that is a time into
    /// them, and they are half of it.
    fn is_managed_fields(&self) -> bool {
        matches!(self, Self::Field(Self::Field(Self::Root, "metadata"), "managedFields"))
    }
}

/// A part of an object, of which nothing is read that is too deep.
struct Part<'a> {
    place: &'a Place<'a>,
    depth: usize,
    unread: &'a mut Vec<Unread>,
}

impl Part<'_> {
    fn note(&mut self, place: &Place<'_>, why: &str) {
        let field = place.field();
        // One is enough: what is too deep may be so in a thousand places.
        if !self.unread.iter().any(|known| known.field == field) {
            self.unread.push(Unread::new(field, why));
        }
    }

    fn is_too_deep(&mut self) -> bool {
        let is_too_deep = self.depth >= LEVELS;
        if is_too_deep {
            let place = self.place;
            self.note(place, &format!("the object has more than {LEVELS} levels here"));
        }
        is_too_deep
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        if self.is_too_deep() {
            // Without descending into them.
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        }
        let mut read = Vec::new();
        loop {
            let item = Part {
                place: &Place::Item(self.place, read.len()),
                depth: self.depth + 1,
                unread: &mut *self.unread,
            };
            match items.next_element_seed(item)? {
                Some(item) => read.push(item),
                None => return Ok(Value::Array(read)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        if self.is_too_deep() {
            while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        }
        let mut read = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let place = Place::Field(self.place, &name);
            if name.starts_with(RESERVED) {
                self.note(&place, &format!("it has the key {name}"));
            }
            if name.starts_with(RESERVED) || place.is_managed_fields() {
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            let field = Part {
                place: &place,
                depth: self.depth + 1,
                unread: &mut *self.unread,
            };
            let value = fields.next_value_seed(field)?;
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }
}

/// An answer without the notes of how its objects were written, which nobody reads and which may be such that nothing else of the
/// answer can be.
pub fn without_managed_fields(json: &[u8]) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"managedFields";
    if !json.windows(NAME.len()).any(|part| part == NAME) {
        return None;
    }
    let mut kept = Vec::with_capacity(json.len());
    // Of each open object or list: whether it is the metadata of an object.
    let mut open: Vec<bool> = Vec::new();
    let mut name: &[u8] = &[];
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        let end = match byte {
            b'"' => string_end(json, at)?,
            _ => at + 1,
        };
        match byte {
            b'"' if is_name(json, end) => {
                name = json.get(at + 1..end - 1)?;
                if name == NAME && open.last() == Some(&true) {
                    at = without_member(json, end, &mut kept)?;
                    continue;
                }
            }
            b'{' => open.push(std::mem::take(&mut name) == b"metadata"),
            b'[' => {
                name = &[];
                open.push(false);
            }
            b'}' | b']' => {
                open.pop()?;
            }
            b',' => name = &[],
            _ => {}
        }
        kept.extend_from_slice(json.get(at..end)?);
        at = end;
    }
    Some(kept)
}

/// Returns the end of the string that begins here.
fn string_end(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match json.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn is_name(json: &[u8], end: usize) -> bool {
    skip_space(json, end).is_some_and(|(_, byte)| byte == b':')
}

/// The next byte that is no space, and where it is.
fn skip_space(json: &[u8], from: usize) -> Option<(usize, u8)> {
    let rest = json.get(from..)?;
    let found = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
    Some((from + found, *rest.get(found)?))
}

/// Passes over the value of a member whose name ends here, and over one comma beside it.
fn without_member(json: &[u8], name_end: usize, kept: &mut Vec<u8>) -> Option<usize> {
    let (mut at, _) = skip_space(json, name_end)?;
    at += 1;
    let mut depth = 0_usize;
    loop {
        let (next, byte) = skip_space(json, at)?;
        match byte {
            b'"' => at = string_end(json, next)?,
            b'{' | b'[' => {
                depth += 1;
                at = next + 1;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at = next + 1;
            }
            // The end of the object that the member is in.
            b'}' | b']' => {
                let last = kept.iter().rposition(|byte| !byte.is_ascii_whitespace());
                if let Some(last) = last.filter(|last| kept.get(*last) == Some(&b',')) {
                    kept.truncate(last);
                }
                return Some(next);
            }
            b',' if depth == 0 => return Some(next + 1),
            _ => at = next + 1,
        }
    }
}

#[cfg(test)]
#[path = "decode_test.rs"]
mod tests;

#[cfg(test)]
#[path = "decode_property_test.rs"]
mod property;
