//! Reads a JSON value down to a bounded depth, and notes the fields that are deeper.

use super::LEVELS;
use crate::api::Unread;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Keys that serde_json takes for its own.
const RESERVED: &str = "$serde_json::private::";

/// Path of a value in an object.
pub(super) enum Place<'a> {
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
    /// Returns the object's field, and the parts below it, to which the value belongs.
    fn field(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(Self::Root | Self::Field(Self::Root, _), _) => self.to_string(),
            Self::Field(parent, _) | Self::Item(parent, _) => parent.field(),
        }
    }

    /// Returns true for managed fields. Nobody reads them, writers may put any time into them, and they are half of the object.
    fn is_managed_fields(&self) -> bool {
        matches!(self, Self::Field(Self::Field(Self::Root, "metadata"), "managedFields"))
    }
}

/// A part of an object, of which nothing is read that is too deep.
pub(super) struct Part<'a> {
    pub(super) place: &'a Place<'a>,
    pub(super) depth: usize,
    pub(super) unread: &'a mut Vec<Unread>,
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
