//! Loop that keeps the shared tables of a server protected: observes, applies the plan, observes again.

use super::catalog::{BARE, ObservedDatabase, QUERY};
use super::marks::{Marks, forget, remember};
use super::plan::{Loss, Plan, Wanted, Work, plan};
use super::registry;
use super::report::{Finding, RowSeen, Severity, SharedReport};
use super::select::Entry;
use super::{RegistryRow, group};
use crate::api::database_server::SharedTables;
use crate::postgres::catalog::Catalog;
use crate::postgres::client::{Error, Server};
use crate::postgres::identifier::InvalidIdentifier;
use crate::postgres::plan::{Step, Venue};
use crate::postgres::{Identifier, Statement};
use crate::sql;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Rounds of one call: the group, the registry, the tables, refused statements, and the end.
const ROUNDS: usize = 6;
/// Timeout of one transaction; the server cancels each of its statements earlier.
const TRANSACTION: Duration = Duration::from_secs(60);

/// Roles that can change a table's policies: its owner, members of that role, and superusers; the first few.
const ABLE: &str = "\
WITH RECURSIVE able AS (
  SELECT c.relowner AS oid FROM pg_class c WHERE c.oid::int8 = $1
  UNION SELECT m.member FROM pg_auth_members m JOIN able a ON m.roleid = a.oid
)
SELECT json_build_object(
  'owner', (SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid::int8 = $1),
  'members', (SELECT coalesce(json_agg(m.rolname ORDER BY m.rolname), '[]') FROM (
      SELECT r.rolname::text FROM pg_roles r JOIN able a ON a.oid = r.oid
      WHERE NOT r.rolsuper AND r.oid <> (SELECT c.relowner FROM pg_class c WHERE c.oid::int8 = $1)
      ORDER BY r.rolname LIMIT 10) m),
  'superusers', (SELECT coalesce(json_agg(s.rolname ORDER BY s.rolname), '[]') FROM (
      SELECT r.rolname FROM pg_roles r WHERE r.rolsuper ORDER BY r.rolname LIMIT 10) s)
)";

/// Result of [`ABLE`].
#[derive(Deserialize, Debug)]
struct Able {
    owner: String,
    members: Vec<String>,
    superusers: Vec<String>,
}

/// Reconciles the shared tables of a server with the spec, and reports the parts that it cannot reconcile. Where nothing differs, that is one statement for
/// each database, which only reads.
///
/// `rows` are the tenants that are placed on the server; a tenant that is left out keeps its row. `catalog` is that of all tenants.
///
/// # Errors
/// Problems of the whole server; the report has all others.
pub async fn reconcile(
    server: &Server,
    spec: &[SharedTables],
    rows: &[RegistryRow],
    catalog: &Catalog,
) -> Result<SharedReport, Error> {
    let mut report = SharedReport::default();
    let mut marks = Marks::of(catalog);
    let group = group::of(catalog);
    for (database, specs) in databases(spec, &marks) {
        let name = Identifier::new(database.as_str());
        let entries: Result<Vec<Entry>, InvalidIdentifier> = specs.iter().map(|spec| Entry::of(spec)).collect();
        let (name, entries) = match (name, entries) {
            (Ok(name), Ok(entries)) => (name, entries),
            (Err(error), _) | (_, Err(error)) => {
                let what = format!("is in sharedTables under a name that {error}");
                report.findings.push(Finding::new(Severity::Violation, &database, what));
                continue;
            }
        };
        if !catalog.databases.contains_key(database.as_str()) {
            if entries.is_empty() {
                server.execute(&[forget(&database)]).await?;
                report.changed = true;
            } else {
                let what = "is in sharedTables and does not exist";
                report.findings.push(Finding::new(Severity::Violation, &database, what));
            }
            continue;
        }
        let mut reconciler = Reconciler {
            server,
            catalog,
            wanted: Wanted {
                database: &name,
                entries: &entries,
                rows,
                group: &group,
                mark: marks.group,
                stuck: false,
            },
            refused: BTreeMap::new(),
            report: SharedReport::default(),
        };
        match reconciler.run(&mut marks).await {
            Ok(()) => report.add(reconciler.report),
            Err(error) if error.concerns_server() => return Err(error),
            Err(error) => {
                report.missing.extend(rows.iter().map(|row| row.id.clone()));
                let mut finding = Finding::new(Severity::Violation, &database, format!("cannot be read: {error}"));
                if error.code() == Some(SqlState::INSUFFICIENT_PRIVILEGE.code())
                    && let Ok(admin) = Identifier::new(catalog.admin.name.as_str())
                {
                    finding = finding.with([Step {
                        venue: Venue::Alone,
                        statement: sql!["GRANT CONNECT, CREATE ON DATABASE ", &name, " TO ", &admin],
                    }]);
                }
                report.findings.push(finding);
            }
        }
    }
    report.findings.sort_by_key(|finding| finding.severity);
    Ok(report)
}

