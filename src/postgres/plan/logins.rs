//! The tenant's two logins: their attributes, the databases that they may connect to, and the role they act as.

use super::roles::{as_member, grant_role};
use super::{EXTENSIONS, PUBLIC, Place, Plan, terminate, well_known};
use crate::postgres::catalog::{Membership, Role};
use crate::postgres::sql::{Literal, list};
use crate::postgres::{Identifier, Statement};
use crate::sql;
use std::sync::Arc;

/// The revision of an owner role while the logins' sessions still may act as another role than they should.
pub(super) const CHANGING: &str = "changing";

/// Settings that are the operator's to set, or to leave unset.
const MANAGED: &[&str] = &[
    "role",
    "session_authorization",
    "search_path",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "work_mem",
];

impl Plan<'_> {
    /// Returns true if sessions of the logins may act as another role than new ones will.
    pub(super) fn changing(&self) -> bool {
        let names = &self.wanted.names;
        let mark = self.catalog.mark("role", names.owner.as_str());
        self.changes_hands() || mark.is_some_and(|mark| mark.revision.as_deref() == Some(CHANGING))
    }

    /// Returns true if some login acted as another role until now.
    fn changes_hands(&self) -> bool {
        let names = &self.wanted.names;
        let acting = format!("role={}", self.wanted.acting().as_str());
        let acts_otherwise = |role: &Arc<Role>| {
            let mut settings = role.settings.iter().filter(|setting| setting.database.is_none());
            settings.any(|setting| setting.setting.starts_with("role=") && setting.setting != acting)
        };
        let mut logins = names.logins.iter();
        let reads_first = self.wanted.reads_only() && !self.catalog.roles.contains_key(names.reader.as_str());
        reads_first || logins.any(|login| self.catalog.roles.get(login.as_str()).is_some_and(acts_otherwise))
    }

    /// Records the change of logins in the same transaction, so that a later pass completes it.
    pub(super) fn announce(&mut self) {
        let owner = &self.wanted.names.owner;
        if self.changes_hands() {
            self.records(sql![
                "UPDATE tenant_operator.object SET revision = ",
                Literal(CHANGING),
                " WHERE kind = 'role' AND name = ",
                Literal(owner.as_str())
            ]);
        }
    }

    /// Ends sessions with the former role. No session then creates objects that the reader could not read.
    pub(super) fn hand_over(&mut self) {
        let (names, catalog) = (&self.wanted.names, self.catalog);
        if !self.changing() {
            return;
        }
        for login in &names.logins {
            if catalog.roles.contains_key(login.as_str()) {
                self.alone(terminate(login));
            }
        }
        if self.wanted.reads_only() {
            match &self.wanted.place {
                Place::Schema => {
                    for statement in self.reading(&names.place) {
                        self.records(statement);
                    }
                }
                Place::Database if catalog.databases.contains_key(names.place.as_str()) => {
                    let public = well_known(PUBLIC);
                    let later = self.wanted.applications.is_some().then(|| self.reading_later(&public));
                    for statement in self.reading(&public).into_iter().chain(later) {
                        self.inside(&names.place, statement);
                    }
                }
                // Once it is there.
                Place::Database => return,
                Place::Shared(_) => {}
            }
        }
        self.records(sql![
            "UPDATE tenant_operator.object SET revision = NULL WHERE kind = 'role' AND name = ",
            Literal(names.owner.as_str())
        ]);
    }

    /// Grants the reader's privileges on the current tables of a schema; there are no new tables while it acts.
    fn reading(&self, schema: &Identifier) -> Vec<Statement> {
        let reader = &self.wanted.names.reader;
        let mut statements = vec![
            sql!["GRANT USAGE ON SCHEMA ", schema, " TO ", reader],
            sql![
                "GRANT SELECT, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA ",
                schema,
                " TO ",
                reader
            ],
        ];
        if !self.wanted.extensions.is_empty() {
            let extensions = well_known(EXTENSIONS);
            statements.push(sql!["GRANT USAGE ON SCHEMA ", &extensions, " TO ", reader]);
        }
        statements
    }

    /// One of the roles that log in. By itself it may do nothing but become the owner.
    pub(super) fn login(&mut self, which: usize) {
        let (wanted, catalog) = (self.wanted, self.catalog);
        let login = &wanted.names.logins[which];
        let acting = wanted.acting();
        let state = &wanted.logins[which];
        let found = catalog.roles.get(login.as_str()).map(Arc::as_ref);
        let limit = i64::from(wanted.connection_limit);
        match found {
            None if !state.open => return,
            None => {
                self.records(sql![
                    "CREATE ROLE ",
                    login,
                    " NOLOGIN NOINHERIT CONNECTION LIMIT ",
                    limit
                ]);
                self.mark("role", login);
            }
            Some(role) => {
                if role.login && !state.open {
                    // A session that has changed its own role, and not said whether it means it, keeps others from it.
                    if let Some(membership) = as_member(catalog, login) {
                        self.records(membership);
                    }
                    self.records(terminate(login));
                }
                self.attributes(login, role, false);
                if role.connection_limit != wanted.connection_limit {
                    self.records(sql!["ALTER ROLE ", login, " CONNECTION LIMIT ", limit]);
                }
                if role.expires {
                    self.records(sql!["ALTER ROLE ", login, " VALID UNTIL 'infinity'"]);
                }
            }
        }
        self.admin_membership(login);
        self.only_member_of(login, Some(acting));
        let becomes = |member: &Membership| member.role == acting.as_str() && self.becomes(member);
        if !found.is_some_and(|role| role.member_of.iter().any(becomes)) {
            self.records(grant_role(catalog, acting, sql![login], false));
        }
        self.only_members(login);
        self.settings(login, found);
        self.connect(login);
        self.reassign(login, found);
        if let Some(verifier) = &state.password {
            self.records(sql!["ALTER ROLE ", login, " PASSWORD ", verifier]);
        }
        let is_open = found.is_some_and(|role| role.login);
        if state.open != is_open {
            let attribute = if state.open { " LOGIN" } else { " NOLOGIN" };
            self.records(sql!["ALTER ROLE ", login, attribute]);
        }
    }

    /// Reassigns to the owner objects that a login owns because it acted as itself.
    fn reassign(&mut self, login: &Identifier, found: Option<&Role>) {
        let (names, catalog) = (&self.wanted.names, self.catalog);
        let holdings = found.map(|role| role.holdings.as_slice());
        for holding in holdings.into_iter().flatten().filter(|holding| holding.owns) {
            let statement = sql!["REASSIGN OWNED BY ", login, " TO ", &names.owner];
            if holding.database == catalog.database {
                self.records(statement);
            } else if holding.database == names.place.as_str() {
                self.inside(&names.place, statement);
            }
        }
    }

    /// The session's defaults. Those of the login's own that are none of ours stay.
    fn settings(&mut self, login: &Identifier, found: Option<&Role>) {
        let acting = self.wanted.acting();
        let path = self.search_path();
        let names = |names: &[Identifier]| {
            names
                .iter()
                .map(|name| stored(name.as_str()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut wanted: Vec<(&'static str, String, Statement)> = vec![
            ("role", acting.as_str().to_string(), sql![acting]),
            ("search_path", names(&path), list(&path)),
        ];
        for (name, value) in &self.wanted.settings {
            wanted.push((name, value.clone(), sql![Literal(value)]));
        }
        let settings = found.map_or(&[][..], |role| &role.settings);
        let value = |name: &str| {
            let everywhere = settings.iter().filter(|setting| setting.database.is_none());
            everywhere
                .filter_map(|setting| setting.setting.split_once('='))
                .find_map(|(key, value)| (key == name).then_some(value))
        };
        for (name, expected, statement) in &wanted {
            if value(name) != Some(expected) {
                self.records(sql!["ALTER ROLE ", login, " SET ", *name, " TO "].join(statement.clone()));
            }
        }
        for name in MANAGED {
            if value(name).is_some() && !wanted.iter().any(|(wanted, _, _)| wanted == name) {
                self.records(sql!["ALTER ROLE ", login, " RESET ", *name]);
            }
        }
        // One that holds in a single database outdoes the general one.
        for setting in settings {
            let (Some(database), Some((found, _))) = (&setting.database, setting.setting.split_once('=')) else {
                continue;
            };
            let name = MANAGED.iter().find(|name| **name == found);
            if let (Some(name), Ok(database)) = (name, Identifier::new(&**database)) {
                self.records(sql!["ALTER ROLE ", login, " IN DATABASE ", &database, " RESET ", *name]);
            }
        }
    }

    fn search_path(&self) -> Vec<Identifier> {
        let place = &self.wanted.names.place;
        let own = match &self.wanted.place {
            Place::Schema => place.clone(),
            Place::Database => well_known(PUBLIC),
            Place::Shared(shared) => return shared.search_path.clone(),
        };
        let extensions = (!self.wanted.extensions.is_empty()).then(|| well_known(EXTENSIONS));
        std::iter::once(own).chain(extensions).collect()
    }

    /// Each login has its own right to connect: it inherits nothing.
    fn connect(&mut self, login: &Identifier) {
        for database in self.databases() {
            let found = self.catalog.databases.get(database.as_str());
            if !found.is_some_and(|found| found.grants(Some(login.as_str()), "CONNECT")) {
                self.records(sql!["GRANT CONNECT ON DATABASE ", &database, " TO ", login]);
            }
        }
    }

    /// The databases that are open to the logins.
    fn databases(&self) -> Vec<Identifier> {
        let (place, catalog) = (&self.wanted.names.place, self.catalog);
        match &self.wanted.place {
            Place::Schema => Identifier::new(catalog.database.as_str()).into_iter().collect(),
            // That of its own is opened when it is there.
            Place::Database if catalog.databases.contains_key(place.as_str()) => vec![place.clone()],
            Place::Database => Vec::new(),
            Place::Shared(shared) => shared.databases.clone(),
        }
    }

    /// Revokes grants in databases that do not belong to the tenant any more.
    pub(super) fn leave_other_databases(&mut self) {
        let (names, catalog, here) = (&self.wanted.names, self.catalog, self.databases());
        for (name, found) in &catalog.databases {
            let Ok(database) = Identifier::new(&**name) else {
                continue;
            };
            if here.contains(&database) || database == names.place {
                continue;
            }
            for role in names.roles() {
                if found
                    .grants
                    .iter()
                    .any(|grant| grant.grantee.as_deref() == Some(role.as_str()))
                {
                    let statement = sql!["REVOKE ALL ON DATABASE ", &database, " FROM ", role, " CASCADE"];
                    // A role cannot revoke another's grants.
                    match catalog.admin.superuser || found.owner == catalog.admin.name {
                        true => self.records(statement),
                        false => self.try_last(statement),
                    }
                }
            }
        }
    }

    /// Ends sessions from the time before the login was closed.
    pub(super) fn end_sessions(&mut self, which: usize) {
        let login = &self.wanted.names.logins[which];
        let Some(role) = self.catalog.roles.get(login.as_str()) else {
            return;
        };
        let closes = !self.wanted.logins[which].open && (role.login || role.sessions > 0);
        if closes && !self.changing() {
            self.alone(terminate(login));
        }
    }
}

/// A name as PostgreSQL keeps it in a list: quoted only where it must be.
fn stored(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    match starts && name.bytes().all(plain) {
        true => name.to_string(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}
