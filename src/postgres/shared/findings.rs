//! Findings on and around shared tables that the operator does not repair by itself.

use super::GROUP;
use super::catalog::{Observed, Table};
use super::policy::{PREFIX, qualified, relation};
use super::registry::whom;
use super::report::{Finding, Severity};
use super::select::{Chosen, Entry};
use crate::postgres::plan::{Step, Venue};
use crate::postgres::{Identifier, Statement};
use crate::sql;

use Severity::{Hint, Violation, Weakness};

/// Returns true if a role has a name as the operator gives to tenants' roles.
pub fn is_tenants(role: &str) -> bool {
    let Some(rest) = role.strip_prefix("t_") else {
        return false;
    };
    let (digest, suffix) = rest.split_at_checked(20).unwrap_or((rest, "?"));
    digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && matches!(suffix, "" | "_a" | "_b" | "_r")
}

/// Returns true if a role is the operator's own or made by it, and so no way for an application to come in.
pub fn is_reserved(role: &str) -> bool {
    role == GROUP || is_tenants(role)
}

fn inside(database: &Identifier, statement: Option<Statement>) -> Option<Step> {
    statement.map(|statement| Step {
        venue: Venue::Inside(database.clone()),
        statement,
    })
}

/// Whether the tenant column is there and of a type that can hold what the spec says is in it.
///
/// # Errors
/// Description of the problem.
pub fn column(chosen: &Chosen) -> Result<(), String> {
    let name = chosen.entry.column.as_str();
    match chosen.table.columns.get(name) {
        None => Err(format!(
            "has no column {name}, so no row belongs to a tenant: the operator keeps the table closed to tenants"
        )),
        Some(column) if !chosen.entry.types().contains(&column.type_.as_str()) => Err(format!(
            "has a column {name} of type {}, where sharedTables has {:?}: the operator keeps the table closed to tenants",
            column.type_, chosen.entry.type_
        )),
        Some(_) => Ok(()),
    }
}

/// Returns the reasons to keep a table closed to tenants, except a missing membership of the operator.
pub fn obstacles(database: &Identifier, chosen: &Chosen) -> Vec<Finding> {
    let table = chosen.table;
    let object = format!("{}/{}", database.as_str(), table.title());
    let mut found = Vec::new();
    if table.kind == "f" {
        found.push(Finding::new(
            Violation,
            &object,
            "is a foreign table, which cannot have row-level security: the operator keeps it closed to tenants",
        ));
    } else if let Err(what) = column(chosen) {
        found.push(Finding::new(Violation, &object, what));
    }
    for policy in &table.policies {
        let concerns_tenants = |role: &Option<String>| role.as_deref().is_none_or(is_reserved);
        if policy.permissive && !policy.name.starts_with(PREFIX) && policy.roles.iter().any(concerns_tenants) {
            found.push(
                Finding::new(
                    Violation,
                    &object,
                    format!(
                        "has a permissive policy {} of another role, which opens more rows than the operator's: the operator keeps the table \
                         closed to tenants",
                        policy.name
                    ),
                )
                .with(inside(database, drop_policy(table, &policy.name))),
            );
        }
    }
    found
}

fn drop_policy(table: &Table, name: &str) -> Option<Statement> {
    let name = Identifier::new(name).ok()?;
    Some(sql!["DROP POLICY ", &name, " ON "].join(relation(table)?))
}

/// Reports a table of a role for which the operator cannot act.
pub fn not_ours(database: &Identifier, chosen: &Chosen, observed: &Observed) -> Finding {
    let table = chosen.table;
    let names = (
        Identifier::new(table.owner.as_str()),
        Identifier::new(observed.admin.as_str()),
    );
    let remedy = match (&chosen.entry.migration, names) {
        // To be a member of a superuser is to be one.
        (Some(migration), _) if table.owner_superuser => relation(table).map(|relation| Step {
            venue: Venue::Inside(database.clone()),
            statement: sql!["ALTER TABLE "].join(relation).join(sql![" OWNER TO ", migration]),
        }),
        (_, (Ok(owner), Ok(admin))) if !table.owner_superuser => Some(Step {
            venue: Venue::Alone,
            statement: match observed.version >= 160_000 {
                true => sql!["GRANT ", &owner, " TO ", &admin, " WITH INHERIT TRUE, SET TRUE"],
                false => sql!["GRANT ", &owner, " TO ", &admin],
            },
        }),
        _ => None,
    };
    Finding::new(
        Violation,
        format!("{}/{}", database.as_str(), table.title()),
        format!(
            "belongs to role {}, in which the operator's role {} is not a member: the operator cannot keep row-level security on it",
            table.owner, observed.admin
        ),
    )
    .with(remedy)
}

