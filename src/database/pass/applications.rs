//! The logins of shared applications that may become the tenant.

use super::DatabasePass;
use super::extensions::Problems;
use super::failure::Failure;
use crate::capability::Note;
use crate::conditions::reason;
use crate::database::server_state::{Connection, ServerState};
use crate::postgres::Identifier;
use crate::postgres::applications::{self, Logins};
use crate::postgres::client::Error;
use crate::postgres::plan::Place;

/// Attempts to let a login connect: several tenants may do so at once.
const ATTEMPTS: usize = 5;

impl DatabasePass<'_> {
    /// Returns the logins of shared applications that may become the tenant, and the reasons against the others. None: no application serves it.
    pub(super) async fn applications(
        &self,
        connection: &Connection,
        server_state: &ServerState,
        place: &Place,
    ) -> Result<(Option<Vec<Identifier>>, Problems), Failure> {
        let mut problems = Problems::default();
        let asked = &self.database.applications;
        if asked.is_empty() {
            return Ok((None, problems));
        }
        let mut admitted: Vec<Identifier> = Vec::new();
        // They come in with the tenant's own logins, and not before.
        for application in asked.iter().filter(|_| !self.tenant.is_blocked()) {
            let role = &application.role;
            let logins = self.logins(connection, server_state).await?;
            let login = logins.get(role.as_str());
            let refusal = applications::refusal(role, login, place, &server_state.snapshot().catalog);
            if let Some(why) = refusal {
                let message = format!(
                    "the tier's gateway.applications ({}).databaseRole: role {} of DatabaseServer {} {why}",
                    application.name,
                    role.as_str(),
                    server_state.name
                );
                problems.note(Note::new(reason::APPLICATION_ROLE_REFUSED, message));
                continue;
            }
            if *place == Place::Schema && !login.is_some_and(|login| login.connects) {
                admit(connection, server_state, role).await?;
            }
            if !admitted.contains(role) {
                admitted.push(role.clone());
            }
        }
        Ok((Some(admitted), problems))
    }

    /// The logins as the server's loop last saw them; asks the server where one of this tenant's was never asked for.
    async fn logins(&self, connection: &Connection, server_state: &ServerState) -> Result<Logins, Error> {
        let asked = self.database.applications.iter().map(|application| &application.role);
        match server_state.logins(asked.clone()) {
            Some(known) => Ok(known),
            None => server_state.read_logins(&connection.server, asked).await,
        }
    }
}

/// Lets a login connect to the database of all schemas.
async fn admit(connection: &Connection, server_state: &ServerState, login: &Identifier) -> Result<(), Failure> {
    let steps = applications::admit(login, &connection.address.database).map_err(Error::from)?;
    for attempt in 1..=ATTEMPTS {
        match connection.server.execute(&steps).await {
            Err(error) if error.is_raced() && attempt < ATTEMPTS => {}
            admitted => {
                admitted?;
                break;
            }
        }
    }
    server_state.read_logins(&connection.server, [login]).await?;
    tracing::info!(
        server = server_state.name,
        login = login.as_str(),
        "a shared application may connect"
    );
    Ok(())
}
