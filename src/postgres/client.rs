//! Connections to one server: bounded in number, each call bounded in time.

use super::catalog::{self, Catalog};
use super::guard::{Asked, Connector};
use super::plan::{Step, Venue};
use super::secret::Password;
use super::tls::{self, TlsError, Trust};
use super::{Identifier, Names, Statement};
use crate::conditions::reason;
use crate::sql;
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, QueueMode, RecyclingMethod, Runtime, Timeouts,
};
use futures::StreamExt;
use futures::future::{Either, ready};
use futures::poll;
use futures::stream::FuturesOrdered;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call waits for a connection to be free.
const WAIT: Duration = Duration::from_secs(20);
/// How long everything that is done in one call may take.
const CALL: Duration = Duration::from_secs(60);
/// What is said when the operator waits for itself: that is no fault of the server's.
const OWN: &str = "all connections of the operator are in use";
/// How long a question may take.
const QUERY: Duration = Duration::from_secs(15);
/// How long a trial of a tenant's login may take.
const TRIAL: Duration = Duration::from_secs(10);
/// How long the answer to an empty statement may take.
const PULSE: Duration = Duration::from_secs(4);
/// Connections besides the pool's: to other databases, and as tenants. Of very few only one.
const BESIDES: usize = 2;
/// So many characters of a statement are shown.
const STATEMENT: usize = 300;
/// Nothing of a tenant's is ever on the path; a statement that hangs is the server's to end.
const OPTIONS: &str = "-c search_path=pg_catalog,pg_temp -c statement_timeout=30s -c lock_timeout=5s \
                       -c idle_in_transaction_session_timeout=30s -c client_min_messages=warning";

const TRIAL_OPTIONS: &str = "-c statement_timeout=5s -c client_min_messages=error";

const EVICT: &str = "\
WITH hung AS (
  SELECT s.dbid, s.classid, s.objid FROM pg_shdepend s
  WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid::int8 = ANY ($1) AND s.deptype IN ('a', 'i', 'r')
), givers AS (
  SELECT left(pg_get_userbyid(o.refobjid), 22) AS tenant FROM hung h
  JOIN pg_shdepend o ON (o.dbid, o.classid, o.objid, o.refclassid, o.deptype) = (h.dbid, h.classid, h.objid, 'pg_authid'::regclass, 'o')
  UNION SELECT left(pg_get_userbyid(c.relowner), 22) FROM hung h
  JOIN pg_policy p ON h.classid = 'pg_policy'::regclass AND p.oid = h.objid JOIN pg_class c ON c.oid = p.polrelid
  -- Policies of other databases are not seen from here; a tenant's database has its name.
  UNION SELECT d.datname FROM hung h JOIN pg_database d ON h.classid = 'pg_policy'::regclass AND d.oid = h.dbid
)
SELECT to_json(count(pg_terminate_backend(a.pid)))
FROM pg_stat_activity a
WHERE a.usename ~ '^t_[0-9a-f]{20}_[ab]$'
  AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND
              (l.locktype = 'object' AND l.classid IN ('pg_authid'::regclass, 'pg_database'::regclass) AND l.objid::int8 = ANY ($1)
               OR l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.relation IN
                  ('pg_authid'::regclass, 'pg_auth_members'::regclass, 'pg_db_role_setting'::regclass, 'pg_database'::regclass)
               OR l.locktype IN ('relation', 'transactionid') AND left(a.usename, 22) IN (SELECT g.tenant FROM givers g)))";

/// Whoever has any privilege on a database or a schema can grant it without effect, and keep the row of the catalog for as long as its transaction is open.
const END_BLOCKERS: &str = "\
SELECT to_json(count(pg_terminate_backend(b.pid)))
FROM (SELECT DISTINCT unnest(pg_blocking_pids(l.pid)) AS pid FROM pg_locks l JOIN pg_stat_activity o ON o.pid = l.pid
      WHERE NOT l.granted AND l.locktype IN ('transactionid', 'tuple', 'object') AND o.usename = session_user) w
