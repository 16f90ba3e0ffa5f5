//! Verifies that a tenant's credentials log in, act as the right role and reach only the tenant's own objects.

use super::DatabasePass;
use super::failure::{Failure, stalled};
use crate::conditions::reason;
use crate::database::secret::Credentials;
use crate::database::server_state::{Connection, ServerState};
use crate::postgres::beyond::{self, Own};
use crate::postgres::client::{self, Visit};
use crate::postgres::plan::Wanted;
use crate::proof;
use std::time::Duration;

/// After how long a login is tried again although nothing changed.
const RECHECK: Duration = Duration::from_secs(600);
/// The same where the last one did not show that the tenant is apart.
pub(super) const RECHECK_DOUBTFUL: Duration = Duration::from_secs(30);
/// At most one such trial in this time on each server, however many tenants.
const RECHECK_GAP: Duration = Duration::from_secs(3);
/// At most one trial in this time where the status says that a former process saw the same credentials work: a restart is not everybody's turn at once.
const RESTART_GAP: Duration = Duration::from_millis(50);

impl DatabasePass<'_> {
    /// Tries the published credentials: when they are new to this process, and from time to time. A password that no longer
    /// works, because somebody changed it, is set again. Returns how long its turn is away where it has to wait for it.
    pub(super) async fn verify(
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
    pub(super) fn was_seen_open(&self, current: &Credentials) -> bool {
        self.database.opened_by.as_ref() == Some(&current.published.issued_at.to_string())
    }

    pub(super) async fn log_in(
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
            Ok(found) => crate::database::isolation::judge(&found),
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
pub(super) fn mark(credentials: &Credentials) -> String {
    format!("{}-{}", credentials.published.login, credentials.published.issued_at)
}
