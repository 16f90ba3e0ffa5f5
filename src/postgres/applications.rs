//! The platform's logins that act for tenants: what such a login may be, and its right to connect to the database of all schemas. Pure.

use super::catalog::Catalog;
use super::plan::{PUBLIC, Place, Step, Venue};
use super::sql::Literal;
use super::version::{PG_15, PG_16};
use super::{Identifier, Statement};
use crate::sql;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Reads the logins of these names; see the file.
pub const QUERY: &str = include_str!("applications.sql");

/// The prefix of the record that the operator let a login connect.
const MARK: &str = "connect@";

/// The logins that exist, by name.
pub type Logins = BTreeMap<String, ApplicationLogin>;

/// A login of the platform's.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationLogin {
    pub oid: i64,
    pub inherit: bool,
    /// Attributes that reach more than one tenant.
    pub attributes: Vec<String>,
    /// Roles that it can act as, and that reach more than one tenant.
    pub reaches: Vec<String>,
    /// Roles that can act as it.
    pub members: Vec<String>,
    pub owns_records: bool,
    /// True if it was granted the right to connect to the database of the operator's records.
    pub connects: bool,
}

/// Returns the reason why a login may become no tenant, and what to do about it.
pub fn refusal(
    name: &Identifier,
    login: Option<&ApplicationLogin>,
    place: &Place,
    catalog: &Catalog,
) -> Option<String> {
    let Some(login) = login else {
        return Some(format!(
            "does not exist: create it (CREATE ROLE {name} LOGIN NOINHERIT)"
        ));
    };
    let all = |names: &[String]| names.join(", ");
    if !login.attributes.is_empty() {
        let without: Vec<String> = login.attributes.iter().map(|name| format!("NO{name}")).collect();
        return Some(format!(
            "has {}, and so reaches tenants that it does not serve: take this from it (ALTER ROLE {name} {})",
            all(&login.attributes),
            without.join(" ")
        ));
    }
    if login.owns_records {
        return Some("owns the database of the operator's records: make the operator's role its owner".into());
    }
    if !login.reaches.is_empty() {
        return Some(format!(
            "can act as {}, and so reaches tenants that it does not serve: revoke these roles from it",
            all(&login.reaches)
        ));
    }
    if !login.members.is_empty() {
        return Some(format!(
            "has the members {}, which could become every tenant through it: revoke it from them",
            all(&login.members)
        ));
    }
    if catalog.version < PG_16 && login.inherit {
        return Some(format!(
            "has INHERIT, and so would have the rights of all its tenants at once before PostgreSQL 16: execute ALTER ROLE {name} NOINHERIT"
        ));
    }
    open_schema(place, catalog)
}

/// Returns the reason why a tenant could make functions where the application's sessions may find them. They would run as the application, which may become
/// other tenants too.
fn open_schema(place: &Place, catalog: &Catalog) -> Option<String> {
    let public = catalog.schemas.get(PUBLIC);
    match place {
        Place::Schema if public.is_some_and(|public| public.grants(None, "CREATE")) => Some(format!(
            "cannot become a tenant while schema public of database {} is open to all tenants: a superuser must execute what \
             tenant-operator database-script prints",
            catalog.database
        )),
        Place::Database if catalog.version < PG_15 && !catalog.admin.superuser => Some(
            "cannot become a tenant with a database of its own: before PostgreSQL 15 the operator's role cannot close that \
             database's schema public; use a newer server, or the database model Schema"
                .into(),
        ),
        _ => None,
    }
}

/// Lets a login connect to the database of the operator's records, and records that it was the operator.
///
/// # Errors
/// A database whose name cannot stand in a statement.
pub fn admit(login: &Identifier, records: &str) -> Result<Vec<Step>, super::identifier::InvalidIdentifier> {
    let database = Identifier::new(records)?;
    Ok(vec![
        step(sql!["GRANT CONNECT ON DATABASE ", &database, " TO ", login]),
        step(sql![
            "INSERT INTO tenant_operator.object (tenant_id, kind, oid, name) SELECT '', 'role', oid, ",
            Literal(format!("{MARK}{}", login.as_str())),
            " FROM pg_roles WHERE rolname = ",
            Literal(login.as_str()),
            " ON CONFLICT (kind, name) DO UPDATE SET oid = excluded.oid"
        ]),
    ])
}

/// The logins that the operator let connect.
pub fn admitted(catalog: &Catalog) -> Vec<&str> {
    let marks = catalog.marks.iter().filter(|(_, mark)| mark.tenant_id.is_empty());
    marks.filter_map(|((_, name), _)| name.strip_prefix(MARK)).collect()
}