JOIN pg_stat_activity b ON b.pid = w.pid
WHERE b.usename ~ '^t_[0-9a-f]{20}_[ab]$'";
/// How long statements wait for a tenant before its session is ended, and how often that is looked at then.
const GRACE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(200);

/// How a server is reached, and as whom.
#[derive(Clone, Debug)]
pub struct Address {
    pub host: String,
    pub port: u16,
    /// None: without TLS.
    pub trust: Option<Trust>,
    pub user: String,
    pub password: Password,
    /// The database of the operator's records.
    pub database: String,
    /// How many connections at once, at least three.
    pub connections: usize,
}

/// What went wrong between the operator and a server. Carries no password.
#[derive(thiserror::Error, Clone, Debug)]
pub enum Error {
    /// It does not answer, or not in PostgreSQL's protocol, or its certificate is not believed.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// It asks for the password or its MD5 digest, and nothing has shown who it is.
    #[error("{0}")]
    Asked(Asked),
    /// Somebody else may answer under its name, and nothing would show it.
    #[error("{0}")]
    Captured(String),
    /// It took too long.
    #[error("the server did not answer in time")]
    Timeout,
    /// It does not let this role in.
    #[error("{0}")]
    Authentication(String),
    /// It has no connection left, or starts or stops.
    #[error("the server takes no connection: {0}")]
    Busy(String),
    /// It refused a statement.
    #[error("{message} ({code}) in: {statement}")]
    Refused {
        /// The statement without its secrets.
        statement: String,
        /// SQLSTATE.
        code: String,
        message: String,
    },
    /// Its records are not those of the server that was here before.
    #[error(
        "this is another server than before: its records have the id {} instead of {known}, and it has no tenant's data. If you replaced it \
         on purpose, annotate the DatabaseServer with tenant-operator.io/replaces={known}",
        .found.as_deref().unwrap_or("(none)")
    )]
    AnotherServer { known: String, found: Option<String> },
    /// The connection cannot even be tried.
    #[error("{0}")]
    Settings(String),
}

impl Error {
    /// The category, for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => reason::SERVER_UNREACHABLE,
            Self::Asked(Asked::Password) => reason::CLEARTEXT_PASSWORD,
            Self::Asked(Asked::Digest) => reason::MD5_PASSWORD,
            Self::Captured(_) => reason::HOST_CAPTURED,
            Self::Timeout => reason::SERVER_TIMEOUT,
            Self::Authentication(_) => reason::AUTHENTICATION_FAILED,
            Self::Busy(_) => reason::SERVER_BUSY,
            Self::Refused { code, .. } if code == SqlState::READ_ONLY_SQL_TRANSACTION.code() => {
                reason::SERVER_READ_ONLY
            }
            Self::Refused { .. } => reason::SERVER_REFUSED,
            Self::AnotherServer { .. } => reason::ANOTHER_SERVER,
            Self::Settings(_) => reason::INVALID_SERVER,
        }
    }

    /// Whether the server as a whole is in trouble, as opposed to one statement.
    pub fn concerns_server(&self) -> bool {
        !matches!(self.reason(), reason::SERVER_REFUSED)
    }

    /// The SQLSTATE of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether somebody changed the same row of the catalog meanwhile, which PostgreSQL has no other word for.
    pub fn is_raced(&self) -> bool {
        self.code() == Some(SqlState::INTERNAL_ERROR.code())
    }

    pub(super) fn of(statement: &str, error: &tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return asked(error).map_or_else(|| Self::Unreachable(chain(error)), Self::Asked);
        };
        let mut message = db.message().to_string();
        // What a role cannot be dropped for.
        if let Some(detail) = db
            .detail()
            .filter(|_| *db.code() == SqlState::DEPENDENT_OBJECTS_STILL_EXIST)
        {
            message = format!("{message}: {detail}");
        }
        match db.code() {
            code if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                Self::Authentication(message)
            }
            code if *code == SqlState::TOO_MANY_CONNECTIONS
                || *code == SqlState::CANNOT_CONNECT_NOW
                || *code == SqlState::ADMIN_SHUTDOWN
                || *code == SqlState::CRASH_SHUTDOWN =>
            {
                Self::Busy(message)
            }
            code => Self::Refused {
                statement: shortened(statement),
                code: code.code().to_string(),
                message,
            },
        }
    }
}

