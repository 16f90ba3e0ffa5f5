//! Observed catalog + wanted state → the statements between the two. Pure; every call looks at the whole truth, so that what
//! was left half done, or undone by others, comes out of it like what is new.

use super::catalog::{Catalog, Grant, Membership, Role};
use super::secret::Verifier;
use super::sql::Literal;
use super::{Identifier, Names, Statement};
use crate::sql;

/// The schema that shared extensions are installed in; nobody but the operator can make anything there.
pub const EXTENSIONS: &str = "extensions";
/// In a database of its own a tenant works in this schema.
pub const PUBLIC: &str = "public";

/// How a tenant's roles and place should be.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub tenant_id: String,
    pub names: Names,
    pub place: Place,
    pub logins: [Login; 2],
    /// Of each login.
    pub connection_limit: i32,
    /// Defaults of each session, `statement_timeout` and the like.
    pub settings: Vec<(&'static str, String)>,
    /// Of those that the server allows.
    pub extensions: Vec<Identifier>,
    /// Whether the logins may write.
    pub writable: bool,
}

/// Where a tenant's data lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A schema in the database of the operator's records.
    Schema,
    /// A database of its own.
    Database,
    /// Tables of the platform.
    Shared(Shared),
}

/// How a tenant reaches the platform's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The role that the tables are granted to; every tenant's owner role is a member.
    pub group: Identifier,
    /// The databases they are in.
    pub databases: Vec<Identifier>,
    /// The schemas they are in.
    pub search_path: Vec<Identifier>,
}

/// How one of the two logins should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// Whether it may log in. One that never could need not exist.
    pub open: bool,
    /// A new password.
    pub password: Option<Verifier>,
}

/// Where a statement is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Venue {
    /// In one transaction with its neighbours, in the database of the operator's records.
    Records,
    /// By itself, since PostgreSQL refuses it in a transaction.
    Alone,
    /// In one transaction with its neighbours, in this database.
    Inside(Identifier),
}

/// One statement and where it is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub venue: Venue,
    pub statement: Statement,
}

/// Something of a wanted name that is not marked as this tenant's.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error("{kind} {name} exists on the server and is not marked as this tenant's; it is left as it is")]
pub struct Conflict {
    pub kind: &'static str,
    pub name: String,
}

/// The statements that bring a tenant's part of a server nearer to what is wanted; none when it is. Not always all of them: to
/// be called again with what is observed after they were executed.
///
/// # Errors
/// What is not ours is left as it is.
pub fn plan(wanted: &Wanted, catalog: &Catalog) -> Result<Vec<Step>, Conflict> {
    ours(&wanted.names, &wanted.tenant_id, catalog)?;
    let mut plan = Plan {
        wanted,
        catalog,
        steps: Vec::new(),
    };
    plan.owner();
    plan.reader();
    for login in 0..2 {
        plan.login(login);
    }
    match &wanted.place {
        Place::Schema => plan.schema(),
        Place::Database => plan.database(),
        Place::Shared(shared) => plan.shared(shared),
    }
    for login in 0..2 {
        plan.end_sessions(login);
    }
    Ok(plan.steps)
}

