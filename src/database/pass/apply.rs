//! Applies the desired state to the server, until the server is in it.

use super::DatabasePass;
use super::extensions::{self, Problems};
use super::failure::{Failure, progressing, stalled};
use super::loss;
use crate::conditions::reason;
use crate::database::registry::{self, Enrolled};
use crate::database::release::LOCK_NOT_AVAILABLE;
use crate::database::server_state::{Connection, ServerState};
use crate::postgres::client;
use crate::postgres::plan::{self, Wanted};
use crate::postgres::shared;

/// Maximum number of rounds in one pass; the creation of a database takes three.
const ROUNDS: usize = 8;

impl DatabasePass<'_> {
    /// Brings the server into the desired state. Returns the extensions that the server refuses; they hold up nothing else.
    pub(super) async fn apply(
        &self,
        connection: &Connection,
        server_state: &ServerState,
        wanted: &Wanted,
    ) -> Result<Problems, Failure> {
        loss::look_for(connection, server_state, wanted).await?;
        self.converge(connection, server_state, wanted).await
    }

    /// Plans and executes until no step remains.
    async fn converge(
        &self,
        connection: &Connection,
        server_state: &ServerState,
        wanted: &Wanted,
    ) -> Result<Problems, Failure> {
        let mut problems = Problems::default();
        let server = &connection.server;
        let mut wanted = wanted.clone();
        let mut steps = plan::plan(&wanted, &server_state.catalog_of(&wanted.names))?;
        let is_known = server_state
            .catalog_of(&wanted.names)
            .roles
            .contains_key(wanted.names.owner.as_str());
        if let Some(first) = steps.first().filter(|_| is_known) {
            let (tenant, steps) = (&self.tenant.owner.tenant, steps.len());
            tracing::info!(server = server_state.name, tenant, steps, first = %first.statement, "its part of the server is mended");
        }
        let mut evicted = false;
        let mut last = Ok(());
        for _ in 0..ROUNDS + wanted.extensions.len() {
            if steps.is_empty() {
                return Ok(problems);
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
            server_state.update_tenant(&wanted.tenant_id, &wanted.names, seen);
            if let Err(error) = &executed
                && let Some(extension) = extensions::refused(&wanted, error).cloned()
            {
                problems.refused(&extension, error);
                wanted.extensions.retain(|wanted| *wanted != extension);
                steps = plan::plan(&wanted, &server_state.catalog_of(&wanted.names))?;
                continue;
            }
            let next = plan::plan(&wanted, &server_state.catalog_of(&wanted.names))?;
            // What was there before may have been older than the truth; the same again would be refused again.
            if executed.as_ref().is_err_and(client::Error::is_raced) {
                last = executed;
                steps = next;
                continue;
            }
            last = Ok(());
            if refused && next.first() == steps.first() {
                let blocked = executed
                    .as_ref()
                    .is_err_and(|error| error.code() == Some(LOCK_NOT_AVAILABLE));
                if !blocked || evicted {
                    executed?;
                }
                evicted = true;
                let ended = server_state.evict(server, &wanted.names).await?;
                tracing::warn!(server = server_state.name, ended, "sessions of tenants were in the way");
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

    /// Brings the tenant's row in the registry of the shared tables up to date, without which it would see no row, and tells its number.
    pub(super) async fn enroll(
        &self,
        connection: &Connection,
        server_state: &ServerState,
        number: &mut Option<i64>,
    ) -> Result<(), Failure> {
        let id = &self.tenant.owner.id;
        let row = registry::complete_row(self.databases, self.tenant);
        let mut wanted = Enrolled::of(&row);
        let known = server_state.snapshot().enrolled.get(id).cloned();
        if let Some(known) = known.filter(|known| known.is_as(&wanted)) {
            *number = known.number;
            return Ok(());
        }
        let Some(resource) = self.databases.resource(&server_state.name) else {
            return Ok(());
        };
        let catalog = connection.server.observe_all(&server_state.roles()).await?;
        let report = shared::reconcile(&connection.server, &resource.spec.shared_tables, &[row], &catalog).await?;
        if let Some(conflict) = report.conflicts.get(id) {
            *number = None;
            return Err(stalled(reason::CONFLICT, conflict.clone()));
        }
        if report.missing.contains(id) {
            return Err(progressing(
                reason::NOT_REGISTERED,
                "the registry of the shared tables does not contain the tenant yet".into(),
            ));
        }
        *number = report.number(id);
        if let Some(error) = report.refused.get(id) {
            let message = format!("the registry of the shared tables does not have the tenant's details: {error}");
            return Err(progressing(reason::NOT_REGISTERED, message));
        }
        wanted.number = *number;
        server_state.snapshot().enrolled.insert(id.clone(), wanted);
        Ok(())
    }
}