/// A statement that fits into a condition's message.
fn shortened(statement: &str) -> String {
    match statement.char_indices().nth(STATEMENT) {
        Some((end, _)) => format!("{}…", &statement[..end]),
        None => statement.to_string(),
    }
}

/// What the connection was ended for by the operator itself.
fn asked(error: &tokio_postgres::Error) -> Option<Asked> {
    let cause = std::error::Error::source(error)?.downcast_ref::<std::io::Error>()?;
    cause.get_ref()?.downcast_ref().copied()
}

/// An error and its causes; the driver's own text says only of what kind it is.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        Self::Settings(error.to_string())
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::of("connect", &error),
            PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => Self::Busy(OWN.into()),
            PoolError::Timeout(_) => Self::Timeout,
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// A connection of the pool. It goes back only when all went well: whatever state it is in after an error, or after it was
/// given up in the middle, nobody else may meet it.
struct Borrowed(Option<Object>);

impl Borrowed {
    fn keep(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Borrowed {
    type Target = Object;

    fn deref(&self) -> &Object {
        // Taken only where it ends.
        self.0.as_ref().unwrap_or_else(|| unreachable!())
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

/// The operator's connections to one server.
pub struct Server {
    address: Address,
    connector: Connector,
    pool: Pool,
    besides: Arc<Semaphore>,
    most_besides: usize,
    /// A connection of its own, so that busy ones are not taken for a server that is away.
    pulse: Mutex<Option<Client>>,
    /// One writer at a time: PostgreSQL itself refuses two changes of one database's privileges.
    writing: Mutex<()>,
    statements: Arc<AtomicU64>,
}

impl Server {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// Settings that no connection can be tried with.
    pub fn new(address: Address) -> Result<Self, Error> {
        let tls = match &address.trust {
            Some(trust) => Some(MakeRustlsConnect::new(tls::config(trust)?)),
            None => None,
        };
        let verified = matches!(address.trust, Some(Trust::Host(_) | Trust::Authority(_)));
        let connector = Connector::new(tls, verified);
        let config = config(&address, &address.user, &address.password, &address.database);
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(config, connector.clone(), recycling);
        let besides = if address.connections > BESIDES + 1 { BESIDES } else { 1 };
        let pool = Pool::builder(manager)
            .max_size(address.connections.saturating_sub(besides + 1).max(1))
            .timeouts(Timeouts {
                wait: Some(WAIT),
                create: Some(CONNECT),
                recycle: Some(CONNECT),
            })
            .runtime(Runtime::Tokio1)
            // A connection that has carried a look at everything keeps a buffer of that size: let it be the same one each time.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| Error::Settings(error.to_string()))?;
        Ok(Self {
            address,
            connector,
            pool,
            besides: Arc::new(Semaphore::new(besides)),
            most_besides: besides,
            pulse: Mutex::default(),
            writing: Mutex::new(()),
            statements: Arc::default(),
        })
    }

    /// Lets nothing connect any more.
    pub fn close(&self) {
        self.pool.close();
        self.besides.close();
    }

    /// How many statements were sent so far.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        1 + self.pool.status().size + self.most_besides.saturating_sub(self.besides.available_permits())
    }

    /// Ends the sessions of tenants that hold a lock on one of these roles or databases, or have changed a role and not said
    /// whether they mean it, and so keep it from being changed or dropped; and the transactions of tenants that granted
    /// something to one of these roles. Any tenant can do so, with anyone's.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn evict(&self, objects: &[i64]) -> Result<i64, Error> {
        self.query(EVICT, &[&objects]).await
    }

    /// Whether it answers, by an empty statement.
    ///
    /// # Errors
    /// As [`Error`] says, within seconds.
    pub async fn pulse(&self) -> Result<(), Error> {
        let work = async {
            let mut held = self.pulse.lock().await;
            let client = match held.take().filter(|client| !client.is_closed()) {
                Some(client) => client,
                None => {
                    let address = &self.address;
                    match self
                        .open(&address.user, &address.password, &address.database, None)
                        .await
                    {
                        // It answers; whoever prepares it makes what is missing.
                        Err(error) if error.code() == Some(SqlState::INVALID_CATALOG_NAME.code()) => return Ok(()),
                        opened => opened?,
                    }
                }
            };
            client.batch_execute("").await.map_err(|error| Error::of("", &error))?;
            *held = Some(client);
            Ok(())
        };
        timeout(PULSE, work).await.map_err(|_| Error::Timeout)?
    }

    /// What the catalog says of all tenants, or of one.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn observe(&self, names: Option<&Names>) -> Result<Catalog, Error> {
        let wanted: Option<Vec<&str>> = names.map(|names| names.roles().map(Identifier::as_str).to_vec());
        self.query(catalog::QUERY, &[&wanted]).await
    }

    /// One statement of this program's own whose one row has one JSON column.
    ///
    /// # Errors
    /// As [`Error`] says; [`Error::Refused`] too where the answer is not understood.
    pub async fn query<T>(&self, query: &'static str, arguments: &[&(dyn ToSql + Sync)]) -> Result<T, Error>
    where
        T: serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let work = async {
            let connection = self.connection().await?;
            self.count(1);
            let first = query.lines().find(|line| !line.starts_with("--")).unwrap_or_default();
            let refused = |error: tokio_postgres::Error| Error::of(first, &error);
            let statement = connection.prepare_cached(query).await.map_err(refused)?;
            let row = connection.query_one(&statement, arguments).await.map_err(refused)?;
            let Json(value) = row.try_get::<_, Json<T>>(0).map_err(refused)?;
            connection.keep();
            Ok(value)
        };
        timeout(QUERY, work).await.map_err(|_| Error::Timeout)?
    }

    /// Executes steps in their order: neighbours of one transaction together, others by themselves. It ends sessions of tenants that hold
    /// up what is no table.
    ///
    /// # Errors
    /// The first step that was refused; its transaction left nothing behind, earlier ones hold.
    pub async fn execute(&self, steps: &[Step]) -> Result<(), Error> {
        let ending = async {
            tokio::time::sleep(GRACE).await;
            loop {
                if let Ok(ended @ 1..) = self.query::<i64>(END_BLOCKERS, &[]).await {
                    tracing::warn!(ended, "sessions of tenants held a change up");
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::select! {
            executed = self.execute_all(steps) => executed,
            () = ending => unreachable!("it never ends"),
        }
    }

    async fn execute_all(&self, steps: &[Step]) -> Result<(), Error> {
        for group in steps.chunk_by(|a, b| a.venue == b.venue && a.venue.is_transaction()) {
            let statements: Vec<&Statement> = group.iter().map(|step| &step.statement).collect();
            // A database that takes long to make or to remove keeps nobody waiting.
            let _writing = match &group[0].venue {
                Venue::Inside(_) | Venue::AloneInside(_) => None,
                Venue::Alone if takes_long(statements[0]) => None,
                _ => Some(self.writing.lock().await),
            };
            match &group[0].venue {
                Venue::Records => within(self.in_records(&statements)).await?,
                Venue::Alone => within(self.alone(statements[0])).await?,
                Venue::Inside(database) => within(self.inside(database, &statements)).await?,
                Venue::AloneInside(database) => within(self.alone_inside(database, statements[0])).await?,
            }
        }
        Ok(())
    }

    async fn in_records(&self, statements: &[&Statement]) -> Result<(), Error> {
        let connection = self.connection().await?;
        // Another operator that still writes, or writes again, is waited for.
        let lock = sql!["LOCK TABLE tenant_operator.object IN SHARE ROW EXCLUSIVE MODE"];
        let all: Vec<&Statement> = std::iter::once(&lock).chain(statements.iter().copied()).collect();
        self.transaction(&connection, &all).await?;
        connection.keep();
        Ok(())
    }

    async fn alone(&self, statement: &Statement) -> Result<(), Error> {
        let connection = self.connection().await?;
        self.send(&connection, statement).await?;
        connection.keep();
        Ok(())
    }

    async fn connection(&self) -> Result<Borrowed, Error> {
        Ok(Borrowed(Some(self.pool.get().await?)))
    }

    async fn inside(&self, database: &Identifier, statements: &[&Statement]) -> Result<(), Error> {
        let client = self.connect_to(database.as_str()).await?;
        self.transaction(&client, statements).await
    }

    async fn alone_inside(&self, database: &Identifier, statement: &Statement) -> Result<(), Error> {
        let client = self.connect_to(database.as_str()).await?;
        self.send(&client, statement).await
    }

    /// Sends one statement through a connection to another database, in no transaction.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn send_through(&self, client: &Client, statement: &Statement) -> Result<(), Error> {
        within(self.send(client, statement)).await
    }

    /// A connection of the operator's to another database of the server.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn connect_to(&self, database: &str) -> Result<Client, Error> {
        let permit = self.permit().await?;
        let address = &self.address;
        self.open(&address.user, &address.password, database, Some(permit))
            .await
    }

    /// Logs in as a tenant would.
    ///
    /// # Errors
    /// [`Error::Authentication`] where the server does not let it in.
    pub async fn log_in(&self, user: &str, password: &Password, database: &str) -> Result<Visit<'_>, Error> {
        let work = async {
            let permit = self.permit().await?;
            let client = self.open(user, password, database, Some(permit)).await?;
            self.count(1);
            // The session is the tenant's: what is not qualified may be its own.
            let query = "SELECT session_user::pg_catalog.text, current_user::pg_catalog.text, \
                         pg_catalog.current_database()::pg_catalog.text, \
                         coalesce(pg_catalog.current_schema()::pg_catalog.text, '')";
            let failed = |error: tokio_postgres::Error| Error::of(query, &error);
            let row = client.query_one(query, &[]).await.map_err(failed)?;
            let text = |column: usize| row.try_get::<_, String>(column).map_err(failed);
            let who = [text(0)?, text(1)?, text(2)?, text(3)?];
            Ok(Visit {
                who,
                client,
                server: self,
            })
        };
        timeout(TRIAL, work).await.map_err(|_| Error::Timeout)?
    }

    /// Sends statements through a connection to another database, in one transaction.
    ///
    /// # Errors
    /// The first that was refused.
    pub async fn transaction(&self, client: &Client, statements: &[&Statement]) -> Result<(), Error> {
        let begin = sql!["BEGIN"];
        let all = std::iter::once(&begin).chain(statements.iter().copied());
        // All are sent before the first is answered; after a refusal the others are refused for its sake.
        let mut answers = FuturesOrdered::new();
        for statement in all {
            let mut answer = Box::pin(self.send(client, statement));
            // A statement is on its way once its future was asked; so they go in this order.
            match poll!(&mut answer) {
                Poll::Ready(result) => answers.push_back(Either::Left(ready(result))),
                Poll::Pending => answers.push_back(Either::Right(answer)),
            }
        }
        let mut first = Ok(());
        while let Some(result) = answers.next().await {
            first = first.and(result);
        }
        match first {
            Ok(()) => self.send(client, &sql!["COMMIT"]).await,
            Err(error) => self.send(client, &sql!["ROLLBACK"]).await.and(Err(error)),
        }
    }

    /// One statement through a connection to another database, whose one row has one JSON column.
    ///
    /// # Errors
    /// As [`Server::query`].
    pub async fn query_through<T>(
        &self,
        client: &Client,
        statement: &Statement,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<T, Error>
    where
        T: serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let work = async {
            self.count(1);
            let shown = statement.to_string();
            let first = shown.lines().find(|line| !line.starts_with("--")).unwrap_or_default();
            let refused = |error: tokio_postgres::Error| Error::of(first, &error);
            let row = client
                .query_one(&statement.reveal(), arguments)
                .await
                .map_err(refused)?;
            let Json(value) = row.try_get::<_, Json<T>>(0).map_err(refused)?;
            Ok(value)
        };
        within(work).await
    }

    async fn send(&self, client: &Client, statement: &Statement) -> Result<(), Error> {
        self.count(1);
        client
            .batch_execute(&statement.reveal())
            .await
            .map_err(|error| Error::of(&statement.to_string(), &error))
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permit = timeout(WAIT, self.besides.clone().acquire_owned())
            .await
            .map_err(|_| Error::Busy(OWN.into()))?;
        permit.map_err(|error| Error::Unreachable(error.to_string()))
    }

    /// A connection, which keeps its permit until its socket is closed: its client is gone a moment before.
    async fn open(
        &self,
        user: &str,
        password: &Password,
        database: &str,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Client, Error> {
        let config = config(&self.address, user, password, database);
        let failed = |error: tokio_postgres::Error| Error::of("connect", &error);
        let connecting = async {
            let (client, connection) = config.connect(self.connector.clone()).await.map_err(failed)?;
            tokio::spawn(carry(connection, permit));
            Ok(client)
        };
        timeout(CONNECT, connecting).await.map_err(|_| Error::Timeout)?
    }

    fn count(&self, statements: u64) {
        self.statements.fetch_add(statements, Ordering::Relaxed);
    }
}

/// Ends with its client.
async fn carry<T>(connection: impl Future<Output = T>, permit: Option<OwnedSemaphorePermit>) {
    connection.await;
    drop(permit);
}

/// A session as a tenant.
pub struct Visit<'a> {
    /// Session user, current user, database, schema.
    pub who: [String; 4],
    client: Client,
    server: &'a Server,
}

impl std::fmt::Debug for Visit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visit").field("who", &self.who).finish_non_exhaustive()
    }
}

