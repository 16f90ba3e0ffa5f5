//! Statements. Text from outside this program enters a statement only as a quoted identifier, a quoted literal or a number.

use super::Identifier;
use super::password::Verifier;
use std::fmt;

/// A part of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// This program's own text.
    Text(&'static str),
    Identifier(Identifier),
    /// A string constant.
    Literal(String),
    Number(i64),
    /// A string constant that is not shown.
    Secret(Verifier),
    /// The same for text that may be confidential.
    Hidden(String),
}

/// A string constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal<T>(pub T);

/// A string constant that is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden<T>(pub T);

impl From<&'static str> for Piece {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl From<&Identifier> for Piece {
    fn from(identifier: &Identifier) -> Self {
        Self::Identifier(identifier.clone())
    }
}

impl<T: AsRef<str>> From<Literal<T>> for Piece {
    fn from(literal: Literal<T>) -> Self {
        Self::Literal(literal.0.as_ref().to_string())
    }
}

impl<T: AsRef<str>> From<Hidden<T>> for Piece {
    fn from(hidden: Hidden<T>) -> Self {
        Self::Hidden(hidden.0.as_ref().to_string())
    }
}

impl From<i64> for Piece {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&Verifier> for Piece {
    fn from(verifier: &Verifier) -> Self {
        Self::Secret(verifier.clone())
    }
}

/// One statement. [`fmt::Display`] shows it without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement(Vec<Piece>);

impl Statement {
    /// A statement of these parts.
    pub fn new(pieces: Vec<Piece>) -> Self {
        Self(pieces)
    }

    /// The same with more behind it.
    pub fn and(mut self, pieces: impl IntoIterator<Item = Piece>) -> Self {
        self.0.extend(pieces);
        self
    }

    /// This one and another behind it.
    pub fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The text for the server, secrets included: for no log and no error.
    pub fn reveal(&self) -> String {
        self.text(literal)
    }

    fn text(&self, secret: impl Fn(&str) -> String) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => (*text).to_string(),
                Piece::Identifier(identifier) => identifier.to_string(),
                Piece::Literal(text) => literal(text),
                Piece::Number(number) => number.to_string(),
                Piece::Secret(verifier) => secret(verifier.reveal()),
                Piece::Hidden(text) => secret(text),
            })
            .collect()
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(|_| "'…'".to_string()))
    }
}

/// Identifiers with commas between them.
pub fn list(names: &[Identifier]) -> Statement {
    let mut pieces = Vec::new();
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            pieces.push(", ".into());
        }
        pieces.push(name.into());
    }
    Statement::new(pieces)
}

/// Returns a string constant, for any `standard_conforming_strings`. It omits a NUL, which no PostgreSQL text can hold.
fn literal(text: &str) -> String {
    let text = text.replace('\0', "").replace('\'', "''");
    match text.contains('\\') {
        true => format!(" E'{}'", text.replace('\\', "\\\\")),
        false => format!("'{text}'"),
    }
}

/// A [`Statement`] of texts, identifiers, [`Literal`]s and numbers.
#[macro_export]
macro_rules! sql {
    ($($piece:expr),+ $(,)?) => {
        $crate::postgres::sql::Statement::new(vec![$($crate::postgres::sql::Piece::from($piece)),+])
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::password::Password;

    #[test]
    fn what_enters_is_quoted_as_what_it_is() {
        let name = Identifier::new("a\"b").expect("valid");
        let statement = sql![
            "ALTER ROLE ",
            &name,
            " SET x = ",
            Literal("it's \\ here"),
            " CONNECTION LIMIT ",
            7
        ];
        assert_eq!(
            statement.reveal(),
            r#"ALTER ROLE "a""b" SET x =  E'it''s \\ here' CONNECTION LIMIT 7"#
        );
    }

    #[test]
    fn a_verifier_is_for_the_server_only() {
        let (name, verifier) = (Identifier::new("a").expect("valid"), Password::random().verifier());
        let statement = sql!["ALTER ROLE ", &name, " PASSWORD ", &verifier];
        assert_eq!(statement.to_string(), "ALTER ROLE \"a\" PASSWORD '…'");
        assert!(!format!("{statement:?}").contains(verifier.reveal()));
        assert!(statement.reveal().contains(verifier.reveal()));
    }
}
