//! Verifies that a tenant's credentials log in, act as the right role and reach only the tenant's own objects.

use super::DatabasePass;
use super::failure::{Failure, stalled};
use super::tenant_secret::TenantSecret;
use crate::conditions::reason;
use crate::database::secret::Credentials;
use crate::database::server_state::{Connection, ServerState};
use crate::postgres::client::{self, TenantSession};
use crate::postgres::cross_tenant_access::{self, OwnObjects};
use crate::postgres::plan::Wanted;
use crate::proof;
use crate::rotation::Published;
use std::time::Duration;

/// Time between two checks of a login without any change.
const RECHECK: Duration = Duration::from_secs(600);
/// Time between two checks after one that did not pass.
pub(super) const RECHECK_DOUBTFUL: Duration = Duration::from_secs(30);
/// Minimum time between two routine checks on one server.
const RECHECK_GAP: Duration = Duration::from_secs(3);
/// Minimum time between two checks after a restart of credentials that the status calls verified.
const RESTART_GAP: Duration = Duration::from_millis(50);

impl DatabasePass<'_> {
    /// Tries the published credentials: when they are new to this process, and then periodically. Sets a password again that
    /// somebody changed. Returns the time until the check, if it has to wait.
    pub(super) async fn verify(
        &self,
        connection: &Connection,
        server_state: &ServerState,
        wanted: &Wanted,
        secret: &mut TenantSecret,
        current: &Published,
    ) -> Result<Option<Duration>, Failure> {
        let (id, revision) = (&self.tenant.owner.id, mark(current));
        let recheck = match server_state.isolation(id) {
            Some(proof::Outcome::Passed) => RECHECK,
            _ => RECHECK_DOUBTFUL,
        };
        match server_state.verified(id, &revision) {
            Some(at) if at.elapsed() < recheck || !server_state.may_recheck(RECHECK_GAP) => return Ok(None),
            None if self.is_open_in_status(current) => {
                let wait = server_state.restart_delay(id, RESTART_GAP);
                if !wait.is_zero() {
                    return Ok(Some(wait));
                }
            }
            _ => {}
        }
        let current = self.credentials(&wanted.names, secret).await?;
        match connection.log_in(wanted, current).await {
            Err(client::Error::Authentication(message)) => {
                tracing::warn!("the published credentials do not open the database ({message}): set again");
                let mut again = wanted.clone();
                again.logins[current.published.login].password = Some(current.password.verifier());
                self.apply(connection, server_state, &again).await?;
                server_state.set_verified(id, None);
                self.log_in(connection, server_state, wanted, current).await?;
            }
            // All its connections are in use: the password was good.
            Err(client::Error::Busy(message)) if message.contains("for role") => {}
            session => self.check_login(session, server_state, wanted).await?,
        }
        server_state.set_verified(id, Some(&revision));
        Ok(None)
    }

    /// Returns true if the status says that these credentials open the database.
    pub(super) fn is_open_in_status(&self, current: &Published) -> bool {
        self.database.opened_by.as_ref() == Some(&current.issued_at.to_string())
    }

    pub(super) async fn log_in(
        &self,
        connection: &Connection,
        server_state: &ServerState,
        wanted: &Wanted,
        credentials: &Credentials,
    ) -> Result<(), Failure> {
        let session = connection.log_in(wanted, credentials).await;
        self.check_login(session, server_state, wanted).await
    }

    /// Checks the role of a login, and its access beyond the tenant's own objects.
    async fn check_login(
        &self,
        session: Result<TenantSession<'_>, client::Error>,
        server_state: &ServerState,
        wanted: &Wanted,
    ) -> Result<(), Failure> {
        let session = session.map_err(|error| match error {
            client::Error::Timeout | client::Error::Refused { .. } => {
                stalled(reason::LOGIN_FAILED, format!("the tenant's login failed: {error}"))
            }
            client::Error::Authentication(message) => stalled(
                reason::LOGIN_FAILED,
                format!("the server refuses the tenant's login: {message}"),
            ),
            error => error.into(),
        })?;
        self.check_role(&session.who, wanted)?;
        self.check_access(&session, server_state, wanted).await;
        Ok(())
    }

    /// Tries to reach other tenants' objects with the tenant's own login.
    async fn check_access(&self, session: &TenantSession<'_>, server_state: &ServerState, wanted: &Wanted) {
        let records = server_state.snapshot().catalog.database.clone();
        let outcome = match cross_tenant_access::probe(session, &OwnObjects::of(wanted, &records)).await {
            Ok(found) => crate::database::login_check::outcome(&found),
            Err(error) => proof::Outcome::Untried(error.to_string()),
        };
        server_state.set_isolation(&self.tenant.owner.id, outcome);
    }

    /// Checks that the login acts as the right role.
    fn check_role(&self, seen: &[String; 4], wanted: &Wanted) -> Result<(), Failure> {
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
    /// Logs in to the tenant's first database with its credentials.
    async fn log_in(&self, wanted: &Wanted, credentials: &Credentials) -> Result<TenantSession<'_>, client::Error> {
        let databases = wanted.place.databases(&wanted.names, &self.address.database);
        let database = databases.first().copied().unwrap_or_default();
        let login = wanted.names.logins[credentials.published.login].as_str();
        self.server.log_in(login, &credentials.password, database).await
    }
}

/// Returns an identifier of one tenant's credentials for this process.
pub(super) fn mark(published: &Published) -> String {
    format!("{}-{}", published.login, published.issued_at)
}