/// The parts of the spec by database; those that it no longer names, too.
pub(super) fn databases<'a>(spec: &'a [SharedTables], marks: &Marks) -> BTreeMap<String, Vec<&'a SharedTables>> {
    let mut databases: BTreeMap<String, Vec<&SharedTables>> = BTreeMap::new();
    for tables in spec {
        databases.entry(tables.database.clone()).or_default().push(tables);
    }
    for database in marks.databases.keys() {
        databases.entry(database.clone()).or_default();
    }
    databases
}

/// Reads one database, including the registry's rows if the operator owns it.
pub(super) async fn observe(
    server: &Server,
    client: &Client,
    (entries, group): (&[Entry], &Identifier),
    whole: bool,
) -> Result<ObservedDatabase, Error> {
    let schemas: Vec<&str> = entries.iter().map(|entry| entry.schema.as_str()).collect();
    let columns = entries
        .iter()
        .flat_map(|entry| [&entry.column].into_iter().chain(&entry.subtenant));
    let columns: Vec<&str> = columns.map(Identifier::as_str).collect();
    let roles: Vec<&str> = entries
        .iter()
        .flat_map(|entry| entry.applications.iter().chain(&entry.migration))
        .map(Identifier::as_str)
        .collect();
    let group = group.as_str();
    let arguments: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&schemas, &columns, &roles, &group];
    if whole {
        match server.query_through(client, &sql![QUERY], &arguments).await {
            // Gone, or another's by now.
            Err(error) if is_absent(&error) => {}
            result => return result,
        }
    }
    let bare: ObservedDatabase = server.query_through(client, &sql![BARE], &arguments).await?;
    if !whole && registry::is_complete(&bare) {
        return server.query_through(client, &sql![QUERY], &arguments).await;
    }
    Ok(bare)
}

fn is_absent(error: &Error) -> bool {
    let codes = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::INSUFFICIENT_PRIVILEGE,
    ];
    codes.iter().any(|code| error.code() == Some(code.code()))
}

struct Reconciler<'a> {
    server: &'a Server,
    catalog: &'a Catalog,
    wanted: Wanted<'a>,
    /// Refused work of this call by object, and the errors. The call does not retry it.
    refused: BTreeMap<String, (Work, String)>,
    report: SharedReport,
}

