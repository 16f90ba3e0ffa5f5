//! Observed catalog + wanted state → the statements between the two. Pure; every call looks at the whole truth, so that what
//! was left half done, or undone by others, comes out of it like what is new.

use super::catalog::{Catalog, DefaultGrant, Grant, Intent, Membership, Role};
use super::secret::Verifier;
use super::sql::Literal;
use super::{Identifier, Names, Statement, catalog};
use crate::sql;

mod ending;
pub use ending::{closing, pausing, removal};

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
        last: Vec::new(),
    };
    plan.owner();
    plan.announce();
    plan.reader();
    for login in 0..2 {
        plan.login(login);
    }
    match &wanted.place {
        Place::Schema => plan.schema(),
        Place::Database => plan.database(),
        Place::Shared(shared) => plan.shared(shared),
    }
    plan.hand_over();
    for login in 0..2 {
        plan.end_sessions(login);
    }
    plan.steps.append(&mut plan.last);
    Ok(plan.steps)
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

/// The database that was begun under this intent.
fn begun(catalog: &Catalog, intent: &Intent) -> Option<Identifier> {
    let name = intent.database();
    catalog
        .databases
        .contains_key(&name)
        .then(|| Identifier::new(name).ok())
        .flatten()
}

/// Ends every session of a role, and gives them a moment to be gone.
fn terminate(role: &Identifier) -> Statement {
    sql![
        "SELECT count(pg_terminate_backend(pid)), pg_sleep(0.05) FROM pg_stat_activity WHERE usename = ",
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

/// Options of a single membership, and grants that only their grantor's name revokes.
const GRANT_OPTIONS: i32 = 160_000;

/// `GRANT role TO …`, whose options are a single grant's from 16 on, and the member's before.
fn grant_role(catalog: &Catalog, role: &Identifier, member: Statement, inherit: bool) -> Statement {
    let grant = sql!["GRANT ", role, " TO "].join(member);
    match (catalog.version >= GRANT_OPTIONS, inherit) {
        (false, _) => grant,
        (true, true) => grant.and([" WITH INHERIT TRUE, SET TRUE".into()]),
        (true, false) => grant.and([" WITH INHERIT FALSE, SET TRUE".into()]),
    }
}

struct Plan<'a> {
    wanted: &'a Wanted,
    catalog: &'a Catalog,
    steps: Vec<Step>,
    /// What the server may well refuse, and nothing else waits for.
    last: Vec<Step>,
}

/// The revision of an owner role while the logins' sessions still may act as another role than they should.
const CHANGING: &str = "changing";

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
            Literal(name.as_str()),
            // What bore this mark is gone: it was dropped by somebody else.
            " ON CONFLICT (kind, name) DO UPDATE SET oid = excluded.oid, revision = NULL, created_at = now() \
             WHERE object.tenant_id = excluded.tenant_id"
        ]);
    }

    /// A step that the server may refuse: it comes after all others, and by itself.
    fn try_last(&mut self, statement: Statement) {
        self.last.push(Step {
            venue: Venue::Alone,
            statement,
        });
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
        if self.wanted.place == Place::Schema {
            self.default_privileges();
        }
    }

    /// What the tenant makes is open to nobody else: left as they are, PUBLIC may call every function and use every type.
    fn default_privileges(&mut self) {
        let (names, catalog) = (&self.wanted.names, self.catalog);
        let owner = &names.owner;
        let defaults = catalog.roles.get(owner.as_str()).map(|role| &role.defaults);
        for (kind, revoke) in [
            ("f", " REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"),
            ("T", " REVOKE USAGE ON TYPES FROM PUBLIC"),
        ] {
            if defaults.is_none_or(|defaults| defaults.get(kind) != Some(&false)) {
                self.records(sql!["ALTER DEFAULT PRIVILEGES FOR ROLE ", owner, revoke]);
            }
        }
        let ours = |name: &str| names.roles().iter().any(|role| role.as_str() == name);
        for role in names.roles() {
            let given = catalog.roles.get(role.as_str()).map(|found| found.given.as_slice());
            for given in given.into_iter().flatten() {
                let closed_above = role == owner
                    && given.schema.is_none()
                    && given.grantee.is_none()
                    && matches!(given.kind.as_str(), "f" | "T");
                if !closed_above && !given.grantee.as_deref().is_some_and(ours) {
                    self.take_back(role, given);
                }
            }
        }
    }

    fn take_back(&mut self, role: &Identifier, given: &DefaultGrant) {
        let kind = match given.kind.as_str() {
            "r" => "TABLES",
            "S" => "SEQUENCES",
            "f" => "FUNCTIONS",
            "T" => "TYPES",
            "n" => "SCHEMAS",
            "L" => "LARGE OBJECTS",
            _ => return,
        };
        let mut statement = sql!["ALTER DEFAULT PRIVILEGES FOR ROLE ", role];
        if let Some(schema) = &given.schema {
            let Ok(schema) = Identifier::new(schema.as_str()) else {
                return;
            };
            statement = statement.join(sql![" IN SCHEMA ", &schema]);
        }
        if let Some(whom) = whom(given.grantee.as_deref()) {
            self.records(statement.join(sql![" REVOKE ALL ON ", kind, " FROM "]).join(whom));
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

    /// Whether sessions of the logins may act as another role than new ones will.
    fn changing(&self) -> bool {
        let names = &self.wanted.names;
        let mark = self.catalog.mark("role", names.owner.as_str());
        self.changes_hands() || mark.is_some_and(|mark| mark.revision.as_deref() == Some(CHANGING))
    }

    /// Whether some login acted as another role until now.
    fn changes_hands(&self) -> bool {
        let names = &self.wanted.names;
        let acting = format!("role={}", self.acting().as_str());
        let acts_otherwise = |role: &Role| {
            let mut settings = role.settings.iter().filter(|setting| setting.database.is_none());
            settings.any(|setting| setting.setting.starts_with("role=") && setting.setting != acting)
        };
        let mut logins = names.logins.iter();
        let reads_first = !self.wanted.writable && !self.catalog.roles.contains_key(names.reader.as_str());
        reads_first || logins.any(|login| self.catalog.roles.get(login.as_str()).is_some_and(acts_otherwise))
    }

    /// Written down in the transaction in which the logins change hands, so that what follows is not forgotten.
    fn announce(&mut self) {
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

    /// Whoever is in acts as before, and goes. Then there is nobody left who makes what the reader could not read.
    fn hand_over(&mut self) {
        let (names, catalog) = (&self.wanted.names, self.catalog);
        if !self.changing() {
            return;
        }
        for login in &names.logins {
            if catalog.roles.contains_key(login.as_str()) {
                self.alone(terminate(login));
            }
        }
        if !self.wanted.writable {
            match &self.wanted.place {
                Place::Schema => {
                    for statement in self.reading(&names.place) {
                        self.records(statement);
                    }
                }
                Place::Database if catalog.databases.contains_key(names.place.as_str()) => {
                    for statement in self.reading(&well_known(PUBLIC)) {
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

    /// What the reader may do with the tables of a schema as they are now; there will be no others while it acts.
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
        self.only_member_of(login, Some(&acting));
        let becomes = |member: &Membership| member.role == acting.as_str() && self.becomes(member);
        if !found.is_some_and(|role| role.member_of.iter().any(becomes)) {
            self.records(grant_role(catalog, &acting, sql![login], false));
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
        for (i, (_, attribute)) in table.into_iter().enumerate().filter(|(_, (wrong, _))| *wrong) {
            let statement = sql!["ALTER ROLE ", name, attribute];
            match self.catalog.admin.superuser || i >= 5 {
                true => self.records(statement),
                // What CREATEROLE alone cannot take away differs between versions.
                false => self.try_last(statement),
            }
        }
    }

    /// Whether a membership lets a login become a role, and nothing else.
    fn becomes(&self, member: &Membership) -> bool {
        let inherits = self.catalog.version >= GRANT_OPTIONS && member.inherit;
        member.set && !member.admin && !inherits
    }

    /// What a login owns, by having been itself instead of the owner, is the owner's.
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

    fn admin_membership(&mut self, role: &Identifier) {
        if let Some(statement) = as_member(self.catalog, role) {
            self.records(statement);
        }
    }

    /// Takes the role out of every other one.
    fn only_member_of(&mut self, role: &Identifier, allowed: Option<&Identifier>) {
        let catalog = self.catalog;
        let found = catalog.roles.get(role.as_str()).map(|role| role.member_of.as_slice());
        for membership in found.into_iter().flatten() {
            let Ok(other) = Identifier::new(membership.role.as_str()) else {
                continue;
            };
            let is_login = self.wanted.names.logins.contains(role);
            if allowed != Some(&other) {
                self.revoke(&other, role, membership);
            } else if catalog.version < GRANT_OPTIONS {
                if membership.admin {
                    self.records(sql!["REVOKE ADMIN OPTION FOR ", &other, " FROM ", role, " CASCADE"]);
                }
            } else if membership.admin || (is_login && !self.becomes(membership)) {
                self.revoke(&other, role, membership);
            }
        }
    }

    /// Takes everyone else out of the role.
    fn only_members(&mut self, role: &Identifier) {
        let (names, catalog) = (&self.wanted.names, self.catalog);
        let acts = *role == names.owner || *role == names.reader;
        let found = catalog.roles.get(role.as_str()).map(|role| role.members.as_slice());
        for member in found.into_iter().flatten() {
            let Ok(stranger) = Identifier::new(member.role.as_str()) else {
                continue;
            };
            if member.role != catalog.admin.name && !(acts && names.logins.contains(&stranger)) {
                self.revoke(role, &stranger, member);
            }
        }
    }

    /// Ends a membership, whoever granted it.
    fn revoke(&mut self, role: &Identifier, member: &Identifier, membership: &Membership) {
        let admin = &self.catalog.admin;
        let mut statement = sql!["REVOKE ", role, " FROM ", member];
        let grantor = membership.grantor.as_deref();
        let grantor = grantor.filter(|_| self.catalog.version >= GRANT_OPTIONS);
        if let Some(grantor) = grantor.and_then(|grantor| Identifier::new(grantor).ok()) {
            statement = statement.join(sql![" GRANTED BY ", &grantor]);
        }
        statement = statement.and([" CASCADE".into()]);
        // Another's grant is not its to revoke.
        if admin.superuser || grantor.is_none_or(|grantor| grantor == admin.name) {
            if !self.steps.iter().any(|step| step.statement == statement) {
                self.records(statement);
            }
        } else if !self.last.iter().any(|step| step.statement == statement) {
            self.try_last(statement);
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
        for setting in settings {
            let (Some(database), Some((found, _))) = (&setting.database, setting.setting.split_once('=')) else {
                continue;
            };
            let name = MANAGED.iter().find(|name| **name == found);
            if let (Some(name), Ok(database)) = (name, Identifier::new(database.as_str())) {
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
            .any(|role| role.as_str() == found.owner);
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
            let (wanted, privilege) = match grant.privilege.as_str() {
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
        let mut others: Vec<&Option<String>> = grants
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
                !grant.grantee.as_deref().is_some_and(ours)
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
        if closes && !self.changing() {
            self.alone(terminate(login));
        }
    }
}

/// A name of this program's own.
fn well_known(name: &'static str) -> Identifier {
    Identifier::new(name).unwrap_or_else(|_| unreachable!())
}

/// To whom something was granted; nobody where no statement could name it.
fn whom(grantee: Option<&str>) -> Option<Statement> {
    match grantee {
        None => Some(sql!["PUBLIC"]),
        Some(name) => Identifier::new(name).ok().map(|name| sql![&name]),
    }
}

fn create_extension(extension: &Identifier) -> Statement {
    let extensions = well_known(EXTENSIONS);
    sql!["CREATE EXTENSION IF NOT EXISTS ", extension, " SCHEMA ", &extensions]
}

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

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
