//! Connections to one server: bounded in number, each call bounded in time.

mod address;
mod error;
mod evict;
mod observe;
mod pool;
mod tenant_session;

pub use address::Address;
pub use error::Error;
use evict::END_BLOCKERS;
pub use tenant_session::TenantSession;

use super::guard::Connector;
use super::password::Password;
use super::plan::{Step, Venue};
use super::tls::{self, Trust};
use super::{Identifier, Statement};
use crate::sql;
use crate::term::Term;
use address::config;
use deadpool_postgres::{Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts};
use futures::StreamExt;
use futures::future::{Either, ready};
use futures::poll;
use futures::stream::FuturesOrdered;
use pool::PooledConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The timeout of a new connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The time that a call waits for a free connection.
const WAIT: Duration = Duration::from_secs(20);
/// The timeout of one call as a whole.
const CALL: Duration = Duration::from_secs(60);
/// The message when the operator waits for its own connections, which is no fault of the server's.
const OWN: &str = "all connections of the operator are in use";
/// The timeout of a query.
const QUERY: Duration = Duration::from_secs(15);
/// The timeout of an empty statement.
const PULSE: Duration = Duration::from_secs(4);
/// Bytes of an answer whose connection is closed.
const LONG_ANSWER: usize = 128 * 1024;
/// Connections besides the pool's: to other databases, and as tenants. With very few connections only one.
const EXTRA_CONNECTIONS: usize = 2;
/// The time that statements wait for a tenant before its session is ended, and the period in which that is looked at then.
const GRACE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(200);

/// The operator's connections to one server.
pub struct Server {
    address: Address,
    connector: Connector,
    pool: Pool,
    extra: Arc<Semaphore>,
    max_extra: usize,
    /// A connection of its own, so that busy ones are not taken for a server that is away.
    pulse: Mutex<Option<Client>>,
    /// One writer at a time: PostgreSQL itself refuses two changes of one database's privileges.
    writing: Mutex<()>,
    statements: Arc<AtomicU64>,
}

impl Server {
    /// Connects to nothing yet. Its connections send nothing outside of this term.
    ///
    /// # Errors
    /// Settings that no connection can be tried with.
    pub fn new(address: Address, term: Term) -> Result<Self, Error> {
        let tls = match &address.trust {
            Some(trust) => Some(MakeRustlsConnect::new(tls::config(trust, address.oldest_tls)?)),
            None => None,
        };
        let verified = matches!(address.trust, Some(Trust::Host(_) | Trust::Authority(_)));
        let connector = Connector::new(tls, verified, term);
        let config = config(&address, &address.user, &address.password, &address.database);
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(config, connector.clone(), recycling);
        let extra = if address.connections > EXTRA_CONNECTIONS + 1 {
            EXTRA_CONNECTIONS
        } else {
            1
        };
        let pool = Pool::builder(manager)
            .max_size(address.connections.saturating_sub(extra + 1).max(1))
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
            extra: Arc::new(Semaphore::new(extra)),
            max_extra: extra,
            pulse: Mutex::default(),
            writing: Mutex::new(()),
            statements: Arc::default(),
        })
    }

    /// Lets nothing connect any more.
    pub fn close(&self) {
        self.pool.close();
        self.extra.close();
    }

    /// Returns the number of statements so far.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Returns the number of open connections.
    pub fn connections(&self) -> usize {
        1 + self.pool.status().size + self.max_extra.saturating_sub(self.extra.available_permits())
    }

    /// Checks by an empty statement that the server answers.
    ///
    /// # Errors
    /// As [`Error`] says, within seconds.
    pub async fn pulse(&self) -> Result<(), Error> {
        let work = async {
            let mut pulse = self.pulse.lock().await;
            let client = match pulse.take().filter(|client| !client.is_closed()) {
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
            *pulse = Some(client);
            Ok(())
        };
        timeout(PULSE, work).await.map_err(|_| Error::Timeout)?
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
            // A connection keeps the room that its longest answer took.
            if row.raw_size_bytes() < LONG_ANSWER {
                connection.recycle();
            }
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
        let end_blockers = async {
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
            () = end_blockers => unreachable!("it never ends"),
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
        connection.recycle();
        Ok(())
    }

    async fn alone(&self, statement: &Statement) -> Result<(), Error> {
        let connection = self.connection().await?;
        self.send(&connection, statement).await?;
        connection.recycle();
        Ok(())
    }

    async fn connection(&self) -> Result<PooledConnection, Error> {
        Ok(PooledConnection(Some(self.pool.get().await?)))
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
        let permit = timeout(WAIT, self.extra.clone().acquire_owned())
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

/// Returns true for a statement that touches no other tenant's objects, and may take its time.
fn takes_long(statement: &Statement) -> bool {
    let text = statement.to_string();
    ["CREATE DATABASE", "DROP DATABASE", "DO ", "SELECT "]
        .iter()
        .any(|start| text.starts_with(start))
}

async fn within<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(CALL, work).await.map_err(|_| Error::Timeout)?
}
