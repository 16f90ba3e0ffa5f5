//! A text of a catalog: names, settings and privileges repeat thousands of times, and their copies are one.

use serde::{Deserialize, Deserializer};
use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A text that any number of owners share.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Arc<str>);

/// The texts of one reading.
#[derive(Default)]
pub(super) struct Texts(HashSet<Text>);

impl FromIterator<Text> for Texts {
    fn from_iter<I: IntoIterator<Item = Text>>(texts: I) -> Self {
        Self(texts.into_iter().collect())
    }
}

impl Texts {
    /// Replaces a text by the first one that is equal.
    pub(super) fn share(&mut self, text: &mut Text) {
        match self.0.get(text) {
            Some(first) => *text = first.clone(),
            None => drop(self.0.insert(text.clone())),
        }
    }

    /// Returns the text that all others of this content share.
    pub(super) fn of(&mut self, content: &str) -> Text {
        if let Some(first) = self.0.get(content) {
            return first.clone();
        }
        let text = Text::from(content);
        self.0.insert(text.clone());
        text
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
