//! Keys, references, views and functions that show rows of other tenants.

use super::bypass::BypassCheck;
use crate::postgres::shared::catalog::Table;
use crate::postgres::shared::policy::{qualified, relation};
use crate::postgres::shared::report::Severity;
use crate::postgres::shared::select::Chosen;
use crate::postgres::version::PG_15;
use crate::sql;
use Severity::{Hint, Violation, Weakness};

impl BypassCheck<'_> {
    /// Tables above and below.
    pub(super) fn family(&mut self, chosen: &Chosen) {
        let table = chosen.table;
        for parent in table
            .parents
            .iter()
            .filter(|parent| !self.is_shared(**parent))
            .collect::<Vec<_>>()
        {
            let name = self
                .observed
                .table(*parent)
                .map_or("another table".into(), Table::title);
            let what = format!(
                "is a partition or child of {name}, which is not in sharedTables: queries on {name} ignore its policies"
            );
            self.note(Violation, &table.title(), what, None);
        }
        let children = self
            .observed
            .tables
            .iter()
            .filter(|child| child.parents.contains(&table.oid));
        let open: Vec<_> = children.filter(|child| !self.is_shared(child.oid)).collect();
        for child in open {
            let what = format!(
                "inherits from {} and is not in sharedTables: every role with a grant on it sees all its rows",
                table.title()
            );
            self.note(Weakness, &child.title(), what, None);
        }
    }

    pub(super) fn keys(&mut self, chosen: &Chosen) {
        let (table, column) = (chosen.table, chosen.entry.column.as_str());
        if chosen.part {
            return;
        }
        if table.columns.get(column).is_some_and(|column| !column.not_null) {
            let what = format!("has a column {column} that may be NULL: such rows belong to no tenant");
            let column = &chosen.entry.column;
            let remedy = relation(table).map(|relation| {
                sql!["ALTER TABLE "]
                    .join(relation)
                    .join(sql![" ALTER COLUMN ", column, " SET NOT NULL"])
            });
            self.note(Hint, &table.title(), what, remedy);
        }
        for index in &table.indexes {
            let has = index.columns.iter().any(|name| name.as_deref() == Some(column));
            if (index.unique || index.exclusion) && !has {
                let kind = match (index.primary, index.exclusion) {
                    (true, _) => "primary key",
                    (_, true) => "exclusion constraint",
                    _ => "unique key",
                };
                let what = format!(
                    "has a {kind} {} without {column}: its errors show other tenants' values, and one tenant's value blocks it for \
                     all others",
                    index.name
                );
                self.note(Weakness, &table.title(), what, None);
            }
        }
        let leads = |index: &crate::postgres::shared::catalog::Index| {
            index.usable
                && index
                    .columns
                    .first()
                    .is_some_and(|name| name.as_deref() == Some(column))
        };
        if !table.indexes.iter().any(leads) {
            let remedy = relation(table).map(|relation| {
                sql!["CREATE INDEX ON "]
                    .join(relation)
                    .join(sql![" (", &chosen.entry.column, ")"])
            });
            let what = format!("has no index that begins with {column}: every query reads all tenants' rows");
            self.note(Hint, &table.title(), what, remedy);
        }
    }

    pub(super) fn references(&mut self, chosen: &Chosen) {
        for reference in &chosen.table.references {
            let target = self.chosen.iter().find(|other| other.table.oid == reference.target);
            let Some(target) = target else { continue };
            let pair = (chosen.entry.column.as_str(), target.entry.column.as_str());
            if !reference.pairs.iter().any(|(a, b)| (a.as_str(), b.as_str()) == pair) {
                let what = format!(
                    "has a foreign key {} to {} without {}: a row can reference another tenant's row, which shows whether that exists",
                    reference.name,
                    target.table.title(),
                    pair.0
                );
                self.note(Weakness, &chosen.table.title(), what, None);
            }
        }
    }

    pub(super) fn views(&mut self) {
        for view in &self.observed.views {
            let users = self.bound(&view.users);
            let is_over = view.bases.iter().any(|base| self.is_shared(*base));
            if users.is_empty() || !is_over || (view.kind == "v" && view.invoker) {
                continue;
            }
            let title = format!("{}.{}", view.schema, view.name);
            let users = users.join(", ");
            let (what, remedy) = match (view.kind.as_str(), qualified(&view.schema, &view.name)) {
                ("v", Some(name)) if self.observed.version >= PG_15 => (
                    format!(
                        "is a view without security_invoker: it shows {users} all rows that its owner {} sees",
                        view.owner
                    ),
                    sql!["ALTER VIEW "]
                        .join(name)
                        .join(sql![" SET (security_invoker = true)"]),
                ),
                ("v", Some(name)) => (
                    format!(
                        "is a view, which before PostgreSQL 15 always has its owner's rights: it shows {users} all rows that its \
                         owner {} sees",
                        view.owner
                    ),
                    sql!["REVOKE ALL ON "].join(name).join(sql![" FROM PUBLIC"]),
                ),
                (_, Some(name)) => (
                    format!(
                        "is a materialized view: it shows {users} the rows that its owner {} saw",
                        view.owner
                    ),
                    sql!["REVOKE ALL ON "].join(name).join(sql![" FROM PUBLIC"]),
                ),
                (_, None) => continue,
            };
            self.note(Violation, &title, what, Some(remedy));
        }
    }

    pub(super) fn functions(&mut self) {
        if self.chosen.is_empty() {
            return;
        }
        for function in &self.observed.functions {
            let users = self.bound(&function.users);
            if users.is_empty() {
                continue;
            }
            // An application can name any tenant anyway.
            let severity = match users.contains(&self.observed.group.as_str()) {
                true => Violation,
                false => Weakness,
            };
            let title = format!("{}.{}({})", function.schema, function.name, function.arguments);
            let what = format!(
                "is SECURITY DEFINER and lets {} call it: it sees all rows that its owner {} sees",
                users.join(", "),
                function.owner
            );
            self.note(severity, &title, what, None);
        }
    }
}
