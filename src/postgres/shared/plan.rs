//! One database as observed and as the spec wants it → the statements between the two, and the obstacles. Pure.

mod group;
mod tables;
mod work;

pub use tables::shows_all;
pub use work::Work;

use super::catalog::ObservedDatabase;
use super::policy::{self, Ways};
use super::report::{Finding, Severity};
use super::select::{Chosen, Entry, choose};
use super::{REGISTRY, RegistryRow, findings};
use super::{registry, rows};
use crate::postgres::catalog::Catalog;
use crate::postgres::plan::{Step, Venue};
use crate::postgres::{Identifier, Statement};
use crate::sql;
use group::{group, is_dangerous, leave, revoke};
use std::collections::BTreeMap;
use tables::tables;

/// Desired state of one database.
pub struct Wanted<'a> {
    pub database: &'a Identifier,
    pub entries: &'a [Entry],
    pub rows: &'a [RegistryRow],
    pub group: &'a Identifier,
    /// The OID of the role that the operator made as the group.
    pub mark: Option<i64>,
    /// True if it was tried to mend it in this call.
    pub stuck: bool,
}

/// Statements and findings for one database.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Concerns the server as a whole, and comes first.
    pub group: Vec<Step>,
    pub works: Vec<Work>,
    pub findings: Vec<Finding>,
    /// The reasons why tenants cannot be entered into the registry as wanted, by id.
    pub conflicts: BTreeMap<String, String>,
    /// Changes of the operator's policies by others.
    pub losses: Vec<Loss>,
    pub protected: usize,
    pub closed: usize,
}

/// Protection that others removed from a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub relation: i64,
    /// As findings name it.
    pub object: String,
    pub what: String,
}

impl Plan {
    /// Returns true if there is nothing to do.
    pub fn is_quiet(&self) -> bool {
        self.group.is_empty() && self.works.is_empty()
    }

    pub(super) fn work(&mut self, object: String, statements: Vec<Statement>) {
        if !statements.is_empty() {
            self.works.push(Work::new(object, statements));
        }
    }
}

/// Returns steps that bring the database nearer to the wanted state. Call it again with the next observation, until nothing is left: the group comes before the
/// registry, the registry before the tables.
pub fn plan(wanted: &Wanted, catalog: &Catalog, observed: &ObservedDatabase) -> Plan {
    let mut plan = Plan::default();
    let database = wanted.database.as_str();
    let chosen = choose(database, wanted.entries, observed, &mut plan.findings);
    findings::roles(database, wanted.entries, observed, &mut plan.findings);
    findings::bypasses(wanted.database, &chosen, wanted.entries, observed, &mut plan.findings);
    plan.losses = losses(wanted, observed, &chosen);
    let grouped = group(wanted, catalog, observed, &mut plan);
    if grouped && observed.read_only {
        // Nothing can be written; what there is, is judged.
        tables(wanted, observed, &chosen, &mut plan);
        plan.works.clear();
        return plan;
    }
    if !grouped {
        plan.closed = chosen.len();
        return plan;
    }
    if wanted.stuck && !std::mem::take(&mut plan.group).is_empty() {
        let what = "differs from the desired state, and the operator could not change it";
        plan.findings
            .push(Finding::new(Severity::Violation, wanted.group.as_str(), what));
        if is_dangerous(wanted, observed) {
            plan.closed = chosen.len();
            revoke(&chosen, wanted, &mut plan);
            return plan;
        }
    }
    let object = format!("{database}/{REGISTRY}");
    if let registry::RegistryState::Foreign(why) = registry::state(observed) {
        plan.findings.push(Finding::new(
            Severity::Violation,
            object,
            format!(
                "{why}: the operator needs it to protect tables, and does not change objects that it did not create"
            ),
        ));
        plan.closed = chosen.len();
        revoke(&chosen, wanted, &mut plan);
        return plan;
    }
    if registry::state(observed) == registry::RegistryState::Absent && wanted.entries.is_empty() {
        leave(wanted, observed, &[], &mut plan);
        return plan;
    }
    if !observed.schemas.contains_key(REGISTRY) && !observed.can_create {
        let admin = Identifier::new(observed.admin.as_str());
        plan.findings.push(
            Finding::new(
                Severity::Violation,
                object,
                format!(
                    "cannot be created: the operator's role {} has no CREATE on the database",
                    observed.admin
                ),
            )
            .with(admin.ok().map(|admin| Step {
                venue: Venue::Alone,
                statement: sql!["GRANT CONNECT, CREATE ON DATABASE ", wanted.database, " TO ", &admin],
            })),
        );
        plan.closed = chosen.len();
        return plan;
    }
    let settled = registry::statements(observed, &all_ways(wanted, observed));
    if !settled.is_empty() {
        plan.closed = chosen.len();
        plan.work(object, settled);
        return plan;
    }
    rows::rows(database, observed, wanted.rows, catalog, &mut plan);
    if observed.records.iter().any(|record| record.gone) {
        let statement = sql![
            "DELETE FROM tenant_registry.policy p WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = p.relation)"
        ];
        plan.work(format!("{database}/{REGISTRY}.policy"), vec![statement]);
    }
    let granted = tables(wanted, observed, &chosen, &mut plan);
    leave(wanted, observed, &granted, &mut plan);
    plan
}