/// The statements that remove all that is marked as a tenant's; none when nothing is left. To be called again, as [`plan`].
///
/// # Errors
/// What is not ours is left as it is.
pub fn removal(names: &Names, tenant_id: &str, catalog: &Catalog) -> Result<Vec<Step>, Conflict> {
    ours(names, tenant_id, catalog)?;
    let mut steps = Vec::new();
    let records = |statement| Step {
        venue: Venue::Records,
        statement,
    };
    let alone = |statement| Step {
        venue: Venue::Alone,
        statement,
    };
    let exists = |role: &&Identifier| catalog.roles.contains_key(role.as_str());
    let place = &names.place;
    // Nobody comes in any more, and whoever is in goes, before anything is dropped.
    for login in names.logins.iter().filter(exists) {
        let role = &catalog.roles[login.as_str()];
        if role.login {
            steps.push(records(sql!["ALTER ROLE ", login, " NOLOGIN"]));
        }
        if role.login || role.sessions > 0 {
            steps.push(alone(terminate(login)));
        }
    }
    if catalog.databases.contains_key(place.as_str()) {
        steps.push(alone(sql!["DROP DATABASE ", place, " WITH (FORCE)"]));
    }
    if let Some(intent) = catalog.intents.get(place.as_str()) {
        if let Some(begun) = begun(catalog, &intent.nonce) {
            steps.push(alone(sql!["DROP DATABASE ", &begun, " WITH (FORCE)"]));
        }
        steps.push(records(sql![
            "DELETE FROM tenant_operator.intent WHERE name = ",
            Literal(place.as_str())
        ]));
    }
    if catalog.schemas.contains_key(place.as_str()) {
        steps.push(records(sql!["DROP SCHEMA ", place, " CASCADE"]));
    }
    for role in names.roles().into_iter().filter(exists) {
        steps.extend(as_member(catalog, role).map(records));
        steps.push(records(sql!["DROP OWNED BY ", role, " CASCADE"]));
    }
    // Logins first: they are members of the owner.
    for role in names.roles().into_iter().rev().filter(exists) {
        steps.push(records(sql!["DROP ROLE ", role]));
    }
    if catalog.knows(tenant_id) {
        steps.push(records(sql![
            "DELETE FROM tenant_operator.object WHERE tenant_id = ",
            Literal(tenant_id)
        ]));
    }
    Ok(steps)
}

/// The statements that let nobody in and keep everything: for a tenant that is gone and whose data stays.
///
/// # Errors
/// What is not ours is left as it is.
pub fn closing(names: &Names, tenant_id: &str, catalog: &Catalog) -> Result<Vec<Step>, Conflict> {
    ours(names, tenant_id, catalog)?;
    let mut steps = Vec::new();
    for login in &names.logins {
        let Some(role) = catalog.roles.get(login.as_str()) else {
            continue;
        };
        if role.login {
            steps.push(Step {
                venue: Venue::Records,
                statement: sql!["ALTER ROLE ", login, " NOLOGIN PASSWORD NULL"],
            });
        }
        if role.login || role.sessions > 0 {
            steps.push(Step {
                venue: Venue::Alone,
                statement: terminate(login),
            });
        }
    }
    Ok(steps)
}

/// Whether everything that bears the tenant's names bears its mark too.
fn ours(names: &Names, tenant_id: &str, catalog: &Catalog) -> Result<(), Conflict> {
    let conflict = |kind, name: &Identifier| Conflict {
        kind,
        name: name.as_str().to_string(),
    };
    for name in names.roles() {
        if let Some(role) = catalog.roles.get(name.as_str())
            && !catalog.is_ours("role", name.as_str(), role.oid, tenant_id)
        {
            return Err(conflict("role", name));
        }
    }
    for (kind, places) in [("schema", &catalog.schemas), ("database", &catalog.databases)] {
        if let Some(place) = places.get(names.place.as_str())
            && !catalog.is_ours(kind, names.place.as_str(), place.oid, tenant_id)
        {
            return Err(conflict(kind, &names.place));
        }
    }
    Ok(())
}

/// The database that was begun under this nonce.
fn begun(catalog: &Catalog, nonce: &str) -> Option<Identifier> {
    let name = format!("new_{nonce}");
    catalog
        .databases
        .contains_key(&name)
        .then(|| Identifier::new(name).ok())
        .flatten()
}

/// Ends every session of a role.
fn terminate(role: &Identifier) -> Statement {
    sql![
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = ",
        Literal(role.as_str())
    ]
}

/// What the operator needs to act for one of its roles: membership with the role's rights.
fn as_member(catalog: &Catalog, role: &Identifier) -> Option<Statement> {
    if catalog.admin.superuser {
        return None;
    }
    let members = catalog.roles.get(role.as_str()).map(|role| role.members.as_slice());
    let holds = members
        .into_iter()
        .flatten()
        .any(|member| member.role == catalog.admin.name && member.inherit && member.set);
    (!holds).then(|| grant_role(catalog, role, sql!["CURRENT_USER"], true))
}

/// `GRANT role TO …`, whose options are a single grant's from 16 on, and the member's before.
fn grant_role(catalog: &Catalog, role: &Identifier, member: Statement, inherit: bool) -> Statement {
    let grant = sql!["GRANT ", role, " TO "].join(member);
    match (catalog.version >= 160_000, inherit) {
        (false, _) => grant,
        (true, true) => grant.and([" WITH INHERIT TRUE, SET TRUE".into()]),
        (true, false) => grant.and([" WITH INHERIT FALSE, SET TRUE".into()]),
    }
}

