//! Selection of shared tables, by the spec and the catalog.

use super::catalog::{ObservedDatabase, Table};
use super::report::{Finding, Severity};
use crate::api::database_server::{SharedTables, TenantColumnType};
use crate::postgres::Identifier;
use crate::postgres::identifier::InvalidIdentifier;

/// The tenant column where the spec names none.
const COLUMN: &str = "tenant_id";

/// One part of the spec.
#[derive(Clone, Debug)]
pub struct Entry {
    pub schema: Identifier,
    pub tables: Vec<String>,
    pub column: Identifier,
    pub type_: TenantColumnType,
    /// The column with the subtenant, in tables that families share.
    pub subtenant: Option<Identifier>,
    pub applications: Vec<Identifier>,
    pub migration: Option<Identifier>,
}

impl Entry {
    /// Parses the spec into names that PostgreSQL supports.
    ///
    /// # Errors
    /// Names that PostgreSQL does not support.
    pub fn of(spec: &SharedTables) -> Result<Self, InvalidIdentifier> {
        let roles = spec.application_roles.iter().map(String::as_str);
        Ok(Self {
            schema: Identifier::new(spec.schema.as_str())?,
            tables: spec.tables.clone(),
            column: Identifier::new(spec.column.as_deref().unwrap_or(COLUMN))?,
            type_: spec.type_.unwrap_or_default(),
            subtenant: spec.subtenant_column.as_deref().map(Identifier::new).transpose()?,
            applications: roles.map(Identifier::new).collect::<Result<_, _>>()?,
            migration: spec.migration_role.as_deref().map(Identifier::new).transpose()?,
        })
    }

    /// Returns the types of a column that can hold the spec's values.
    pub fn types(&self) -> &'static [&'static str] {
        match self.type_ {
            TenantColumnType::Uuid => &["uuid"],
            TenantColumnType::Text => &["text", "character varying"],
            TenantColumnType::Integer => &["integer", "bigint", "smallint"],
        }
    }
}

/// A table and its entry in the spec.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    pub table: &'a Table,
    pub entry: &'a Entry,
    /// A partition: reached through the whole, which alone is granted.
    pub part: bool,
}

/// Returns the shared tables of a database, partitions included.
pub fn choose<'a>(
    database: &str,
    entries: &'a [Entry],
    observed: &'a ObservedDatabase,
    findings: &mut Vec<Finding>,
) -> Vec<Chosen<'a>> {
    let mut chosen: Vec<Chosen<'a>> = Vec::new();
    for entry in entries {
        let here = |table: &&Table| table.schema == entry.schema.as_str();
        for pattern in entry.tables.iter().filter(|pattern| !pattern.contains('*')) {
            if !observed.tables.iter().filter(here).any(|table| table.name == *pattern) {
                findings.push(Finding::new(
                    Severity::Hint,
                    format!("{database}/{}.{pattern}", entry.schema.as_str()),
                    "is in sharedTables and does not exist",
                ));
            }
        }
        let matched = |table: &&Table| entry.tables.iter().any(|pattern| matches(pattern, &table.name));
        for table in observed.tables.iter().filter(here).filter(matched) {
            match chosen.iter().find(|other| other.table.oid == table.oid) {
                Some(other) if !same(other.entry, entry) => findings.push(Finding::new(
                    Severity::Violation,
                    format!("{database}/{}", table.title()),
                    "is in sharedTables twice with different settings: the first one applies",
                )),
                Some(_) => {}
                None => chosen.push(Chosen {
                    table,
                    entry,
                    part: false,
                }),
            }
        }
    }
    // Deeper partitions come after those above them; each round finds one more level.
    for _ in 0..observed.tables.len() {
        let mut more = false;
        for table in observed.tables.iter().filter(|table| table.partition) {
            let whole = chosen.iter().find(|other| table.parents.contains(&other.table.oid));
            let Some(entry) = whole.map(|whole| whole.entry) else {
                continue;
            };
            match chosen.iter_mut().find(|other| other.table.oid == table.oid) {
                Some(known) => known.part = true,
                None => {
                    chosen.push(Chosen {
                        table,
                        entry,
                        part: true,
                    });
                    more = true;
                }
            }
        }
        if !more {
            break;
        }
    }
    chosen
}

fn same(a: &Entry, b: &Entry) -> bool {
    a.column == b.column
        && a.subtenant == b.subtenant
        && a.type_ == b.type_
        && a.applications == b.applications
        && a.migration == b.migration
}

/// Returns true if a name is as the pattern says, in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        // The first place is as good as any later one.
        let Some((_, behind)) = rest.split_once(part) else {
            return false;
        };
        rest = behind;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let table = [
            ("*", "anything", true),
            ("calls", "calls", true),
            ("calls", "calls2", false),
            ("calls", "Calls", false),
            ("call*", "calls", true),
            ("*_log", "audit_log", true),
            ("*_log", "audit_log_2", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "axxbxxbc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("**", "", true),
            ("é*", "école", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
