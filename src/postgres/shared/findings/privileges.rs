//! Privileges and roles that let somebody go around the policies of shared tables.

use super::bypass::BypassCheck;
use super::{drop_policy, is_reserved};
use crate::postgres::Identifier;
use crate::postgres::plan::{Step, Venue};
use crate::postgres::shared::policy::{PREFIX, relation};
use crate::postgres::shared::registry::whom;
use crate::postgres::shared::report::{Finding, Severity};
use crate::postgres::shared::select::Chosen;
use crate::sql;
use Severity::{Hint, Violation, Weakness};

impl BypassCheck<'_> {
    pub(super) fn grants(&mut self, chosen: &Chosen) {
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
    pub(super) fn policies(&mut self, chosen: &Chosen) {
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
    pub(super) fn named(&mut self) {
        let observed = self.observed;
        for named in &observed.named {
            if named.permissive && self.is_shared(named.oid) {
                continue;
            }
            let (severity, kind) = match named.permissive {
                true => (Weakness, "permissive"),
                // Its removal reveals the findings that it hid.
                false => (Violation, "restrictive"),
            };
            let who = match named.role == observed.group {
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

    pub(super) fn defaults(&mut self) {
        let mut seen = Vec::new();
        for default in &self.observed.defaults {
            let grantee = default.grantee.as_deref();
            let key = (&default.role, &default.schema, grantee);
            if seen.contains(&key) || grantee.is_some_and(|name| !self.is_bound(name)) {
                continue;
            }
            seen.push(key);
            let severity = match grantee == Some(self.observed.group.as_str()) {
                true => Violation,
                false => Weakness,
            };
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

    /// Checks that the database may admit tenants' logins at all.
    pub(super) fn door(&mut self) {
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

    pub(super) fn schemas(&mut self) {
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
            let creates = |grant: &crate::postgres::shared::catalog::Grant| {
                grant.grantee.is_none() && grant.privilege == "CREATE"
            };
            if schema.grants.iter().any(creates) {
                let what =
                    "lets PUBLIC create objects: a tenant could create one that an application then uses as its own";
                let remedy = sql!["REVOKE CREATE ON SCHEMA ", name, " FROM PUBLIC"];
                self.note(Violation, name.as_str(), what.into(), Some(remedy));
            }
        }
    }
}