/// Takes the right to connect from logins that the operator let connect, and that serve no tenant any more.
pub fn dismissals(catalog: &Catalog, logins: &Logins) -> Vec<Step> {
    let mut steps = Vec::new();
    let serves = |name: &str| {
        let mut members = catalog.roles.values().flat_map(|role| &role.members);
        members.any(|member| member.role == name)
    };
    for name in admitted(catalog).into_iter().filter(|name| !serves(name)) {
        let mark = catalog.mark("role", &format!("{MARK}{name}")).map(|mark| mark.oid);
        let is_same = logins.get(name).is_some_and(|login| Some(login.oid) == mark);
        let names = (Identifier::new(name), Identifier::new(catalog.database.as_str()));
        if let (true, (Ok(login), Ok(database))) = (is_same, names) {
            steps.push(step(sql!["REVOKE CONNECT ON DATABASE ", &database, " FROM ", &login]));
        }
        steps.push(step(sql![
            "DELETE FROM tenant_operator.object WHERE kind = 'role' AND tenant_id = '' AND name = ",
            Literal(format!("{MARK}{name}"))
        ]));
    }
    steps
}

fn step(statement: Statement) -> Step {
    Step {
        venue: Venue::Records,
        statement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::catalog::{Grant, Mark, Membership, Place as Found, Role};
    use std::sync::Arc;

    fn login() -> ApplicationLogin {
        ApplicationLogin {
            oid: 7,
            ..ApplicationLogin::default()
        }
    }

    #[test]
    fn only_a_login_that_reaches_nothing_else_may_become_a_tenant() {
        let name = Identifier::new("Shop").expect("valid");
        let server = |version| Catalog {
            version,
            ..Catalog::default()
        };
        let refusal =
            |login: Option<&ApplicationLogin>, version| refusal(&name, login, &Place::Schema, &server(version));
        assert_eq!(refusal(Some(&login()), PG_15), None);
        let says = |login: Option<ApplicationLogin>, version, words: &str| {
            let why = refusal(login.as_ref(), version).expect(words);
            assert!(why.contains(words), "{words}: {why}");
        };
        says(None, PG_16, "CREATE ROLE \"Shop\" LOGIN NOINHERIT");
        type Change = fn(&mut ApplicationLogin);
        let table: [(Change, &str); 4] = [
            (
                |login| login.attributes = vec!["BYPASSRLS".into(), "SUPERUSER".into()],
                "ALTER ROLE \"Shop\" NOBYPASSRLS NOSUPERUSER",
            ),
            (
                |login| login.reaches = vec!["pg_read_all_data".into()],
                "can act as pg_read_all_data",
            ),
            (|login| login.members = vec!["intern".into()], "has the members intern"),
            (|login| login.owns_records = true, "owns the database"),
        ];
        for (change, words) in table {
            let mut mighty = login();
            change(&mut mighty);
            says(Some(mighty), PG_16, words);
        }
        let inherits = ApplicationLogin {
            inherit: true,
            ..login()
        };
        assert_eq!(refusal(Some(&inherits), PG_16), None, "each grant has its own option");
        says(Some(inherits), PG_15, "execute ALTER ROLE \"Shop\" NOINHERIT");
    }

    #[test]
    fn no_application_comes_where_a_tenant_can_make_functions() {
        let name = Identifier::new("shop").expect("valid");
        let refusal = |place, catalog: &Catalog| refusal(&name, Some(&login()), &place, catalog).unwrap_or_default();
        let mut catalog = Catalog {
            version: PG_15 - 1,
            ..Catalog::default()
        };
        assert!(refusal(Place::Database, &catalog).contains("before PostgreSQL 15"));
        assert_eq!(refusal(Place::Schema, &catalog), "");
        catalog.admin.superuser = true;
        assert_eq!(refusal(Place::Database, &catalog), "");
        let grant = Grant {
            grantee: None,
            privilege: "CREATE".into(),
            grantable: false,
        };
        let public = Found {
            grants: vec![grant],
            ..Found::default()
        };
        catalog.schemas.insert("public".into(), public);
        assert!(refusal(Place::Schema, &catalog).contains("database-script"));
    }

    #[test]
    fn a_login_that_serves_nobody_cannot_connect_any_more() {
        let mut catalog = Catalog {
            database: "tenants".into(),
            ..Catalog::default()
        };
        for name in ["shop", "crm", "gone", "another's"] {
            let mark = Mark {
                oid: 7,
                tenant_id: "".into(),
                revision: None,
            };
            let key = ("role".into(), format!("connect@{name}").as_str().into());
            catalog.marks.insert(key, mark);
        }
        let member = Membership {
            role: "crm".into(),
            grantor: None,
            admin: false,
            inherit: false,
            set: true,
        };
        let owner = Role {
            members: vec![member],
            ..Role::default()
        };
        catalog.roles.insert("t_1".into(), Arc::new(owner));
        let another = ApplicationLogin { oid: 8, ..login() };
        let logins = [("shop", login()), ("crm", login()), ("another's", another)];
        let logins: Logins = logins.map(|(name, login)| (name.to_string(), login)).into();
        let mut steps: Vec<String> = dismissals(&catalog, &logins)
            .iter()
            .map(|step| step.statement.to_string())
            .collect();
        steps.sort();
        assert_eq!(steps.len(), 4, "{steps:#?}");
        assert!(steps[0].ends_with("'connect@another''s'"), "{}", steps[0]);
        assert!(steps[1].ends_with("'connect@gone'"), "{}", steps[1]);
        assert!(steps[2].ends_with("'connect@shop'"), "{}", steps[2]);
        assert_eq!(steps[3], "REVOKE CONNECT ON DATABASE \"tenants\" FROM \"shop\"");
    }
}