/// Returns protection that others removed from the shared tables and the registry.
fn losses(wanted: &Wanted, observed: &ObservedDatabase, chosen: &[Chosen]) -> Vec<Loss> {
    let of_tables = chosen.iter().map(|chosen| {
        let policies = policy::of_table(chosen.entry, &ways(wanted, chosen.entry, observed));
        (chosen.table, policies)
    });
    let all = all_ways(wanted, observed);
    let of_registry = observed.tables.iter().filter_map(|table| {
        let policies = match table.name.as_str() {
            "tenant" => policy::of_tenants(&all),
            "login" => policy::of_logins(&all),
            _ => return None,
        };
        (table.schema == REGISTRY).then_some((table, policies))
    });
    let mut losses = Vec::new();
    for (table, policies) in of_tables.chain(of_registry) {
        let lost = policy::losses(table, &policies, observed);
        if !lost.is_empty() {
            losses.push(Loss {
                relation: table.oid,
                object: format!("{}/{}", wanted.database.as_str(), table.title()),
                what: lost.join(", "),
            });
        }
    }
    losses
}

/// The ways into the tables of one part of the spec.
fn ways<'a>(wanted: &Wanted<'a>, entry: &Entry, observed: &ObservedDatabase) -> Ways<'a> {
    let usable = |role: &&Identifier| observed.role(role.as_str()).is_some() && !findings::is_reserved(role.as_str());
    let migration = entry
        .migration
        .iter()
        .filter(usable)
        .find(|role| !entry.applications.contains(role));
    Ways {
        group: wanted.group,
        applications: entry
            .applications
            .iter()
            .filter(usable)
            .filter(|role| role.as_str() != observed.admin)
            .cloned()
            .collect(),
        migration: migration.cloned(),
        operator: (!observed.superuser)
            .then(|| Identifier::new(observed.admin.as_str()).ok())
            .flatten(),
    }
}