/// Reports problems of the roles in the spec.
pub fn roles(database: &str, entries: &[Entry], observed: &Observed, findings: &mut Vec<Finding>) {
    let mut note = |severity, role: &str, what: String| {
        let finding = Finding::new(severity, format!("role {role}"), what);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    };
    let is_application = |name: &str| {
        entries
            .iter()
            .any(|entry| entry.applications.iter().any(|role| role.as_str() == name))
    };
    for entry in entries {
        for role in &entry.applications {
            let name = role.as_str();
            if is_reserved(name) || name == observed.admin {
                note(
                    Violation,
                    name,
                    "belongs to the operator and cannot be an application role".into(),
                );
                continue;
            }
            if entry.migration.as_ref() == Some(role) {
                note(
                    Violation,
                    name,
                    format!(
                        "is an application role and the migration role in database {database}: the operator does not let it see all rows"
                    ),
                );
            }
            let Some(found) = observed.role(name) else {
                note(Hint, name, "is in applicationRoles and does not exist".into());
                continue;
            };
            if found.superuser {
                note(
                    Violation,
                    name,
                    "is an application role and a superuser: row-level security does not apply to it".into(),
                );
            } else if found.bypass_rls {
                note(
                    Violation,
                    name,
                    "is an application role and has BYPASSRLS: row-level security does not apply to it".into(),
                );
            }
            if found.create_role && !found.superuser && observed.version < 160_000 {
                note(
                    Violation,
                    name,
                    "is an application role and has CREATEROLE, which before PostgreSQL 16 is enough to become any other role".into(),
                );
            }
            for other in found.reaches.iter().filter(|other| !is_application(other)) {
                note(
                    Violation,
                    name,
                    format!(
                        "is an application role and can act as role {other}, which may see or open more than one tenant's rows"
                    ),
                );
            }
        }
        match &entry.migration {
            None => note(
                Hint,
                &format!("for migrations in {database}/{}", entry.schema.as_str()),
                "is missing: forced row-level security hides all rows from the owner of the tables too".into(),
            ),
            Some(role) if is_reserved(role.as_str()) => {
                note(
                    Violation,
                    role.as_str(),
                    "belongs to the operator and cannot be the migration role".into(),
                );
            }
            Some(role) if observed.role(role.as_str()).is_none() => {
                note(Hint, role.as_str(), "is the migrationRole and does not exist".into());
            }
            Some(_) => {}
        }
    }
}

/// Reports access that bypasses the policies, or reveals other tenants despite them.
pub fn around(
    database: &Identifier,
    chosen: &[Chosen],
    entries: &[Entry],
    observed: &Observed,
    findings: &mut Vec<Finding>,
) {
    let mut around = Around {
        database,
        chosen,
        entries,
        observed,
        findings,
    };
    for chosen in chosen {
        around.grants(chosen);
        around.policies(chosen);
        around.family(chosen);
        if chosen.table.kind != "f" && column(chosen).is_ok() {
            around.keys(chosen);
            around.references(chosen);
        }
    }
    around.views();
    around.functions();
    around.defaults();
    around.schemas();
    around.named();
    around.door();
}

struct Around<'a> {
    database: &'a Identifier,
    chosen: &'a [Chosen<'a>],
    entries: &'a [Entry],
    observed: &'a Observed,
    findings: &'a mut Vec<Finding>,
}

