//! Statements that the server accepts or refuses together.

use crate::postgres::Statement;
use crate::postgres::shared::report::Severity;

/// Statements that belong together: one transaction.
#[derive(Clone, Debug)]
pub struct Work {
    /// Object of the statements, as in findings.
    pub object: String,
    pub statements: Vec<Statement>,
    /// Fallback after a refusal: it closes unprotected tables.
    pub otherwise: Vec<Statement>,
    /// The id of the one tenant that it concerns.
    pub tenant: Option<String>,
}

impl Work {
    pub fn new(object: String, statements: Vec<Statement>) -> Self {
        Self {
            object,
            statements,
            otherwise: Vec::new(),
            tenant: None,
        }
    }

    /// The severity of a finding where the server refuses it.
    pub fn severity(&self) -> Severity {
        match self.tenant {
            Some(_) => Severity::Hint,
            None => Severity::Violation,
        }
    }
}
