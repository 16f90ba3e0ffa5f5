//! Names of things in PostgreSQL.

use std::fmt;

/// The longest name in bytes: `NAMEDATALEN - 1`. A longer one would be cut without a word.
pub const MAX: usize = 63;

/// A name that can stand in a statement: [`fmt::Display`] quotes it, whatever it contains.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier(String);

/// Reason for an invalid name.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidIdentifier {
    /// There is nothing.
    #[error("is empty")]
    Empty,
    /// PostgreSQL would cut it.
    #[error("is longer than 63 bytes")]
    TooLong,
    /// PostgreSQL's strings end there.
    #[error("contains a NUL character")]
    Nul,
}

impl Identifier {
    /// A name of these very characters, upper case and quotes included.
    ///
    /// # Errors
    /// Names that PostgreSQL does not support.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidIdentifier> {
        let name = name.into();
        if name.is_empty() {
            Err(InvalidIdentifier::Empty)
        } else if name.len() > MAX {
            Err(InvalidIdentifier::TooLong)
        } else if name.contains('\0') {
            Err(InvalidIdentifier::Nul)
        } else {
            Ok(Self(name))
        }
    }

    /// The name as it stands in the catalog.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_whatever_is_in_it() {
        let table = [
            ("tenants", "\"tenants\""),
            ("Tenants", "\"Tenants\""),
            ("a\"; DROP ROLE x; --", "\"a\"\"; DROP ROLE x; --\""),
            ("sélect 🦀", "\"sélect 🦀\""),
            ("a\\'b", "\"a\\'b\""),
        ];
        for (name, quoted) in table {
            assert_eq!(Identifier::new(name).expect(name).to_string(), quoted);
        }
    }

    #[test]
    fn what_postgresql_would_change_is_refused() {
        assert_eq!(Identifier::new(""), Err(InvalidIdentifier::Empty));
        assert_eq!(Identifier::new("a\0b"), Err(InvalidIdentifier::Nul));
        assert!(Identifier::new("ü".repeat(31) + "x").is_ok(), "63 bytes");
        assert_eq!(Identifier::new("ü".repeat(32)), Err(InvalidIdentifier::TooLong));
    }
}