impl Around<'_> {
    fn object(&self, title: &str) -> String {
        format!("{}/{title}", self.database.as_str())
    }

    fn note(&mut self, severity: Severity, title: &str, what: String, remedy: Option<Statement>) {
        let finding = Finding::new(severity, self.object(title), what).with(inside(self.database, remedy));
        self.findings.push(finding);
    }

    fn is_shared(&self, oid: i64) -> bool {
        self.chosen.iter().any(|chosen| chosen.table.oid == oid)
    }

    /// Tenants, or the applications that serve them.
    fn is_bound(&self, role: &str) -> bool {
        role == GROUP
            || self.entries.iter().any(|entry| {
                entry
                    .applications
                    .iter()
                    .any(|application| application.as_str() == role)
            })
    }

    fn grants(&mut self, chosen: &Chosen) {
        let table = chosen.table;
        let migration = chosen.entry.migration.as_ref().map(Identifier::as_str);
        if self.is_bound(&table.owner) {
            let what = format!(
                "belongs to application role {}, which can switch row-level security off",
                table.owner
            );
            self.note(Violation, &table.title(), what, None);
        }
        for grant in &table.grants {
            let grantee = grant.grantee.as_deref();
            if grantee.is_some_and(|name| Some(name) == migration || is_reserved(name) || name == self.observed.admin) {
                continue;
            }
            let who = grantee.map_or("PUBLIC".into(), |name| format!("role {name}"));
            let bound = grantee.is_none_or(|name| self.is_bound(name));
            let (severity, what) = match grant.privilege.as_str() {
                "TRUNCATE" if bound => (
                    Violation,
                    "lets {} truncate it: TRUNCATE ignores policies and deletes every tenant's rows",
                ),
                "TRUNCATE" => (
                    Weakness,
                    "lets {} truncate it: TRUNCATE ignores policies and deletes every tenant's rows",
                ),
                "TRIGGER" if bound => (
                    Weakness,
                    "lets {} create triggers, which run with the rights of the role that writes",
                ),
                "REFERENCES" if bound => (
                    Weakness,
                    "lets {} reference it: a foreign key shows whether any tenant has a value",
                ),
                "SELECT" | "INSERT" | "UPDATE" | "DELETE" if grantee.is_none() => {
                    (Weakness, "is granted to {}: only its policies protect it")
                }
                _ => continue,
            };
            let remedy = relation(table).zip(whom(grantee)).and_then(|(relation, whom)| {
                let privilege = [
                    "TRUNCATE",
                    "TRIGGER",
                    "REFERENCES",
                    "SELECT",
                    "INSERT",
                    "UPDATE",
                    "DELETE",
                ]
                .into_iter()
                .find(|privilege| *privilege == grant.privilege)?;
                Some(
                    sql!["REVOKE ", privilege, " ON TABLE "]
                        .join(relation)
                        .join(sql![" FROM "])
                        .join(whom),
                )
            });
            self.note(severity, &table.title(), what.replace("{}", &who), remedy);
        }
    }

    /// Others' policies that concern applications; those that concern tenants are obstacles.
    fn policies(&mut self, chosen: &Chosen) {
        let table = chosen.table;
        for policy in table.policies.iter().filter(|policy| !policy.name.starts_with(PREFIX)) {
            let applies = |role: &Option<String>| {
                let bound = |name: &str| {
                    chosen
                        .entry
                        .applications
                        .iter()
                        .any(|application| application.as_str() == name)
                };
                role.as_deref().is_some_and(bound)
            };
            if !policy.permissive {
                let what = format!(
                    "has a restrictive policy {} of another role, which hides rows",
                    policy.name
                );
                self.note(Hint, &table.title(), what, None);
            } else if policy.roles.iter().any(applies) {
                let what = format!(
                    "has a permissive policy {} of another role for an application role, which opens more rows than the operator's",
                    policy.name
                );
                self.note(Violation, &table.title(), what, drop_policy(table, &policy.name));
            }
        }
    }

    /// Others' policies that members of the roles they name can drop; those that open shared tables are obstacles.
    fn named(&mut self) {
        let observed = self.observed;
        for named in &observed.named {
            if named.permissive && self.is_shared(named.oid) {
                continue;
            }
            let (severity, kind) = match named.permissive {
                true => (Weakness, "permissive"),
                // What it hid is seen once it is gone.
                false => (Violation, "restrictive"),
            };
            let who = match named.role == GROUP {
                true => "every tenant is a member of that role and can drop it for all".to_string(),
                false => format!("tenant role {} can drop it", named.role),
            };
            let what = format!(
                "has a {kind} policy {} of another role TO {}: {who} (DROP OWNED BY); make it TO PUBLIC, with NOT pg_has_role('{}', \
                 'USAGE') OR before its condition",
                named.policy, named.role, named.role
            );
            self.note(severity, &format!("{}.{}", named.schema, named.table), what, None);
        }
    }

    /// Tables above and below.
    fn family(&mut self, chosen: &Chosen) {
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

    fn keys(&mut self, chosen: &Chosen) {
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
        let leads = |index: &super::catalog::Index| {
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

    fn references(&mut self, chosen: &Chosen) {
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

    fn views(&mut self) {
        for view in &self.observed.views {
            let users: Vec<&str> = view
                .users
                .iter()
                .map(String::as_str)
                .filter(|role| self.is_bound(role))
                .collect();
            let is_over = view.bases.iter().any(|base| self.is_shared(*base));
            if users.is_empty() || !is_over || (view.kind == "v" && view.invoker) {
                continue;
            }
            let title = format!("{}.{}", view.schema, view.name);
            let users = users.join(", ");
            let (what, remedy) = match (view.kind.as_str(), qualified(&view.schema, &view.name)) {
                ("v", Some(name)) if self.observed.version >= 150_000 => (
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

    fn functions(&mut self) {
        if self.chosen.is_empty() {
            return;
        }
        for function in &self.observed.functions {
            let users: Vec<&str> = function
                .users
                .iter()
                .map(String::as_str)
                .filter(|role| self.is_bound(role))
                .collect();
            if users.is_empty() {
                continue;
            }
            // An application can name any tenant anyway.
            let severity = if users.contains(&GROUP) { Violation } else { Weakness };
            let title = format!("{}.{}({})", function.schema, function.name, function.arguments);
            let what = format!(
                "is SECURITY DEFINER and lets {} call it: it sees all rows that its owner {} sees",
                users.join(", "),
                function.owner
            );
            self.note(severity, &title, what, None);
        }
    }

    fn defaults(&mut self) {
        let mut seen = Vec::new();
        for default in &self.observed.defaults {
            let grantee = default.grantee.as_deref();
            let key = (&default.role, &default.schema, grantee);
            if seen.contains(&key) || grantee.is_some_and(|name| !self.is_bound(name)) {
                continue;
            }
            seen.push(key);
            let severity = if grantee == Some(GROUP) { Violation } else { Weakness };
            let who = grantee.map_or("PUBLIC".into(), |name| format!("role {name}"));
            let remedy = Identifier::new(default.role.as_str())
                .ok()
                .zip(whom(grantee))
                .map(|(role, whom)| {
                    let schema = default
                        .schema
                        .as_deref()
                        .and_then(|schema| Identifier::new(schema).ok());
                    let place = schema.map_or(sql![""], |schema| sql![" IN SCHEMA ", &schema]);
                    sql!["ALTER DEFAULT PRIVILEGES FOR ROLE ", &role]
                        .join(place)
                        .join(sql![" REVOKE ALL ON TABLES FROM "])
                        .join(whom)
                });
            let title = default.schema.clone().unwrap_or_else(|| "all schemas".into());
            let what = format!(
                "has default privileges that open every table that role {} creates to {who}, before row-level security is on it",
                default.role
            );
            self.note(severity, &title, what, remedy);
        }
    }

    /// Whether tenants' logins can be let into the database at all.
    fn door(&mut self) {
        if self.entries.is_empty() || self.observed.can_admit {
            return;
        }
        let Ok(admin) = Identifier::new(self.observed.admin.as_str()) else {
            return;
        };
        let what = format!(
            "has no grant option on CONNECT for the operator's role {}: no tenant can connect to it",
            self.observed.admin
        );
        let statement = sql![
            "GRANT CONNECT ON DATABASE ",
            self.database,
            " TO ",
            &admin,
            " WITH GRANT OPTION"
        ];
        self.findings
            .push(Finding::new(Weakness, self.database.as_str(), what).with([Step {
                venue: Venue::Alone,
                statement,
            }]));
    }

    fn schemas(&mut self) {
        let mut names: Vec<&Identifier> = self.entries.iter().map(|entry| &entry.schema).collect();
        names.sort();
        names.dedup();
        for name in names {
            let Some(schema) = self.observed.schemas.get(name.as_str()) else {
                self.note(
                    Hint,
                    name.as_str(),
                    "is in sharedTables and does not exist".into(),
                    None,
                );
                continue;
            };
            let creates = |grant: &super::catalog::Grant| grant.grantee.is_none() && grant.privilege == "CREATE";
            if schema.grants.iter().any(creates) {
                let what =
                    "lets PUBLIC create objects: a tenant could create one that an application then uses as its own";
                let remedy = sql!["REVOKE CREATE ON SCHEMA ", name, " FROM PUBLIC"];
                self.note(Violation, name.as_str(), what.into(), Some(remedy));
            }
        }
    }
}
