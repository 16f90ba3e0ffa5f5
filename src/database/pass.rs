//! One tenant's database: brings the server's catalog and the tenant's Secret to what is wanted, and sees for itself that the
//! Secret opens it.

use super::ValidDatabase;
use super::claim::Placement;
use super::placement;
use super::release::LOCK_NOT_AVAILABLE;
use super::secret::{self, Credentials, Endpoint};
use super::servers::{Connection, Databases, Health, ServerState};
use crate::api::{DatabaseServerSpec, DatabaseStatus, DatabaseUsage, SecretReference, StorageLimitAction, TlsMode};
use crate::capability::{Note, State, TenantCore};
use crate::cluster::{Error, Writer, secret as stored};
use crate::conditions::reason;
use crate::names;
use crate::postgres::Names;
use crate::postgres::beyond::{self, Own};
use crate::postgres::catalog::Catalog;
use crate::postgres::client::{self, Visit};
use crate::postgres::identifier::InvalidIdentifier;
use crate::postgres::plan::{self, Login, Place, Wanted};
use crate::postgres::secret::Password;
use crate::postgres::shared;
use crate::postgres::tls::Trust;
use crate::proof;
use crate::rotation::{self, Published, Turn};
use crate::time::{after, seconds};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How often the catalog is looked at again within one pass; making a database takes three rounds.
const ROUNDS: usize = 8;
/// After how long a login is tried again although nothing changed.
const RECHECK: Duration = Duration::from_secs(600);
/// The same where the last one did not show that the tenant is apart.
const RECHECK_DOUBTFUL: Duration = Duration::from_secs(30);
/// At most one such trial in this time on each server, however many tenants.
const RECHECK_GAP: Duration = Duration::from_secs(3);
/// At most one trial in this time where the status says that a former process saw the same credentials work: a restart is not everybody's turn at once.
const RESTART_GAP: Duration = Duration::from_millis(50);
/// When a tenant comes again that found no seat.
const BUSY: Duration = Duration::from_secs(1);
/// Below this part of the limit a tenant may write again.
const ROOM: f64 = 0.9;

/// How a tenant's database stands.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub status: DatabaseStatus,
    pub usage: Option<DatabaseUsage>,
    /// Says which credentials are in the Secret; none: there is no Secret yet.
    pub revision: Option<String>,
    pub state: State,
    /// When there will be something to do.
    pub again: Option<Duration>,
    /// What the tenant's own login was last seen to reach beyond what is its own; none: it was not tried.
    pub isolation: Option<proof::Outcome>,
}

/// One pass over one tenant's database.
pub struct DatabasePass<'a> {
    pub databases: &'a Databases,
    pub writer: &'a Writer,
    pub tenant: &'a TenantCore,
    pub database: &'a ValidDatabase,
    pub placement: &'a Placement,
}

/// What went wrong: in Kubernetes, or with the server; then how the database stands.
enum Failure {
    Kubernetes(Error),
    Server(State),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Kubernetes(error)
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        let reason = error.reason();
        let note = Note::new(reason, error.to_string());
        Self::Server(match reason == reason::SERVER_REFUSED {
            true => State::Stalled(note),
            false => State::Progressing(note),
        })
    }
}

impl From<plan::Conflict> for Failure {
    fn from(conflict: plan::Conflict) -> Self {
        stalled(reason::CONFLICT, conflict.to_string())
    }
}

fn stalled(reason: &'static str, message: String) -> Failure {
    Failure::Server(State::Stalled(Note::new(reason, message)))
}

fn progressing(reason: &'static str, message: String) -> Failure {
    Failure::Server(State::Progressing(Note::new(reason, message)))
}

/// A tenant that no server has room for.
pub fn unplaced(message: String) -> Outcome {
    Outcome {
        state: State::Stalled(Note::new(reason::NO_SERVER, message)),
        ..Outcome::default()
    }
}

