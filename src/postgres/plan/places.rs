//! A tenant's schema or database: its owner, privileges and extensions.

use super::{EXTENSIONS, PUBLIC, Place, Plan, Step, Venue, Wanted, begun, well_known, whom};
use crate::postgres::catalog::{self, Catalog, Grant};
use crate::postgres::sql::Literal;
use crate::postgres::text::Text;
use crate::postgres::{Identifier, Names, Statement};
use crate::sql;
use std::collections::BTreeSet;

/// The first word of a revision: another one sets every database up again.
const LAYOUT: &str = "1";

/// A tenant's schema or database that the operator made, and that the server does not have under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingPlace<'a> {
    pub kind: &'static str,
    pub name: &'a str,
    /// OID of the object, which may have another name now.
    pub oid: i64,
}

/// Returns the place of a tenant's data if somebody dropped or renamed it.
pub fn missing_place<'a>(wanted: &'a Wanted, catalog: &Catalog) -> Option<MissingPlace<'a>> {
    let (kind, places) = match wanted.place {
        Place::Schema => ("schema", &catalog.schemas),
        Place::Database => ("database", &catalog.databases),
        Place::Shared(_) => return None,
    };
    let name = wanted.names.place.as_str();
    let mark = catalog
        .mark(kind, name)
        .filter(|mark| *mark.tenant_id == *wanted.tenant_id)?;
    (!places.contains_key(name)).then_some(MissingPlace {
        kind,
        name,
        oid: mark.oid,
    })
}