impl Reconciler<'_> {
    async fn run(&mut self, marks: &mut Marks) -> Result<(), Error> {
        let database = self.wanted.database;
        let client = self.server.connect_to(database.as_str()).await?;
        // In another database of the same name, the registry may be a trap for its readers.
        let known = marks.databases.get(database.as_str()) == Some(&true);
        let mut last = Plan::default();
        for round in 0..ROUNDS {
            let of = (self.wanted.entries, self.wanted.group);
            let observed = observe(self.server, &client, of, known).await?;
            self.wanted.mark = marks.group;
            let sees = |row: &&RegistryRow| {
                let id = observed.logins.get(row.owner_role.as_str());
                id.is_some_and(|id| id.eq_ignore_ascii_case(&row.id))
            };
            let missing = self
                .wanted
                .rows
                .iter()
                .filter(|row| !self.wanted.entries.is_empty() && !sees(row));
            self.report.missing = missing.map(|row| row.id.clone()).collect();
            self.report.rows = self.seen(&observed);
            last = plan(&self.wanted, self.catalog, &observed);
            if round == 0 {
                for loss in std::mem::take(&mut last.losses) {
                    self.lost(&client, &loss).await?;
                }
            }
            if !last.group.is_empty() && !observed.read_only {
                let exists = observed.role(self.wanted.group.as_str()).is_some();
                self.group(&last.group, exists, marks).await?;
                continue;
            }
            last.works.retain(|work| !self.refused.contains_key(&work.object));
            if last.works.is_empty() || round + 1 == ROUNDS {
                self.remembrance(known, &observed).await?;
                break;
            }
            let present = registry::state(&observed) == registry::RegistryState::Present;
            for work in &last.works {
                self.work(&client, work, present).await?;
            }
        }
        for (object, (work, error)) in std::mem::take(&mut self.refused) {
            let what = format!("could not be changed: {error}");
            last.findings.push(Finding::new(work.severity(), object, what));
            self.report.refused.extend(work.tenant.map(|tenant| (tenant, error)));
        }
        self.report.conflicts = last.conflicts;
        for work in last.works {
            // The server said yes, with a warning or without, and did not do it.
            let statements = work
                .statements
                .iter()
                .take(1)
                .map(Statement::to_string)
                .collect::<String>();
            let what = format!(
                "does not change: the server accepts the statement without effect, or another client reverts it: {statements}"
            );
            last.findings.push(Finding::new(work.severity(), &work.object, &*what));
            self.report.refused.extend(work.tenant.map(|tenant| (tenant, what)));
        }
        self.report.protected = last.protected;
        self.report.closed = last.closed;
        for finding in last.findings {
            if !self.report.findings.contains(&finding) {
                self.report.findings.push(finding);
            }
        }
        Ok(())
    }

    /// Returns the rows of the wanted tenants, where the spec names tables of this database.
    fn seen(&self, observed: &ObservedDatabase) -> Vec<RowSeen> {
        let rows = self.wanted.rows.iter().filter(|_| !self.wanted.entries.is_empty());
        let seen = rows.filter_map(|row| {
            let found = observed.tenants.get(&row.id.to_ascii_lowercase())?;
            Some(RowSeen {
                id: row.id.clone(),
                number: found.number,
                details: found.details.clone(),
            })
        });
        seen.collect()
    }

    /// Reports a table's loss of protection and the roles that could have caused it; the plan repairs it.
    async fn lost(&mut self, client: &Client, loss: &Loss) -> Result<(), Error> {
        let able: Able = self
            .server
            .query_through(client, &sql![ABLE], &[&loss.relation])
            .await?;
        let members = match able.members.as_slice() {
            [] => String::new(),
            members => format!(", its members {}", members.join(", ")),
        };
        let what = format!(
            "lost its protection, which the operator did not remove: {}; its owner {}{members}, and the superusers {} could do so",
            loss.what,
            able.owner,
            able.superusers.join(", ")
        );
        tracing::warn!(object = loss.object, "{what}");
        self.report
            .findings
            .push(Finding::new(Severity::Violation, &loss.object, what));
        Ok(())
    }

    /// Remembers that there is something of the operator's in this database, until there is nothing that it would have to take back.
    async fn remembrance(&mut self, known: bool, observed: &ObservedDatabase) -> Result<(), Error> {
        let database = self.wanted.database;
        if observed.read_only {
            return Ok(());
        }
        let step = match (known, self.wanted.entries.is_empty()) {
            (false, false) if registry::state(observed) == registry::RegistryState::Present => remember(database),
            (true, true) if registry::excess(observed, &[], &[]).is_empty() => forget(database.as_str()),
            _ => return Ok(()),
        };
        self.report.changed = true;
        self.server.execute(&[step]).await
    }

    /// Makes the group, or mends it: each step by itself, since a superuser alone may take some of it away. Once in a call.
    async fn group(&mut self, steps: &[Step], exists: bool, marks: &mut Marks) -> Result<(), Error> {
        let size = if exists { 1 } else { steps.len().max(1) };
        for steps in steps.chunks(size) {
            match self.server.execute(steps).await {
                Ok(()) => self.report.changed = true,
                Err(error) if error.concerns_server() => return Err(error),
                Err(error) => {
                    let what = format!("could not be brought into the desired state: {error}");
                    let remedy = steps.iter().filter(|_| exists).cloned();
                    self.report
                        .findings
                        .push(Finding::new(Severity::Violation, self.wanted.group.as_str(), what).with(remedy));
                }
            }
        }
        self.wanted.stuck = exists;
        let query = "SELECT coalesce((SELECT to_json(oid::int8) FROM tenant_operator.object WHERE kind = 'role' AND name = $1), \
                     'null'::json)";
        marks.group = self.server.query(query, &[&self.wanted.group.as_str()]).await?;
        Ok(())
    }

    async fn work(&mut self, client: &Client, work: &Work, registry: bool) -> Result<(), Error> {
        let Err(error) = self.transaction(client, &work.statements, registry).await else {
            return Ok(());
        };
        if error.concerns_server() {
            return Err(error);
        }
        let mut why = error.to_string();
        if !work.otherwise.is_empty()
            && let Err(error) = self.transaction(client, &work.otherwise, registry).await
        {
            if error.concerns_server() {
                return Err(error);
            }
            why = format!("{why}; the operator could not close it to tenants: {error}");
        }
        self.refused.insert(work.object.clone(), (work.clone(), why));
        Ok(())
    }

    async fn transaction(&mut self, client: &Client, statements: &[Statement], registry: bool) -> Result<(), Error> {
        self.report.changed = true;
        // Another operator that still writes, or writes again, is waited for.
        let lock = sql!["LOCK TABLE tenant_registry.policy IN SHARE ROW EXCLUSIVE MODE"];
        let all: Vec<&Statement> = registry.then_some(&lock).into_iter().chain(statements).collect();
        let sent = timeout(TRANSACTION, self.server.transaction(client, &all)).await;
        sent.map_err(|_| Error::Timeout)?
    }
}
