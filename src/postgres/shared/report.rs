//! Report on shared tables.

use super::catalog::Details;
use crate::postgres::plan::Step;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Row-level security does not hold on a shared table, or something goes around it.
    Violation,
    /// It tells something of other tenants, or can become a violation.
    Weakness,
    /// It is slow, or useless.
    Hint,
}

/// Something that is not as it should be, and that the operator did not mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// `database/schema.table`, or a role.
    pub object: String,
    /// Description of the finding and its consequence.
    pub what: String,
    /// Statements for an owner or superuser; none if the platform has to decide.
    pub remedy: Vec<Step>,
}

impl Finding {
    /// One without a remedy.
    pub fn new(severity: Severity, object: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            severity,
            object: object.into(),
            what: what.into(),
            remedy: Vec::new(),
        }
    }

    /// Adds a remedy.
    pub fn with(mut self, remedy: impl IntoIterator<Item = Step>) -> Self {
        self.remedy.extend(remedy);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.object, self.what)
    }
}

/// The state of all shared tables of a server.
#[derive(Clone, Debug, Default)]
pub struct SharedReport {
    /// Tables, partitions included, on which everything is as it should be.
    pub protected: usize,
    /// Tables that the spec names and that are kept closed to tenants, since they cannot be protected.
    pub closed: usize,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// True if anything was written.
    pub changed: bool,
    /// Ids of tenants, of those that were wanted, that do not see their rows in every database with shared tables yet.
    pub missing: BTreeSet<String>,
    /// The reasons why wanted tenants are not in a registry as wanted, by id.
    pub conflicts: BTreeMap<String, String>,
    /// The server's errors about rows of wanted tenants, by id.
    pub refused: BTreeMap<String, String>,
    /// Rows of wanted tenants, in each database.
    pub rows: Vec<RowSeen>,
}

/// A tenant's row in one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowSeen {
    pub id: String,
    pub number: Option<i64>,
    pub details: Details,
}

impl SharedReport {
    /// Returns true if row-level security holds on every shared table and nothing is known to go around it.
    pub fn is_protected(&self) -> bool {
        let violates = |finding: &Finding| finding.severity == Severity::Violation;
        !self.findings.iter().any(violates)
    }

    /// Returns the number of a tenant; None where it has none, or another one in another database.
    pub fn number(&self, id: &str) -> Option<i64> {
        let mut numbers = self.rows.iter().filter(|row| row.id == id).map(|row| row.number);
        let first = numbers.next()?;
        numbers.all(|number| number == first).then_some(first)?
    }

    pub(super) fn add(&mut self, other: Self) {
        self.protected += other.protected;
        self.closed += other.closed;
        self.changed |= other.changed;
        self.missing.extend(other.missing);
        self.conflicts.extend(other.conflicts);
        self.refused.extend(other.refused);
        self.rows.extend(other.rows);
        for finding in other.findings {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        self.findings.sort_by_key(|finding| finding.severity);
    }
}

/// Returns all remedies, which a superuser or the owners of the objects execute once.
pub fn script(report: &SharedReport) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for step in report.findings.iter().flat_map(|finding| &finding.remedy) {
        if !steps.contains(step) {
            steps.push(step.clone());
        }
    }
    steps
}