struct Plan<'a> {
    wanted: &'a Wanted,
    catalog: &'a Catalog,
    steps: Vec<Step>,
}

impl Plan<'_> {
    fn records(&mut self, statement: Statement) {
        self.steps.push(Step {
            venue: Venue::Records,
            statement,
        });
    }

    fn alone(&mut self, statement: Statement) {
        self.steps.push(Step {
            venue: Venue::Alone,
            statement,
        });
    }

    fn mark(&mut self, kind: &'static str, name: &Identifier) {
        let from = match kind {
            "role" => "oid, rolname FROM pg_roles WHERE rolname = ",
            "schema" => "oid, nspname FROM pg_namespace WHERE nspname = ",
            _ => "oid, datname FROM pg_database WHERE datname = ",
        };
        let id = Literal(self.wanted.tenant_id.clone());
        self.records(sql![
            "INSERT INTO tenant_operator.object (tenant_id, kind, oid, name) SELECT ",
            id,
            ", ",
            Literal(kind),
            ", ",
            from,
            Literal(name.as_str())
        ]);
    }

    /// The role that owns what the tenant makes.
    fn owner(&mut self) {
        let owner = self.wanted.names.owner.clone();
        match self.catalog.roles.get(owner.as_str()) {
            None => {
                self.records(sql!["CREATE ROLE ", &owner, " NOLOGIN INHERIT"]);
                self.mark("role", &owner);
            }
            Some(role) => {
                self.attributes(&owner, role, true);
                if role.login {
                    self.records(sql!["ALTER ROLE ", &owner, " NOLOGIN"]);
                }
            }
        }
        self.admin_membership(&owner);
        let group = match &self.wanted.place {
            Place::Shared(shared) => Some(shared.group.clone()),
            _ => None,
        };
        self.only_member_of(&owner, group.as_ref());
        self.only_members(&owner);
        // Left as they are, PUBLIC may call every function and use every type that is made.
        let defaults = self.catalog.roles.get(owner.as_str()).map(|role| &role.defaults);
        let closed = |kind: &str| defaults.is_some_and(|defaults| defaults.get(kind) == Some(&false));
        let (functions, types) = (closed("f"), closed("T"));
        if !functions {
            self.records(sql![
                "ALTER DEFAULT PRIVILEGES FOR ROLE ",
                &owner,
                " REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"
            ]);
        }
        if !types {
            self.records(sql![
                "ALTER DEFAULT PRIVILEGES FOR ROLE ",
                &owner,
                " REVOKE USAGE ON TYPES FROM PUBLIC"
            ]);
        }
    }

    /// The role that the logins act as while they may not write: it reads, and makes room.
    fn reader(&mut self) {
        let reader = self.wanted.names.reader.clone();
        match self.catalog.roles.get(reader.as_str()) {
            None if self.wanted.writable => return,
            None => {
                self.records(sql!["CREATE ROLE ", &reader, " NOLOGIN INHERIT"]);
                self.mark("role", &reader);
            }
            Some(role) => {
                self.attributes(&reader, role, true);
                if role.login {
                    self.records(sql!["ALTER ROLE ", &reader, " NOLOGIN"]);
                }
            }
        }
        self.admin_membership(&reader);
        self.only_member_of(&reader, None);
        self.only_members(&reader);
    }

    /// The role that the logins act as.
    fn acting(&self) -> &Identifier {
        match self.wanted.writable {
            true => &self.wanted.names.owner,
            false => &self.wanted.names.reader,
        }
    }

    /// Whether some login acted as another role until now.
    fn changes_hands(&self) -> bool {
        let acting = format!("role={}", self.acting().as_str());
        let acts_otherwise = |role: &Role| {
            let mut settings = role.settings.iter().filter(|setting| setting.database.is_none());
            settings.any(|setting| setting.setting.starts_with("role=") && setting.setting != acting)
        };
        let logins = self.wanted.names.logins.iter();
        logins
            .filter_map(|login| self.catalog.roles.get(login.as_str()))
            .any(acts_otherwise)
    }

    /// What the reader may do with the tables of a schema as they are now; there will be no others while it acts.
    fn reading(&self, schema: &Identifier) -> Vec<Statement> {
        let reader = &self.wanted.names.reader;
        if self.wanted.writable || !self.changes_hands() {
            return Vec::new();
        }
        vec![
            sql!["GRANT USAGE ON SCHEMA ", schema, " TO ", reader],
            sql![
                "GRANT SELECT, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA ",
                schema,
                " TO ",
                reader
            ],
        ]
    }

    /// One of the roles that log in. By itself it may do nothing but become the owner.
    fn login(&mut self, which: usize) {
        let (wanted, catalog) = (self.wanted, self.catalog);
        let login = &wanted.names.logins[which];
        let acting = self.acting().clone();
        let state = &wanted.logins[which];
        let found = catalog.roles.get(login.as_str());
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
        let becomes = |member: &Membership| member.role == acting.as_str() && !member.inherit && member.set;
        if !found.is_some_and(|role| role.member_of.iter().any(becomes)) {
            self.records(grant_role(catalog, &acting, sql![login], false));
        }
        self.only_member_of(login, Some(&acting));
        self.only_members(login);
        self.settings(login, found);
        self.connect(login);
        if let Some(verifier) = &state.password {
            self.records(sql!["ALTER ROLE ", login, " PASSWORD ", verifier]);
        }
        let is_open = found.is_some_and(|role| role.login);
        if state.open != is_open {
            let attribute = if state.open { " LOGIN" } else { " NOLOGIN" };
            self.records(sql!["ALTER ROLE ", login, attribute]);
        }
    }

    /// What no tenant's role may be.
    fn attributes(&mut self, name: &Identifier, role: &Role, inherit: bool) {
        let table = [
            (role.superuser, " NOSUPERUSER"),
            (role.create_role, " NOCREATEROLE"),
            (role.create_database, " NOCREATEDB"),
            (role.replication, " NOREPLICATION"),
            (role.bypass_rls, " NOBYPASSRLS"),
            (role.inherit && !inherit, " NOINHERIT"),
            (!role.inherit && inherit, " INHERIT"),
        ];
        for (_, attribute) in table.into_iter().filter(|(wrong, _)| *wrong) {
            self.records(sql!["ALTER ROLE ", name, attribute]);
        }
    }

    fn admin_membership(&mut self, role: &Identifier) {
        if let Some(statement) = as_member(self.catalog, role) {
            self.records(statement);
        }
    }

    /// Takes the role out of every other one.
    fn only_member_of(&mut self, role: &Identifier, allowed: Option<&Identifier>) {
        let found = self.catalog.roles.get(role.as_str()).map(|role| role.member_of.clone());
        for membership in found.into_iter().flatten() {
            if allowed.is_some_and(|allowed| allowed.as_str() == membership.role) {
                continue;
            }
            if let Ok(other) = Identifier::new(membership.role) {
                self.records(sql!["REVOKE ", &other, " FROM ", role]);
            }
        }
    }

    /// Takes everyone else out of the role.
    fn only_members(&mut self, role: &Identifier) {
        let (names, admin) = (&self.wanted.names, &self.catalog.admin.name);
        let is_login = |name: &str| names.logins.iter().any(|login| login.as_str() == name);
        let found = self.catalog.roles.get(role.as_str()).map(|role| role.members.clone());
        let strangers = found
            .into_iter()
            .flatten()
            .filter(|member| {
                let acts = *role == names.owner || *role == names.reader;
                member.role != *admin && !(acts && is_login(&member.role))
            })
            .filter_map(|member| Identifier::new(member.role).ok())
            .collect::<Vec<_>>();
        for stranger in strangers {
            self.records(sql!["REVOKE ", role, " FROM ", &stranger]);
        }
    }

    /// The session's defaults. Those of the login's own that are none of ours stay.
    fn settings(&mut self, login: &Identifier, found: Option<&Role>) {
        let acting = self.acting().clone();
        let path = self.search_path();
        let names = |names: &[Identifier]| {
            names
                .iter()
                .map(|name| stored(name.as_str()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut wanted: Vec<(&'static str, String, Statement)> = vec![
            ("role", acting.as_str().to_string(), sql![&acting]),
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
        let mut databases: Vec<&String> = settings
            .iter()
            .filter(|setting| {
                let name = setting.setting.split_once('=').map(|(name, _)| name);
                name.is_some_and(|name| MANAGED.contains(&name))
            })
            .filter_map(|setting| setting.database.as_ref())
            .collect();
        databases.dedup();
        for database in databases {
            if let Ok(database) = Identifier::new(database.as_str()) {
                self.records(sql!["ALTER ROLE ", login, " IN DATABASE ", &database, " RESET ALL"]);
            }
        }
    }

    fn search_path(&self) -> Vec<Identifier> {
        let place = &self.wanted.names.place;
        let shared = |name| Identifier::new(name).into_iter();
        match &self.wanted.place {
            Place::Schema if self.wanted.extensions.is_empty() => vec![place.clone()],
            Place::Schema => std::iter::once(place.clone()).chain(shared(EXTENSIONS)).collect(),
            Place::Database => shared(PUBLIC).collect(),
            Place::Shared(shared) => shared.search_path.clone(),
        }
    }

    /// Each login has its own right to connect: it inherits nothing.
    fn connect(&mut self, login: &Identifier) {
        let catalog = self.catalog;
        let databases: Vec<Identifier> = match &self.wanted.place {
            Place::Schema => Identifier::new(catalog.database.as_str()).into_iter().collect(),
            // That of its own is opened when it is there.
            Place::Database if catalog.databases.contains_key(self.wanted.names.place.as_str()) => {
                vec![self.wanted.names.place.clone()]
            }
            Place::Database => Vec::new(),
            Place::Shared(shared) => shared.databases.clone(),
        };
        for database in databases {
            let found = catalog.databases.get(database.as_str());
            if !found.is_some_and(|found| found.grants(Some(login.as_str()), "CONNECT")) {
                self.records(sql!["GRANT CONNECT ON DATABASE ", &database, " TO ", login]);
            }
        }
    }

    fn schema(&mut self) {
        let (wanted, catalog) = (self.wanted, self.catalog);
        let (schema, owner) = (&wanted.names.place, &wanted.names.owner);
        let found = catalog.schemas.get(schema.as_str());
        if found.is_none() {
            // The operator's own: its tenant can let nobody else in.
            self.records(sql!["CREATE SCHEMA ", schema]);
            self.mark("schema", schema);
        }
        let grants = found.map_or(&[][..], |found| &found.grants);
        self.grants_of_schema(schema, owner, grants);
        for statement in self.reading(schema) {
            self.records(statement);
        }
        self.temporary();
        if wanted.extensions.is_empty() {
            return;
        }
        let extensions = Identifier::new(EXTENSIONS).unwrap_or_else(|_| unreachable!());
        let shared = catalog.schemas.get(EXTENSIONS);
        if shared.is_none() {
            self.records(sql!["CREATE SCHEMA IF NOT EXISTS ", &extensions]);
        }
        for extension in &wanted.extensions {
            if !catalog
                .extensions
                .iter()
                .any(|installed| installed == extension.as_str())
            {
                self.records(sql![
                    "CREATE EXTENSION IF NOT EXISTS ",
                    extension,
                    " SCHEMA ",
                    &extensions
                ]);
            }
        }
        if !shared.is_some_and(|shared| shared.grants(Some(owner.as_str()), "USAGE")) {
            self.records(sql!["GRANT USAGE ON SCHEMA ", &extensions, " TO ", owner]);
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
        self.revoke_others(sql![" ON SCHEMA ", schema], owner, grants);
    }

    fn revoke_others(&mut self, what: Statement, owner: &Identifier, grants: &[Grant]) {
        let mut others: Vec<&Option<String>> = grants
            .iter()
            .map(|grant| &grant.grantee)
            .filter(|grantee| grantee.as_deref() != Some(owner.as_str()))
            .filter(|grantee| grantee.as_deref() != Some(self.wanted.names.reader.as_str()))
            .collect();
        others.sort();
        others.dedup();
        for other in others {
            let whom = match other {
                None => sql!["PUBLIC"],
                Some(name) => match Identifier::new(name.as_str()) {
                    Ok(name) => sql![&name],
                    Err(_) => continue,
                },
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

    /// Temporary tables are the session's own.
    fn temporary(&mut self) {
        let (database, owner) = (&self.catalog.database, &self.wanted.names.owner);
        let found = self.catalog.databases.get(database);
        if !found.is_some_and(|found| found.grants(Some(owner.as_str()), "TEMPORARY"))
            && let Ok(database) = Identifier::new(database.as_str())
        {
            self.records(sql!["GRANT TEMPORARY ON DATABASE ", &database, " TO ", owner]);
        }
    }

    /// A database of its own, made under a name that nobody can guess, so that what has the final name is surely ours.
    fn database(&mut self) {
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
            let Ok(new) = Identifier::new(format!("new_{}", intent.nonce)) else {
                return;
            };
            if begun(catalog, &intent.nonce).is_none() {
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
        if !found.grants(Some(owner.as_str()), "TEMPORARY") {
            self.records(sql!["GRANT TEMPORARY ON DATABASE ", name, " TO ", owner]);
        }
        let strangers: Vec<Grant> = found
            .grants
            .iter()
            .filter(|grant| {
                let ours = |name: &str| wanted.names.roles().iter().any(|role| role.as_str() == name);
                !grant.grantee.as_deref().is_some_and(ours)
            })
            .cloned()
            .collect();
        self.revoke_others(sql![" ON DATABASE ", name], owner, &strangers);
        let public = Identifier::new(PUBLIC).unwrap_or_else(|_| unreachable!());
        for statement in self.reading(&public) {
            self.inside(name, statement);
        }
        let revision = self.revision();
        let mark = catalog.mark("database", name.as_str());
        if mark.is_some_and(|mark| mark.revision.as_deref() != Some(&revision)) {
            // Up to 14 this schema is the superuser's and open to all who may connect: then both change nothing.
            self.inside(name, sql!["REVOKE ALL ON SCHEMA ", &public, " FROM PUBLIC"]);
            self.inside(name, sql!["GRANT USAGE, CREATE ON SCHEMA ", &public, " TO ", owner]);
            for extension in &wanted.extensions {
                self.inside(
                    name,
                    sql!["CREATE EXTENSION IF NOT EXISTS ", extension, " SCHEMA ", &public],
                );
            }
            self.records(sql![
                "UPDATE tenant_operator.object SET revision = ",
                Literal(&revision),
                " WHERE kind = 'database' AND name = ",
                Literal(name.as_str())
            ]);
        }
    }

    /// What the inside of the database was last made like.
    fn revision(&self) -> String {
        let names: Vec<&str> = self.wanted.extensions.iter().map(Identifier::as_str).collect();
        format!("1 {}", names.join(" "))
    }

    fn inside(&mut self, database: &Identifier, statement: Statement) {
        self.steps.push(Step {
            venue: Venue::Inside(database.clone()),
            statement,
        });
    }

    /// The platform's tables are open to one group; row-level security tells its members apart.
    fn shared(&mut self, shared: &Shared) {
        let owner = &self.wanted.names.owner;
        let found = self.catalog.roles.get(owner.as_str());
        let is_member = |member: &Membership| member.role == shared.group.as_str() && member.inherit;
        if !found.is_some_and(|role| role.member_of.iter().any(is_member)) {
            self.records(grant_role(self.catalog, &shared.group, sql![owner], true));
        }
    }

    /// Whoever came in while the door was open leaves when it is closed.
    fn end_sessions(&mut self, which: usize) {
        let login = &self.wanted.names.logins[which];
        let Some(role) = self.catalog.roles.get(login.as_str()) else {
            return;
        };
        let closes = !self.wanted.logins[which].open && (role.login || role.sessions > 0);
        if self.changes_hands() {
            // Whoever is in acts as before. Should the statement after this transaction get lost, this one did it.
            self.records(terminate(login));
        }
        if closes || self.changes_hands() {
            self.alone(terminate(login));
        }
    }
}

/// Settings that are the operator's to set, or to leave unset.
const MANAGED: &[&str] = &[
    "role",
    "search_path",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "work_mem",
];

/// Identifiers with commas between them.
fn list(names: &[Identifier]) -> Statement {
    let mut pieces = Vec::new();
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            pieces.push(", ".into());
        }
        pieces.push(name.into());
    }
    Statement::new(pieces)
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
