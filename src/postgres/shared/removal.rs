//! Takes a tenant out of the shared tables.

use super::catalog::Table;
use super::marks::Marks;
use super::plan::Wanted;
use super::policy::relation;
use super::reconcile::{databases, observe};
use super::registry::{self, is_uuid};
use super::select::{Entry, choose};
use super::{REGISTRY, findings, group, plan};
use crate::api::database_server::{SharedTables, TenantColumnType};
use crate::postgres::catalog::Catalog;
use crate::postgres::client::{Error, Server};
use crate::postgres::plan::revoke_all;
use crate::postgres::sql::Literal;
use crate::postgres::{Identifier, Names, Statement};
use crate::sql;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// The most rows that one statement deletes.
const BATCH: i64 = 2000;
/// The duration of one call.
const TIME: Duration = Duration::from_secs(20);

/// The remainder of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Rows that are known to be left, at least.
    pub rows: u64,
    /// Rows that this call deleted.
    pub deleted: u64,
    /// Obstacles other than time.
    pub problems: Vec<String>,
}

impl Left {
    /// Returns true where a look has shown that nothing is left.
    pub fn is_nothing(&self) -> bool {
        self.rows == 0 && self.problems.is_empty()
    }
}

/// Deletes a tenant's rows in every shared table, then its entry in the registry. Takes some 20 seconds: call it again until nothing is left. The tenant's
/// logins are closed by then, and its roles still exist.
///
/// # Errors
/// Where the server as a whole is in trouble, or a database cannot be looked into.
pub async fn remove_tenant(
    server: &Server,
    spec: &[SharedTables],
    tenant_id: &str,
    names: &Names,
    catalog: &Catalog,
) -> Result<Left, Error> {
    let id = tenant_id.to_ascii_lowercase();
    let mut left = Left::default();
    if !is_uuid(&id) {
        // No row can be such a tenant's.
        return Ok(left);
    }
    let end = Instant::now() + TIME;
    let known = |role: &Identifier| catalog.roles.get(role.as_str()).map(|role| role.oid);
    let roles: Vec<i64> = names.roles().into_iter().filter_map(known).collect();
    let group = group::of(catalog);
    for (database, specs) in databases(spec, &Marks::of(catalog)) {
        if !catalog.databases.contains_key(database.as_str()) {
            continue;
        }
        let entries = specs
            .iter()
            .map(|spec| Entry::of(spec))
            .collect::<Result<Vec<Entry>, _>>();
        let (Ok(entries), Ok(name)) = (entries, Identifier::new(database.as_str())) else {
            left.problems.push(format!(
                "{database}: sharedTables has names that PostgreSQL does not support"
            ));
            continue;
        };
        let client = server.connect_to(&database).await?;
        let removal = Removal {
            group: &group,
            server,
            client: &client,
            database: &name,
            id: &id,
            version: catalog.version,
            roles: &roles,
            end,
        };
        removal.run(&entries, names, &mut left).await?;
    }
    Ok(left)
}

struct Removal<'a> {
    group: &'a Identifier,
    server: &'a Server,
    client: &'a Client,
    database: &'a Identifier,
    id: &'a str,
    version: i32,
    /// The OIDs of the tenant's.
    roles: &'a [i64],
    end: Instant,
}

/// One table's rows of the tenant.
struct Rows {
    title: String,
    relation: Statement,
    condition: Statement,
}