impl Visit<'_> {
    /// Executes one statement.
    ///
    /// # Errors
    /// [`Error::Refused`] where the server says no.
    pub async fn execute(&self, statement: &Statement) -> Result<(), Error> {
        let work = self.server.send(&self.client, statement);
        timeout(TRIAL, work).await.map_err(|_| Error::Timeout)?
    }

    /// One statement whose one row has one JSON column.
    ///
    /// # Errors
    /// As [`Visit::execute`].
    pub async fn ask<T>(&self, statement: &Statement, arguments: &[&(dyn ToSql + Sync)]) -> Result<T, Error>
    where
        T: serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let work = self.server.query_through(&self.client, statement, arguments);
        timeout(TRIAL, work).await.map_err(|_| Error::Timeout)?
    }
}

/// Whether a statement touches nothing that another tenant's would, and may take its time.
fn takes_long(statement: &Statement) -> bool {
    let text = statement.to_string();
    ["CREATE DATABASE", "DROP DATABASE", "DO ", "SELECT "]
        .iter()
        .any(|start| text.starts_with(start))
}

async fn within<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(CALL, work).await.map_err(|_| Error::Timeout)?
}

fn config(address: &Address, user: &str, password: &Password, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host(&address.host)
        .port(address.port)
        .user(user)
        .password(password.reveal())
        .dbname(database)
        .application_name(crate::names::MANAGER)
        .connect_timeout(CONNECT)
        .keepalives_idle(Duration::from_secs(30))
        .tcp_user_timeout(CALL)
        // What the connector makes of it.
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(match address.trust {
            Some(_) => SslNegotiation::Postgres,
            None => SslNegotiation::Direct,
        });
    // As a tenant, what the tenant would have, within bounds that it cannot change.
    config.options(if user == address.user { OPTIONS } else { TRIAL_OPTIONS });
    config
}
