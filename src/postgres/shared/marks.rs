//! The operator's records of shared tables, in its own database.

use super::{REGISTRY, group};
use crate::postgres::Identifier;
use crate::postgres::catalog::{self, Catalog, MarkKey};
use crate::postgres::plan::{Step, Venue};
use crate::postgres::sql::Literal;
use crate::sql;
use std::collections::BTreeMap;

/// The operator's records of shared tables: the group, and the databases that have or had such tables.
pub(super) struct Marks {
    pub group: Option<i64>,
    /// Databases by name; true for one that is still the same.
    pub databases: BTreeMap<String, bool>,
}

impl Marks {
    pub(super) fn of(catalog: &Catalog) -> Self {
        let registry = format!("{REGISTRY}@");
        let database = |((_, name), mark): (&MarkKey, &catalog::Mark)| {
            let name = name.strip_prefix(&registry)?;
            let is_same = catalog
                .databases
                .get(name)
                .is_some_and(|database| database.oid == mark.oid);
            Some((name.to_string(), is_same))
        };
        Self {
            group: catalog.mark("role", group::of(catalog).as_str()).map(|mark| mark.oid),
            databases: catalog.marks.iter().filter_map(database).collect(),
        }
    }
}

pub(super) fn remember(database: &Identifier) -> Step {
    Step {
        venue: Venue::Records,
        statement: sql![
            "INSERT INTO tenant_operator.object (tenant_id, kind, oid, name) SELECT '', 'schema', oid, ",
            Literal(format!("{REGISTRY}@{}", database.as_str())),
            " FROM pg_database WHERE datname = ",
            Literal(database.as_str()),
            " ON CONFLICT (kind, name) DO UPDATE SET oid = excluded.oid"
        ],
    }
}

pub(super) fn forget(database: &str) -> Step {
    Step {
        venue: Venue::Records,
        statement: sql![
            "DELETE FROM tenant_operator.object WHERE kind = 'schema' AND tenant_id = '' AND name = ",
            Literal(format!("{REGISTRY}@{database}"))
        ],
    }
}