impl DatabasePass<'_> {
    /// Does what is to be done now.
    ///
    /// # Errors
    /// The API server's; what is wrong with the server is in the outcome.
    pub async fn reconcile(&self) -> Result<Outcome, Error> {
        let owner = &self.tenant.owner;
        let shard = self.databases.shard(&self.placement.server);
        shard.first_look().await;
        let tenant_names = Names::of(&owner.id);
        let found = stored::read(self.writer, owner, names::DATABASE_SECRET).await?;
        let credentials = found.as_ref().and_then(|secret| secret::parse(secret, &tenant_names));
        let mut outcome = Outcome {
            status: self.status(&tenant_names, credentials.as_ref()),
            revision: found.as_ref().filter(|_| credentials.is_some()).map(secret::revision),
            usage: Some(self.usage(&shard, &tenant_names)),
            ..Outcome::default()
        };
        match self.work(&shard, &tenant_names, found, credentials, &mut outcome).await {
            Ok(()) => Ok(outcome),
            Err(Failure::Kubernetes(error)) => Err(error),
            Err(Failure::Server(state)) => {
                let is_away = |note: &&Note| matches!(note.reason, reason::SERVER_TIMEOUT | reason::SERVER_UNREACHABLE);
                if let Some(note) = state.problem().filter(is_away) {
                    shard.went_away(note.reason, &note.message);
                }
                Ok(Outcome { state, ..outcome })
            }
        }
    }

    async fn work(
        &self,
        shard: &ServerState,
        tenant_names: &Names,
        found: Option<Secret>,
        credentials: Option<Credentials>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let Some(_permit) = shard.permit().await else {
            // After a restart all come at once: what a former process saw stands until somebody has looked again.
            let stands = |current: &Credentials| {
                !self.tenant.is_shut()
                    && self.was_seen_open(current)
                    && shard.verified(&self.tenant.owner.id, &mark(current)).is_none()
            };
            if credentials.as_ref().is_some_and(stands) {
                outcome.again = Some(BUSY);
                return Ok(());
            }
            outcome.again = Some(BUSY * 2);
            return Err(progressing(
                reason::SERVER_BUSY,
                format!("DatabaseServer {} is busy with other tenants", shard.name),
            ));
        };
        let connection = self.connection(shard)?;
        let owner = &self.tenant.owner;
        let mut wanted = self.wanted(shard, tenant_names)?;
        if let Place::Shared(_) = wanted.place {
            self.enroll(&connection, shard).await?;
        }
        let open = open_logins(&shard.of(tenant_names), tenant_names);
        let now = seconds(Timestamp::now());
        let published = credentials.as_ref().map(|credentials| &credentials.published);
        let turn = rotation::decide(published, open, &self.tenant.rotation, now);
        if self.tenant.is_shut() {
            // What its login was seen to reach is of no account when it comes back.
            shard.forget(&owner.id);
            wanted.logins = [Login::default(), Login::default()];
            return self.settle(&connection, shard, &wanted).await;
        }
        let current = match turn {
            Turn::Issue { login, previous_until } => {
                // Its turn before has ended just now, when the next was asked for already: so do its sessions.
                if open[login] {
                    wanted.logins[1 - login].open = open[1 - login];
                    self.settle(&connection, shard, &wanted).await?;
                }
                let issued = Credentials {
                    published: Published {
                        login,
                        issued_at: now,
                        previous_until,
                        rotated_for: self.tenant.rotation.request.clone(),
                    },
                    password: Password::random(),
                };
                wanted.logins[login] = Login {
                    open: true,
                    password: Some(issued.password.verifier()),
                };
                wanted.logins[1 - login].open = open[1 - login];
                self.settle(&connection, shard, &wanted).await?;
                // Nothing is published that was not seen to work.
                self.log_in(&connection, shard, &wanted, &issued).await?;
                outcome.revision = Some(self.publish(&connection, tenant_names, found, &issued).await?);
                tracing::info!(login, "credentials were issued");
                shard.verify(&owner.id, Some(&mark(&issued)));
                outcome.again = Some(Duration::from_secs(1));
                issued
            }
            Turn::Keep {
                other_open,
                next,
                waits,
            } => {
                let Some(current) = credentials else {
                    return Ok(());
                };
                let login = current.published.login;
                wanted.logins[login].open = true;
                wanted.logins[1 - login].open = other_open;
                let role = tenant_names.logins[login].as_str();
                if !shard.of(tenant_names).roles.contains_key(role) {
                    // Somebody dropped it, and its password with it.
                    wanted.logins[login].password = Some(current.password.verifier());
                    shard.verify(&owner.id, None);
                }
                let settled = self.settle(&connection, shard, &wanted).await;
                if let Err(Failure::Server(State::Stalled(note))) = &settled
                    && note.reason == reason::UNMENDED
                {
                    // What stands open against our will is what the tenant's own login should be asked about.
                    let _ = self.verify(&connection, shard, &wanted, &current).await;
                    outcome.isolation = shard.apart(&owner.id);
                }
                settled?;
                outcome.revision = Some(self.publish(&connection, tenant_names, found, &current).await?);
                let turn = self.verify(&connection, shard, &wanted, &current).await?;
                let until = now.duration_until(next);
                let until = Duration::try_from(until)
                    .ok()
                    .map(|time| time.max(Duration::from_secs(1)));
                outcome.again = turn.into_iter().chain(until).min();
                if waits {
                    let message = format!(
                        "a rotation is requested: the operator issues new credentials when the former ones end, at {next}"
                    );
                    outcome.state.remark(Note::new(reason::ROTATION_WAITS, message));
                }
                current
            }
        };
        outcome.status = self.status(tenant_names, Some(&current));
        outcome.isolation = shard.apart(&owner.id);
        if outcome.isolation != Some(proof::Outcome::Passed) {
            outcome.again = Some(outcome.again.unwrap_or(RECHECK_DOUBTFUL).min(RECHECK_DOUBTFUL));
        }
        self.limits(shard, tenant_names, &wanted, outcome);
        Ok(())
    }

    /// The connection, if the server can be worked with.
    fn connection(&self, shard: &ServerState) -> Result<Arc<Connection>, Failure> {
        if self.databases.resource(&shard.name).is_none() {
            return Err(stalled(
                reason::SERVER_NOT_FOUND,
                format!(
                    "DatabaseServer {} has the tenant's data and does not exist: create it again",
                    shard.name
                ),
            ));
        }
        let known = shard.known();
        let away = |reason, message: &str| progressing(reason, format!("DatabaseServer {}: {message}", shard.name));
        if let Some(unread) = self.databases.unread(&shard.name) {
            return Err(away(reason::INVALID_SERVER, &unread));
        }
        match (&known.health, &known.connection) {
            (Health::Ready, Some(connection)) => Ok(connection.clone()),
            (Health::Away { reason, message }, _) => Err(away(reason, message)),
            _ => Err(away(reason::SERVER_UNKNOWN, "the operator has not checked it yet")),
        }
    }

    /// What should be on the server, with both logins closed.
    fn wanted(&self, shard: &ServerState, tenant_names: &Names) -> Result<Wanted, Failure> {
        let resource = self.databases.resource(&shard.name);
        let spec = resource.as_ref().map(|resource| &resource.spec);
        let allowed = spec.map(|spec| spec.extensions.clone()).unwrap_or_default();
        for extension in &self.database.extensions {
            if !allowed.iter().any(|allowed| allowed == extension.as_str()) {
                return Err(stalled(
                    reason::EXTENSION_NOT_ALLOWED,
                    format!(
                        "spec.database.extensions: {} is not among those that DatabaseServer {} allows ({})",
                        extension.as_str(),
                        shard.name,
                        allowed.join(", ")
                    ),
                ));
            }
        }
        let place = self.place(spec).map_err(client::Error::from)?;
        if let Place::Shared(shared) = &place
            && shared.databases.is_empty()
        {
            let message = format!(
                "DatabaseServer {} has no spec.sharedTables any more: restore them",
                shard.name
            );
            return Err(stalled(reason::NO_SHARED_TABLES, message));
        }
        Ok(Wanted {
            tenant_id: self.tenant.owner.id.clone(),
            names: tenant_names.clone(),
            place,
            logins: [Login::default(), Login::default()],
            connection_limit: self.database.connection_limit,
            settings: self.database.settings.clone(),
            extensions: self.database.extensions.clone(),
            writable: self.is_writable(shard, tenant_names),
        })
    }

    fn place(&self, spec: Option<&DatabaseServerSpec>) -> Result<Place, InvalidIdentifier> {
        let tables = spec.map_or(&[][..], |spec| &spec.shared_tables);
        placement::place(self.placement.model, tables)
    }

    /// Whether the tenant has room left, where it matters. Once there was none, some must be made.
    fn is_writable(&self, shard: &ServerState, tenant_names: &Names) -> bool {
        let (Some(most), StorageLimitAction::ReadOnly) = (self.database.max_storage, self.database.on_storage_limit)
        else {
            return true;
        };
        // Of shared tables nobody has bytes of its own.
        let Some(bytes) = shard.known().usage.bytes_of(tenant_names) else {
            return true;
        };
        let catalog = shard.of(tenant_names);
        let reads = catalog.roles.get(tenant_names.reader.as_str());
        let limited = reads.is_some_and(|role| !role.members.iter().all(|member| member.role == catalog.admin.name));
        (bytes as f64) < most as f64 * if limited { ROOM } else { 1.0 }
    }

    /// Repeats plan and execution until there is nothing left to do.
    async fn settle(&self, connection: &Connection, shard: &ServerState, wanted: &Wanted) -> Result<(), Failure> {
        let server = &connection.server;
        let mut wanted = wanted.clone();
        let mut steps = plan::plan(&wanted, &shard.of(&wanted.names))?;
        let is_known = shard.of(&wanted.names).roles.contains_key(wanted.names.owner.as_str());
        if let Some(first) = steps.first().filter(|_| is_known) {
            let (tenant, steps) = (&self.tenant.owner.tenant, steps.len());
            tracing::info!(server = shard.name, tenant, steps, first = %first.statement, "its part of the server is mended");
        }
        let mut evicted = false;
        let mut last = Ok(());
        for _ in 0..ROUNDS {
            if steps.is_empty() {
                return Ok(());
            }
            let executed = server.execute(&steps).await;
            let refused = matches!(executed, Err(client::Error::Refused { .. }));
            if !refused {
                executed.clone()?;
            }
            // A transaction that was refused set none.
            for login in wanted.logins.iter_mut().filter(|_| !refused) {
                login.password = None;
            }
            let seen = server.observe(Some(&wanted.names)).await?;
            shard.saw(&wanted.tenant_id, &wanted.names, seen);
            let next = plan::plan(&wanted, &shard.of(&wanted.names))?;
            // What was there before may have been older than the truth; the same again would be refused again.
            let raced = executed.as_ref().is_err_and(client::Error::is_raced);
            last = executed
                .clone()
                .or_else(|error| if raced { Err(error) } else { Ok(()) });
            if raced {
                steps = next;
                continue;
            }
            if refused && next.first() == steps.first() {
                let blocked =
                    matches!(&executed, Err(client::Error::Refused { code, .. }) if code == LOCK_NOT_AVAILABLE);
                if !blocked || evicted {
                    executed?;
                }
                evicted = true;
                let oids: Vec<i64> = shard.of(&wanted.names).marks.values().map(|mark| mark.oid).collect();
                let ended = server.evict(&oids).await?;
                tracing::warn!(server = shard.name, ended, "sessions of tenants were in the way");
                continue;
            }
            // PostgreSQL only warned, and did nothing.
            if next == steps {
                break;
            }
            steps = next;
        }
        last?;
        let what: Vec<String> = steps.iter().take(3).map(|step| step.statement.to_string()).collect();
        Err(stalled(
            reason::UNMENDED,
            format!(
                "the server accepted these statements without effect: {}",
                what.join("; ")
            ),
        ))
    }

    /// Enters the tenant in the registry of the shared tables, without which it would see no row of its own.
    async fn enroll(&self, connection: &Connection, shard: &ServerState) -> Result<(), Failure> {
        let known = shard.known().enrolled.contains(&self.tenant.owner.id);
        let Some(resource) = self.databases.resource(&shard.name).filter(|_| !known) else {
            return Ok(());
        };
        let row = super::agent::row(self.databases, &self.tenant.owner);
        let catalog = connection.server.observe(None).await?;
        let report = shared::tend(&connection.server, &resource.spec.shared_tables, &[row], &catalog).await?;
        if report.missing.contains(&self.tenant.owner.id) {
            return Err(progressing(
                reason::NOT_REGISTERED,
                "the registry of the shared tables does not contain the tenant yet".into(),
            ));
        }
        shard.known().enrolled.insert(self.tenant.owner.id.clone());
        Ok(())
    }

    fn endpoint(&self, connection: &Connection, tenant_names: &Names) -> Endpoint {
        let status = self.status(tenant_names, None);
        Endpoint {
            host: connection.address.host.clone(),
            port: connection.address.port,
            database: status.database,
            schema: status.schema,
            // As it was connected to: the spec may be another's already.
            tls: match connection.address.trust {
                None => TlsMode::Disable,
                Some(Trust::Anyone) => TlsMode::Require,
                Some(Trust::Authority(_)) => TlsMode::VerifyCA,
                Some(Trust::Host(_)) => TlsMode::VerifyFull,
            },
            ca: connection.ca.clone(),
        }
    }

    /// Writes the Secret where it is not as it should be. Returns its revision.
    async fn publish(
        &self,
        connection: &Connection,
        tenant_names: &Names,
        found: Option<Secret>,
        credentials: &Credentials,
    ) -> Result<String, Failure> {
        let owner = &self.tenant.owner;
        let wanted = secret::build(
            owner,
            tenant_names,
            &self.endpoint(connection, tenant_names),
            credentials,
        );
        let revision = secret::revision(&wanted);
        stored::put(self.writer, owner, found.as_ref(), wanted).await?;
        Ok(revision)
    }

    /// Tries the published credentials: when they are new to this process, and from time to time. A password that no longer
    /// works, because somebody changed it, is set again. Returns how long its turn is away where it has to wait for it.
    async fn verify(
        &self,
        connection: &Connection,
        shard: &ServerState,
        wanted: &Wanted,
        current: &Credentials,
    ) -> Result<Option<Duration>, Failure> {
        let (id, revision) = (&self.tenant.owner.id, mark(current));
        let recheck = match shard.apart(id) {
            Some(proof::Outcome::Passed) => RECHECK,
            _ => RECHECK_DOUBTFUL,
        };
        match shard.verified(id, &revision) {
            Some(at) if at.elapsed() < recheck || !shard.may_check(RECHECK_GAP) => return Ok(None),
            None if self.was_seen_open(current) => {
                let wait = shard.restart_turn(id, RESTART_GAP);
                if !wait.is_zero() {
                    return Ok(Some(wait));
                }
            }
            _ => {}
        }
        match connection.log_in(wanted, current).await {
            Err(client::Error::Authentication(message)) => {
                tracing::warn!("the published credentials do not open the database ({message}): set again");
                let mut again = wanted.clone();
                again.logins[current.published.login].password = Some(current.password.verifier());
                self.settle(connection, shard, &again).await?;
                shard.verify(id, None);
                self.log_in(connection, shard, wanted, current).await?;
            }
            // All its connections are in use: the password was good.
            Err(client::Error::Busy(message)) if message.contains("for role") => {}
            visit => self.inspect(visit, shard, wanted).await?,
        }
        shard.verify(id, Some(&revision));
        Ok(None)
    }

    /// Whether the tenant's status tells of these credentials as of some that open.
    fn was_seen_open(&self, current: &Credentials) -> bool {
        self.database.opened_by.as_ref() == Some(&current.published.issued_at.to_string())
    }

    async fn log_in(
        &self,
        connection: &Connection,
        shard: &ServerState,
        wanted: &Wanted,
        credentials: &Credentials,
    ) -> Result<(), Failure> {
        let visit = connection.log_in(wanted, credentials).await;
        self.inspect(visit, shard, wanted).await
    }

    /// Whether a login came through as who it should be, and what it reaches beyond what is its own.
    async fn inspect(
        &self,
        visit: Result<Visit<'_>, client::Error>,
        shard: &ServerState,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        let visit = visit.map_err(|error| match error {
            client::Error::Timeout | client::Error::Refused { .. } => {
                stalled(reason::LOGIN_FAILED, format!("the tenant's login failed: {error}"))
            }
            client::Error::Authentication(message) => stalled(
                reason::LOGIN_FAILED,
                format!("the server refuses the tenant's login: {message}"),
            ),
            error => error.into(),
        })?;
        self.check(&visit.who, wanted)?;
        self.look_beyond(&visit, shard, wanted).await;
        Ok(())
    }

    /// Tries, as the tenant, what is not the tenant's.
    async fn look_beyond(&self, visit: &Visit<'_>, shard: &ServerState, wanted: &Wanted) {
        let records = shard.known().catalog.database.clone();
        let outcome = match beyond::look(visit, &Own::of(wanted, &records)).await {
            Ok(found) => super::isolation::judge(&found),
            Err(error) => proof::Outcome::Untried(error.to_string()),
        };
        shard.set_apart(&self.tenant.owner.id, outcome);
    }

    /// Whether who logged in is who it should be.
    fn check(&self, seen: &[String; 4], wanted: &Wanted) -> Result<(), Failure> {
        let acting = wanted.acting().as_str();
        if seen[1] == acting {
            return Ok(());
        }
        Err(stalled(
            reason::LOGIN_FAILED,
            format!("the tenant's login works as role {} instead of {acting}", seen[1]),
        ))
    }

    fn status(&self, tenant_names: &Names, credentials: Option<&Credentials>) -> DatabaseStatus {
        let resource = self.databases.resource(&self.placement.server);
        let spec = resource.as_ref().map(|resource| &resource.spec);
        let records = spec.map_or("", |spec| &spec.database);
        // What cannot be a name is told where it is needed.
        let place = self.place(spec).ok();
        let databases = place.as_ref().map(|place| place.databases(tenant_names, records));
        let first = databases.and_then(|databases| databases.first().map(ToString::to_string));
        let published = credentials.map(|credentials| &credentials.published);
        let next = |published: &Published| after(published.issued_at, self.tenant.rotation.interval);
        DatabaseStatus {
            server: self.placement.server.clone(),
            model: self.placement.model.to_string(),
            database: first.unwrap_or_default(),
            schema: place.and_then(|place| place.schema(tenant_names).map(String::from)),
            credentials_secret_ref: published.map(|_| SecretReference {
                name: names::DATABASE_SECRET.into(),
            }),
            credentials_issued_at: published.map(|published| published.issued_at.to_string()),
            next_rotation_at: published.map(|published| next(published).to_string()),
        }
    }

    fn usage(&self, shard: &ServerState, tenant_names: &Names) -> DatabaseUsage {
        let known = shard.known();
        DatabaseUsage {
            bytes: known.usage.bytes_of(tenant_names),
            connections: Some(known.usage.sessions_of(tenant_names)),
        }
    }

    fn limits(&self, shard: &ServerState, tenant_names: &Names, wanted: &Wanted, outcome: &mut Outcome) {
        let bytes = shard.known().usage.bytes_of(tenant_names).unwrap_or(0);
        let Some(most) = self
            .database
            .max_storage
            .filter(|most| bytes >= *most || !wanted.writable)
        else {
            return;
        };
        let message = format!("the tenant stores {bytes} bytes, of at most {most}");
        match wanted.writable {
            true => outcome.state.remark(Note::new(reason::STORAGE_LIMIT_REACHED, message)),
            false => {
                let message =
                    format!("{message}: the tenant can read and delete, but not write, until it is below the limit");
                outcome.state = State::Stalled(Note::new(reason::STORAGE_LIMIT_REACHED, message));
            }
        }
    }
}

impl Connection {
    /// Logs in as a tenant would, to the first of its databases.
    async fn log_in(&self, wanted: &Wanted, credentials: &Credentials) -> Result<Visit<'_>, client::Error> {
        let databases = wanted.place.databases(&wanted.names, &self.address.database);
        let database = databases.first().copied().unwrap_or_default();
        let login = wanted.names.logins[credentials.published.login].as_str();
        self.server.log_in(login, &credentials.password, database).await
    }
}

/// Tells credentials of one tenant from others of the same, for this process.
fn mark(credentials: &Credentials) -> String {
    format!("{}-{}", credentials.published.login, credentials.published.issued_at)
}

/// Which logins the server lets in.
fn open_logins(catalog: &Catalog, tenant_names: &Names) -> [bool; 2] {
    [0, 1].map(|login| {
        let role = catalog.roles.get(tenant_names.logins[login].as_str());
        role.is_some_and(|role| role.login)
    })
}