impl Removal<'_> {
    async fn run(&self, entries: &[Entry], names: &Names, left: &mut Left) -> Result<(), Error> {
        let observed = observe(self.server, self.client, (entries, self.group), false).await?;
        let database = self.database.as_str();
        let present = registry::state(&observed) == registry::RegistryState::Present;
        let before = (left.rows, left.problems.len());
        if present {
            // Nobody writes as this tenant any more.
            let logins = sql![
                "DELETE FROM tenant_registry.login WHERE tenant_id = ",
                Literal(self.id),
                "::uuid"
            ];
            self.server.transaction(self.client, &[&logins]).await?;
        }
        let mut rows = Vec::new();
        for chosen in choose(database, entries, &observed, &mut Vec::new()) {
            let title = format!("{database}/{}", chosen.table.title());
            if chosen.table.kind == "p" || !chosen.table.columns.contains_key(chosen.entry.column.as_str()) {
                // Its rows are in its parts; or nothing says whose they are.
                continue;
            }
            if let Err(what) = findings::column(&chosen) {
                left.problems.push(format!("{title} {what}"));
                continue;
            }
            let wanted = Wanted {
                database: self.database,
                entries,
                rows: &[],
                group: self.group,
                mark: None,
                stuck: false,
            };
            if !plan::shows_all(&wanted, &chosen, &observed) {
                left.problems.push(format!(
                    "{title} hides its rows from the operator until its policies are as they should be"
                ));
                continue;
            }
            if chosen.entry.type_ == TenantColumnType::Integer && !present {
                continue;
            }
            rows.extend(self.rows(title, chosen.table, chosen.entry));
        }
        self.delete(rows, left).await?;
        if (left.rows, left.problems.len()) != before || !present {
            return Ok(());
        }
        let tenant = sql![
            "DELETE FROM tenant_registry.tenant WHERE id = ",
            Literal(self.id),
            "::uuid"
        ];
        let holders = self.holders(names).await?;
        let revoke = (!holders.is_empty()).then(|| revoke_all(&holders, self.version));
        if let Some(revoke) = &revoke {
            let revoked = self.server.send_through(self.client, revoke).await;
            self.kept(revoked, left, database).await?;
        }
        let dropped: Vec<Statement> = holders
            .iter()
            .map(|role| sql!["DROP OWNED BY ", *role, " CASCADE"])
            .collect();
        let statements: Vec<&Statement> = std::iter::once(&tenant).chain(&dropped).collect();
        let removed = self.server.transaction(self.client, &statements).await;
        self.kept(removed, left, database).await?;
        for role in self.holders(names).await? {
            // Others' grants are not the operator's to take back, and PostgreSQL only warns.
            left.problems.push(format!(
                "{database}: role {} was granted something there by hand",
                role.as_str()
            ));
        }
        Ok(())
    }

    /// Notes why the tenant is still in the registry, and ends transactions of other tenants that it waited for.
    async fn kept(&self, result: Result<(), Error>, left: &mut Left, database: &str) -> Result<(), Error> {
        match result {
            Ok(()) => {}
            Err(error) if error.concerns_server() => return Err(error),
            Err(error) => {
                if error.code() == Some(SqlState::LOCK_NOT_AVAILABLE.code()) {
                    self.server.evict(self.roles).await?;
                }
                left.problems
                    .push(format!("{database}/{REGISTRY}.tenant keeps the tenant: {error}"));
            }
        }
        Ok(())
    }

    /// The roles that were given something in this database, for which their drop would fail.
    async fn holders<'b>(&self, names: &'b Names) -> Result<Vec<&'b Identifier>, Error> {
        let mut holders = Vec::new();
        for role in names.roles() {
            if self.holds(role).await? {
                holders.push(role);
            }
        }
        Ok(holders)
    }

    fn rows(&self, title: String, table: &Table, entry: &Entry) -> Option<Rows> {
        let value = match entry.type_ {
            TenantColumnType::Uuid => sql![Literal(self.id), "::uuid"],
            TenantColumnType::Text => sql![Literal(self.id)],
            TenantColumnType::Integer => {
                sql![
                    "(SELECT number FROM tenant_registry.tenant WHERE id = ",
                    Literal(self.id),
                    "::uuid)"
                ]
            }
        };
        let own = sql![" WHERE ", &entry.column, " = "].join(value.clone());
        Some(Rows {
            title,
            relation: relation(table)?,
            condition: match &entry.subtenant {
                Some(column) => own.join(sql![" OR ", column, " = "]).join(value),
                None => own,
            },
        })
    }

    /// Deletes in rounds: a row that others reference goes after them.
    async fn delete(&self, mut rows: Vec<Rows>, left: &mut Left) -> Result<(), Error> {
        // Each round but the last empties at least one table.
        for _ in 0..=rows.len() {
            let mut remaining = Vec::new();
            let mut refusals = Vec::new();
            let count = rows.len();
            for table in rows {
                match self.empty(&table, left).await {
                    Ok(true) => {}
                    Ok(false) => {
                        left.rows += self.count(&table).await?;
                    }
                    Err(error) if error.concerns_server() => return Err(error),
                    Err(error) => {
                        refusals.push(format!("{}: {error}", table.title));
                        remaining.push(table);
                    }
                }
            }
            if remaining.is_empty() {
                return Ok(());
            }
            if remaining.len() == count || Instant::now() > self.end {
                for table in &remaining {
                    left.rows += self.count(table).await.unwrap_or(1);
                }
                left.problems.extend(refusals);
                return Ok(());
            }
            rows = remaining;
        }
        Ok(())
    }

    /// Returns true where a look has shown that no row is left. False: it takes longer, or something keeps them.
    async fn empty(&self, table: &Rows, left: &mut Left) -> Result<bool, Error> {
        let rows = sql!["FROM ONLY "]
            .join(table.relation.clone())
            .join(table.condition.clone());
        let counted = |delete: Statement| {
            sql!["WITH gone AS ("]
                .join(delete)
                .join(sql![" RETURNING 1) SELECT to_json(count(*)) FROM gone"])
        };
        let batch = sql!["DELETE FROM ONLY "]
            .join(table.relation.clone())
            .join(sql![" WHERE ctid = ANY (ARRAY(SELECT ctid "])
            .join(rows.clone())
            .join(sql![" LIMIT ", BATCH, "))"]);
        loop {
            let mut result: Result<u64, Error> = self
                .server
                .query_through(self.client, &counted(batch.clone()), &[])
                .await;
            let violation = SqlState::FOREIGN_KEY_VIOLATION;
            if result
                .as_ref()
                .is_err_and(|error| error.code() == Some(violation.code()))
            {
                // Rows of one table that reference each other go together.
                let all = sql!["DELETE "].join(rows.clone());
                result = self.server.query_through(self.client, &counted(all), &[]).await;
            }
            let deleted = result?;
            left.deleted += deleted;
            if deleted == 0 {
                return Ok(self.count(table).await? == 0);
            }
            if Instant::now() > self.end {
                return Ok(false);
            }
        }
    }

    async fn count(&self, table: &Rows) -> Result<u64, Error> {
        let count = sql!["SELECT to_json(count(*)) FROM ONLY "]
            .join(table.relation.clone())
            .join(table.condition.clone());
        self.server.query_through(self.client, &count, &[]).await
    }

    async fn holds(&self, role: &Identifier) -> Result<bool, Error> {
        let query = sql![
            "SELECT to_json(count(*)) FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid \
             WHERE d.refclassid = 'pg_authid'::regclass AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND r.rolname = ",
            Literal(role.as_str())
        ];
        let count: u64 = self.server.query_through(self.client, &query, &[]).await?;
        Ok(count > 0)
    }
}
