//! Sessions as a tenant, with the tenant's own credentials.

use super::Server;
use super::error::Error;
use crate::postgres::Statement;
use crate::postgres::password::Password;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

/// The timeout of a trial of a tenant's login.
const TRIAL: Duration = Duration::from_secs(10);

impl Server {
    /// Logs in as a tenant would.
    ///
    /// # Errors
    /// [`Error::Authentication`] where the server does not let it in.
    pub async fn log_in(&self, user: &str, password: &Password, database: &str) -> Result<TenantSession<'_>, Error> {
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
            Ok(TenantSession {
                who,
                client,
                server: self,
            })
        };
        timeout(TRIAL, work).await.map_err(|_| Error::Timeout)?
    }
}

/// A session as a tenant.
pub struct TenantSession<'a> {
    /// Session user, current user, database, schema.
    pub who: [String; 4],
    client: Client,
    server: &'a Server,
}

impl std::fmt::Debug for TenantSession<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantSession")
            .field("who", &self.who)
            .finish_non_exhaustive()
    }
}

impl TenantSession<'_> {
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
    /// As [`TenantSession::execute`].
    pub async fn ask<T>(&self, statement: &Statement, arguments: &[&(dyn ToSql + Sync)]) -> Result<T, Error>
    where
        T: serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let work = self.server.query_through(&self.client, statement, arguments);
        timeout(TRIAL, work).await.map_err(|_| Error::Timeout)?
    }
}
