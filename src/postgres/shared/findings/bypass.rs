//! Ways around the policies of shared tables: one look at everything that gives one.

use super::{column, inside};
use crate::postgres::shared::catalog::ObservedDatabase;
use crate::postgres::shared::report::{Finding, Severity};
use crate::postgres::shared::select::{Chosen, Entry};
use crate::postgres::{Identifier, Statement};

/// Reports access that bypasses the policies, or reveals other tenants despite them.
pub fn bypasses(
    database: &Identifier,
    chosen: &[Chosen],
    entries: &[Entry],
    observed: &ObservedDatabase,
    findings: &mut Vec<Finding>,
) {
    let mut check = BypassCheck {
        database,
        chosen,
        entries,
        observed,
        findings,
    };
    for chosen in chosen {
        check.grants(chosen);
        check.policies(chosen);
        check.family(chosen);
        if chosen.table.kind != "f" && column(chosen).is_ok() {
            check.keys(chosen);
            check.references(chosen);
        }
    }
    check.views();
    check.functions();
    check.defaults();
    check.schemas();
    check.named();
    check.door();
}

pub(super) struct BypassCheck<'a> {
    pub(super) database: &'a Identifier,
    pub(super) chosen: &'a [Chosen<'a>],
    pub(super) entries: &'a [Entry],
    pub(super) observed: &'a ObservedDatabase,
    pub(super) findings: &'a mut Vec<Finding>,
}

impl BypassCheck<'_> {
    fn object(&self, title: &str) -> String {
        format!("{}/{title}", self.database.as_str())
    }

    pub(super) fn note(&mut self, severity: Severity, title: &str, what: String, remedy: Option<Statement>) {
        let finding = Finding::new(severity, self.object(title), what).with(inside(self.database, remedy));
        self.findings.push(finding);
    }

    pub(super) fn is_shared(&self, oid: i64) -> bool {
        self.chosen.iter().any(|chosen| chosen.table.oid == oid)
    }

    /// Those of these roles that are bound.
    pub(super) fn bound<'a>(&self, roles: &'a [String]) -> Vec<&'a str> {
        let roles = roles.iter().map(String::as_str);
        roles.filter(|role| self.is_bound(role)).collect()
    }

    /// Tenants, or the applications that serve them.
    pub(super) fn is_bound(&self, role: &str) -> bool {
        role == self.observed.group
            || self.entries.iter().any(|entry| {
                entry
                    .applications
                    .iter()
                    .any(|application| application.as_str() == role)
            })
    }
}