impl Plan<'_> {
    pub(super) fn schema(&mut self) {
        let (wanted, catalog) = (self.wanted, self.catalog);
        let (schema, owner) = (&wanted.names.place, &wanted.names.owner);
        let found = catalog.schemas.get(schema.as_str());
        if found.is_none() {
            // The operator's own: its tenant can let nobody else in.
            self.records(sql!["CREATE SCHEMA ", schema]);
            self.mark("schema", schema);
        }
        let grants = found.map_or(&[][..], |found| &found.grants);
        self.own(sql!["ALTER SCHEMA ", schema], found);
        self.grants_of_schema(schema, owner, grants);
        self.of_database(&catalog.database);
        let shared = catalog.schemas.get(EXTENSIONS);
        let uses = shared.is_some_and(|shared| shared.grants(Some(owner.as_str()), "USAGE"));
        let extensions = well_known(EXTENSIONS);
        if wanted.extensions.is_empty() {
            if uses {
                self.records(sql!["REVOKE ALL ON SCHEMA ", &extensions, " FROM ", owner]);
            }
            return;
        }
        if shared.is_none() {
            self.records(sql!["CREATE SCHEMA IF NOT EXISTS ", &extensions]);
        }
        if !uses {
            self.records(sql!["GRANT USAGE ON SCHEMA ", &extensions, " TO ", owner]);
        }
        for extension in &wanted.extensions {
            let is = |installed: &String| installed == extension.as_str();
            if !catalog.extensions.iter().any(is) {
                self.try_last(create_extension(extension));
            }
        }
    }

    /// The place is the operator's own, so that its tenant can let nobody else in.
    fn own(&mut self, alter: Statement, found: Option<&catalog::Place>) {
        let admin = &self.catalog.admin;
        let Some(found) = found.filter(|found| found.owner != admin.name && !found.owner.is_empty()) else {
            return;
        };
        let statement = alter.join(sql![" OWNER TO CURRENT_USER"]);
        let ours = self
            .wanted
            .names
            .roles()
            .iter()
            .any(|role| found.owner == role.as_str());
        match admin.superuser || ours {
            true => self.records(statement),
            false => self.try_last(statement),
        }
    }

    /// In the database that the tenant works in its logins may connect, its owner may make temporary tables, and no more.
    fn of_database(&mut self, name: &str) {
        let (names, catalog) = (&self.wanted.names, self.catalog);
        let Ok(database) = Identifier::new(name) else {
            return;
        };
        let owner = &names.owner;
        let found = catalog.databases.get(name);
        if !found.is_some_and(|found| found.grants(Some(owner.as_str()), "TEMPORARY")) {
            self.records(sql!["GRANT TEMPORARY ON DATABASE ", &database, " TO ", owner]);
        }
        for grant in found.into_iter().flat_map(|found| &found.grants) {
            let Some(role) = names
                .roles()
                .into_iter()
                .find(|role| grant.grantee.as_deref() == Some(role.as_str()))
            else {
                continue;
            };
            let (wanted, privilege) = match &*grant.privilege {
                "CONNECT" => (names.logins.contains(role), "CONNECT"),
                "TEMPORARY" => (role == owner, "TEMPORARY"),
                "CREATE" => (false, "CREATE"),
                _ => continue,
            };
            let what = sql![privilege, " ON DATABASE ", &database, " FROM ", role, " CASCADE"];
            if !wanted {
                self.records(sql!["REVOKE "].join(what));
            } else if grant.grantable {
                self.records(sql!["REVOKE GRANT OPTION FOR "].join(what));
            }
        }
    }

    /// The owner role may use the schema and make things in it, and nobody else.
    fn grants_of_schema(&mut self, schema: &Identifier, owner: &Identifier, grants: &[Grant]) {
        let has = |privilege: &str| {
            grants.iter().any(|grant| {
                grant.grantee.as_deref() == Some(owner.as_str()) && grant.privilege == privilege && !grant.grantable
            })
        };
        let grantable = |grant: &&Grant| grant.grantable && grant.grantee.as_deref() == Some(owner.as_str());
        if grants.iter().any(|grant| grantable(&grant)) {
            self.records(sql![
                "REVOKE GRANT OPTION FOR ALL ON SCHEMA ",
                schema,
                " FROM ",
                owner,
                " CASCADE"
            ]);
        }
        if !(has("USAGE") && has("CREATE")) {
            self.records(sql!["GRANT USAGE, CREATE ON SCHEMA ", schema, " TO ", owner]);
        }
        let reader = &self.wanted.names.reader;
        let makes = |grant: &Grant| grant.grantee.as_deref() == Some(reader.as_str()) && grant.privilege == "CREATE";
        if grants.iter().any(makes) {
            self.records(sql!["REVOKE CREATE ON SCHEMA ", schema, " FROM ", reader, " CASCADE"]);
        }
        self.revoke_others(sql![" ON SCHEMA ", schema], owner, grants);
    }

    fn revoke_others(&mut self, what: Statement, owner: &Identifier, grants: &[Grant]) {
        let mut others: Vec<&Option<Text>> = grants
            .iter()
            .map(|grant| &grant.grantee)
            .filter(|grantee| grantee.as_deref() != Some(owner.as_str()))
            .filter(|grantee| grantee.as_deref() != Some(self.wanted.names.reader.as_str()))
            .collect();
        others.sort();
        others.dedup();
        for other in others {
            let Some(whom) = whom(other.as_deref()) else {
                continue;
            };
            self.records(
                sql!["REVOKE ALL"]
                    .join(what.clone())
                    .join(sql![" FROM "])
                    .join(whom)
                    .and([" CASCADE".into()]),
            );
        }
    }

    /// Makes a database under a name that nobody can guess, so that a database with the final name is surely ours.
    pub(super) fn database(&mut self) {
        let (wanted, catalog) = (self.wanted, self.catalog);
        let (name, owner) = (&wanted.names.place, &wanted.names.owner);
        let Some(found) = catalog.databases.get(name.as_str()) else {
            let Some(intent) = catalog.intents.get(name.as_str()) else {
                return self.records(sql![
                    "INSERT INTO tenant_operator.intent (name, tenant_id) VALUES (",
                    Literal(name.as_str()),
                    ", ",
                    Literal(&wanted.tenant_id),
                    ")"
                ]);
            };
            let Ok(new) = Identifier::new(intent.database()) else {
                return;
            };
            if begun(catalog, intent).is_none() {
                return self.alone(sql![
                    "CREATE DATABASE ",
                    &new,
                    " TEMPLATE template0 ALLOW_CONNECTIONS false"
                ]);
            }
            self.records(sql!["ALTER DATABASE ", &new, " RENAME TO ", name]);
            self.records(sql!["REVOKE ALL ON DATABASE ", name, " FROM PUBLIC"]);
            self.records(sql!["ALTER DATABASE ", name, " ALLOW_CONNECTIONS true"]);
            self.mark("database", name);
            return self.records(sql![
                "DELETE FROM tenant_operator.intent WHERE name = ",
                Literal(name.as_str())
            ]);
        };
        if !found.open {
            self.records(sql!["ALTER DATABASE ", name, " ALLOW_CONNECTIONS true"]);
        }
        self.own(sql!["ALTER DATABASE ", name], Some(found));
        self.of_database(name.as_str());
        let strangers: Vec<Grant> = found
            .grants
            .iter()
            .filter(|grant| {
                let ours = |name: &str| wanted.names.roles().iter().any(|role| role.as_str() == name);
                let serves = |name: &str| {
                    let mut applications = wanted.applications.iter().flatten();
                    applications.any(|login| login.as_str() == name) && grant.privilege == "CONNECT" && !grant.grantable
                };
                !grant.grantee.as_deref().is_some_and(|name| ours(name) || serves(name))
            })
            .cloned()
            .collect();
        self.revoke_others(sql![" ON DATABASE ", name], owner, &strangers);
        let public = well_known(PUBLIC);
        let revision = self.revision();
        let mark = catalog.mark("database", name.as_str());
        if mark.is_none_or(|mark| mark.revision.as_deref() == Some(&revision)) {
            return;
        }
        // Up to 14 this schema is the superuser's and open to all who may connect: then both change nothing.
        self.inside(name, sql!["REVOKE ALL ON SCHEMA ", &public, " FROM PUBLIC"]);
        self.inside(name, sql!["GRANT USAGE, CREATE ON SCHEMA ", &public, " TO ", owner]);
        let inside = |statement| Step {
            venue: Venue::Inside(name.clone()),
            statement,
        };
        if !wanted.extensions.is_empty() {
            // Where the tenant can make nothing that an extension's script would take for something else.
            let extensions = well_known(EXTENSIONS);
            self.last
                .push(inside(sql!["CREATE SCHEMA IF NOT EXISTS ", &extensions]));
            self.last
                .push(inside(sql!["GRANT USAGE ON SCHEMA ", &extensions, " TO ", owner]));
        }
        for extension in &wanted.extensions {
            self.last.push(inside(create_extension(extension)));
        }
        self.last.push(Step {
            venue: Venue::Records,
            statement: sql![
                "UPDATE tenant_operator.object SET revision = ",
                Literal(&revision),
                " WHERE kind = 'database' AND name = ",
                Literal(name.as_str())
            ],
        });
    }

    /// Revision of the database's last setup.
    fn revision(&self) -> String {
        let mut names: Vec<&str> = self.wanted.extensions.iter().map(Identifier::as_str).collect();
        names.sort_unstable();
        format!("{LAYOUT} {}", names.join(" "))
    }
}

/// Returns the extensions that are installed where a tenant's data is.
pub fn installed(place: &Place, names: &Names, catalog: &Catalog) -> BTreeSet<String> {
    match place {
        Place::Schema | Place::Shared(_) => catalog.extensions.iter().cloned().collect(),
        Place::Database => {
            let mark = catalog.mark("database", names.place.as_str());
            let revision = mark.and_then(|mark| mark.revision.as_deref()).unwrap_or_default();
            let names = revision.split(' ').skip(1).filter(|name| !name.is_empty());
            // Every database has this one.
            names.chain(["plpgsql"]).map(String::from).collect()
        }
    }
}

/// Returns the statement that installs an extension.
pub fn create_extension(extension: &Identifier) -> Statement {
    let extensions = well_known(EXTENSIONS);
    sql!["CREATE EXTENSION IF NOT EXISTS ", extension, " SCHEMA ", &extensions]
}