/// Those of all parts, for the registry. It has one migration role's worth of keys: the first.
fn all_ways<'a>(wanted: &Wanted<'a>, observed: &ObservedDatabase) -> Ways<'a> {
    let mut all = Ways {
        group: wanted.group,
        applications: Vec::new(),
        migration: None,
        operator: (!observed.superuser)
            .then(|| Identifier::new(observed.admin.as_str()).ok())
            .flatten(),
    };
    for entry in wanted.entries {
        let ways = ways(wanted, entry, observed);
        all.applications.extend(ways.applications);
        all.migration = all.migration.or(ways.migration);
    }
    let migration = all.migration.clone();
    all.applications.retain(|role| Some(role) != migration.as_ref());
    all.applications.sort();
    all.applications.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::database_server::{SharedTables, TenantColumnType};
    use crate::postgres::shared::GROUP;
    use serde_json::{Value, json};

    fn table(schema: &str, name: &str, owner: &str, more: &Value) -> Value {
        let mut table = json!({
            "oid": 7, "schema": schema, "name": name, "kind": "r", "owner": owner, "ours": true, "ownerSuperuser": false,
            "enabled": false, "forced": false, "partition": false, "parents": [],
            "columns": {"tenant_id": {"type": "uuid", "notNull": true}}, "grants": [], "columnGrants": [], "policies": [],
            "indexes": [{"name": "i", "unique": false, "primary": false, "exclusion": false, "usable": true, "columns": ["tenant_id"]}],
            "references": [],
            "sequences": [{"oid": 8, "schema": schema, "name": "s", "grants": []}],
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            table[key] = value.clone();
        }
        table
    }

    /// A database whose group is there, and nothing else of the operator's.
    fn observed(tables: &[Value]) -> ObservedDatabase {
        let role = |oid: i64, reaches: &[&str]| {
            json!({"oid": oid, "login": false, "inherit": true, "superuser": false, "bypassRls": false, "createRole": false,
                   "memberOf": [], "members": [], "reaches": reaches})
        };
        serde_json::from_value(json!({
            "version": 160_000, "readOnly": false, "admin": "operator", "group": GROUP, "superuser": false, "canCreate": true, "canAdmit": true,
            "roles": {GROUP: role(5, &[]), "app": role(6, &[])},
            "schemas": {"app": {"owner": "o", "ours": true, "ownerSuperuser": false, "grants": []}},
            "tables": tables, "views": [], "functions": [], "defaults": [], "holdings": [], "named": [],
            "tenants": {}, "logins": {}, "records": [],
        }))
        .expect("as the query brings it")
    }

    /// The statements for a spec of one table `app."it's"`, after the registry's.
    fn statements(observed: &mut ObservedDatabase, mark: i64) -> Plan {
        let spec = SharedTables {
            database: "d".into(),
            schema: "app".into(),
            tables: vec!["*".into()],
            type_: Some(TenantColumnType::Uuid),
            application_roles: vec!["app".into(), "missing".into()],
            ..SharedTables::default()
        };
        let entries = [Entry::of(&spec).expect("valid")];
        let name = |name| Identifier::new(name).expect("valid");
        let wanted = Wanted {
            database: &name("d"),
            entries: &entries,
            rows: &[],
            group: &name(GROUP),
            mark: Some(mark),
            stuck: false,
        };
        plan(&wanted, &Catalog::default(), observed)
    }

    #[test]
    fn the_registry_comes_before_any_table() {
        let plan = statements(&mut observed(&[table("app", "it's", "o", &Value::Null)]), 5);
        assert_eq!(plan.works.len(), 1);
        assert_eq!(plan.works[0].object, "d/tenant_registry");
        assert_eq!((plan.protected, plan.closed), (0, 1));
        let first = plan.works[0].statements.iter().take(4).map(ToString::to_string);
        assert!(first.into_iter().all(|statement| statement.starts_with("CREATE ")));
    }

    #[test]
    fn nothing_is_granted_to_a_group_of_somebody_elses() {
        let plan = statements(&mut observed(&[table("app", "it's", "o", &Value::Null)]), 4);
        assert!(plan.is_quiet());
        assert!(plan.findings.iter().any(|finding| finding.object == GROUP));
    }

    #[test]
    fn grants_come_last_and_are_taken_back_where_they_stand_unprotected() {
        let mut observed = observed(&[]);
        let open = json!({"grants": [{"grantee": GROUP, "privilege": "SELECT", "grantable": false}]});
        observed.tables = vec![serde_json::from_value(table("app", "it's", "o", &open)).expect("valid")];
        let spec = SharedTables {
            schema: "app".into(),
            tables: vec!["*".into()],
            application_roles: vec!["app".into()],
            ..SharedTables::default()
        };
        let entries = [Entry::of(&spec).expect("valid")];
        let (database, group) = (
            Identifier::new("d").expect("valid"),
            Identifier::new(GROUP).expect("valid"),
        );
        let wanted = Wanted {
            database: &database,
            entries: &entries,
            rows: &[],
            group: &group,
            mark: Some(5),
            stuck: false,
        };
        let mut findings = Vec::new();
        let chosen = choose("d", &entries, &observed, &mut findings);
        let mut plan = Plan::default();
        tables(&wanted, &observed, &chosen, &mut plan);
        let work = plan
            .works
            .iter()
            .find(|work| work.object == "d/app.it's")
            .expect("there");
        let lines: Vec<String> = work.statements.iter().map(ToString::to_string).collect();
        // The record of a policy follows its statement.
        let shown: Vec<&str> = lines
            .iter()
            .map(String::as_str)
            .filter(|line| !line.contains("tenant_registry.policy"))
            .collect();
        let rows = r#""tenant_id" = (SELECT CASE WHEN pg_has_role(to_regrole('"app"')::oid, 'USAGE') THEN nullif(current_setting('app.current_tenant_id', true), '')::uuid ELSE (SELECT l.tenant_id FROM tenant_registry.login l WHERE l.role = current_user) END)"#;
        assert_eq!(
            shown,
            [
                r#"ALTER TABLE "app"."it's" ENABLE ROW LEVEL SECURITY"#,
                r#"ALTER TABLE "app"."it's" FORCE ROW LEVEL SECURITY"#,
                format!(
                    r#"CREATE POLICY "tenant_operator_tenant" ON "app"."it's" FOR ALL TO PUBLIC USING ({rows}) WITH CHECK ({rows})"#
                )
                .as_str(),
                r#"CREATE POLICY "tenant_operator_operator" ON "app"."it's" FOR ALL TO "operator" USING (true) WITH CHECK (false)"#,
                r#"SELECT 1 / (SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND oid = 7 AND oid = '"app"."it''s"'::regclass)"#,
                r#"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "app"."it's" TO "tenant_operator_tenants""#,
                r#"GRANT USAGE ON SEQUENCE "app"."s" TO "tenant_operator_tenants""#,
            ]
        );
        let otherwise: Vec<String> = work.otherwise.iter().map(ToString::to_string).collect();
        assert_eq!(
            otherwise,
            ["REVOKE ALL ON TABLE \"app\".\"it's\" FROM \"tenant_operator_tenants\""]
        );
    }
}
