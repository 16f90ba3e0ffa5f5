//! The desired state of a tenant on its server, and the connection to that server.

use super::failure::{Failure, progressing, stalled};
use super::{AppliedDatabase, DatabasePass};
use crate::api::{DatabaseServerSpec, StorageLimitAction};
use crate::capability::{Note, State};
use crate::conditions::reason;
use crate::database::server_selection;
use crate::database::server_state::{Connection, Health, ServerState};
use crate::postgres::client;
use crate::postgres::identifier::InvalidIdentifier;
use crate::postgres::plan::{Login, Place, Wanted};
use crate::postgres::shared::group;
use crate::postgres::{Identifier, Names};
use std::sync::Arc;

/// Part of the limit below which a tenant may write again.
const ROOM: f64 = 0.9;

impl DatabasePass<'_> {
    /// Returns the connection to a healthy server.
    pub(super) fn connection(&self, server_state: &ServerState) -> Result<Arc<Connection>, Failure> {
        if self.databases.resource(&server_state.name).is_none() {
            return Err(stalled(
                reason::SERVER_NOT_FOUND,
                format!(
                    "DatabaseServer {} has the tenant's data and does not exist: create it again",
                    server_state.name
                ),
            ));
        }
        let snapshot = server_state.snapshot();
        let away =
            |reason, message: &str| progressing(reason, format!("DatabaseServer {}: {message}", server_state.name));
        if let Some(unread) = self.databases.unread(&server_state.name) {
            return Err(away(reason::INVALID_SERVER, &unread));
        }
        match (&snapshot.health, &snapshot.connection) {
            (Health::Ready, Some(connection)) => Ok(connection.clone()),
            (Health::Away { reason, message }, _) => Err(away(reason, message)),
            _ => Err(away(reason::SERVER_UNKNOWN, "the operator has not checked it yet")),
        }
    }

    /// Returns the desired state with these extensions, both logins closed and no application.
    pub(super) fn wanted(
        &self,
        server_state: &ServerState,
        tenant_names: &Names,
        extensions: Vec<Identifier>,
    ) -> Result<Wanted, Failure> {
        let resource = self.databases.resource(&server_state.name);
        let spec = resource.as_ref().map(|resource| &resource.spec);
        let place = self.place(spec).map_err(client::Error::from)?;
        if let Place::Shared(shared) = &place
            && shared.databases.is_empty()
        {
            let message = format!(
                "DatabaseServer {} has no spec.sharedTables any more: restore them",
                server_state.name
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
            extensions,
            writable: self.is_writable(server_state, tenant_names),
            applications: None,
        })
    }

    pub(super) fn place(&self, spec: Option<&DatabaseServerSpec>) -> Result<Place, InvalidIdentifier> {
        let tables = spec.map_or(&[][..], |spec| &spec.shared_tables);
        let server_state = self.databases.server_state(&self.placement.server);
        let group = || group::of(&server_state.snapshot().catalog);
        server_selection::place(self.placement.model, tables, group)
    }

    /// Returns true if the tenant may write. After it reached the limit it must free some room first.
    fn is_writable(&self, server_state: &ServerState, tenant_names: &Names) -> bool {
        let (Some(most), StorageLimitAction::ReadOnly) = (self.database.max_storage, self.database.on_storage_limit)
        else {
            return true;
        };
        // Of shared tables nobody has bytes of its own.
        let Some(bytes) = server_state.snapshot().usage.bytes_of(tenant_names) else {
            return true;
        };
        let catalog = server_state.catalog_of(tenant_names);
        let reads = catalog.roles.get(tenant_names.reader.as_str());
        let served = !self.database.applications.is_empty();
        // Where an application serves the tenant, the tenant's own logins always read only.
        let counts = |login: &str| !served || !tenant_names.logins.iter().any(|own| own.as_str() == login);
        let limited = reads.is_some_and(|role| {
            let mut members = role.members.iter().map(|member| &*member.role);
            members.any(|member| member != catalog.admin.name && counts(member))
        });
        (bytes as f64) < most as f64 * if limited { ROOM } else { 1.0 }
    }

    pub(super) fn limits(
        &self,
        server_state: &ServerState,
        tenant_names: &Names,
        wanted: &Wanted,
        outcome: &mut AppliedDatabase,
    ) {
        let bytes = server_state.snapshot().usage.bytes_of(tenant_names).unwrap_or(0);
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
