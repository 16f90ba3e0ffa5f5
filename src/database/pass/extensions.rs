//! The extensions of a tenant: which to install now, and why others are not.

use super::DatabasePass;
use super::failure::Failure;
use crate::capability::{Note, State};
use crate::conditions::reason;
use crate::database::server_state::{Connection, ServerState};
use crate::postgres::client::Error;
use crate::postgres::extensions::{self, Available, Order};
use crate::postgres::plan::{self, Wanted};
use crate::postgres::{Identifier, Names};

/// The notes on extensions that are not installed.
#[derive(Default)]
pub(super) struct Problems(Vec<Note>);

impl Problems {
    pub(super) fn add(&mut self, others: Self) {
        self.0.extend(
            others
                .0
                .into_iter()
                .filter(|note| !self.0.contains(note))
                .collect::<Vec<_>>(),
        );
    }

    pub(super) fn note(&mut self, note: Note) {
        self.0.push(note);
    }

    /// Adds a refusal of an extension.
    pub(super) fn refused(&mut self, extension: &Identifier, error: &Error) {
        let message = format!("{}: {error}", extension.as_str());
        self.0.push(Note::new(reason::EXTENSION_NOT_INSTALLED, message));
    }

    /// The state of a database that is otherwise as asked.
    pub(super) fn state(&self) -> Option<State> {
        let first = self.0.first()?;
        let messages: Vec<&str> = self.0.iter().map(|note| note.message.as_str()).collect();
        Some(State::Stalled(Note::new(first.reason, messages.join("; "))))
    }
}

impl DatabasePass<'_> {
    /// Returns the extensions that the server can install, in order. Asks the server only while one of them is not installed.
    pub(super) async fn extensions(
        &self,
        connection: &Connection,
        server_state: &ServerState,
        tenant_names: &Names,
    ) -> Result<(Vec<Identifier>, Problems), Failure> {
        let resource = self.databases.resource(&server_state.name);
        let allowed = resource.as_ref().map_or(&[][..], |resource| &resource.spec.extensions);
        let is_allowed = |extension: &&Identifier| allowed.iter().any(|allowed| allowed == extension.as_str());
        let (asked, others): (Vec<_>, Vec<_>) = self.database.extensions.iter().partition(is_allowed);
        let asked: Vec<Identifier> = asked.into_iter().cloned().collect();
        let problem = |extension: &Identifier| {
            let message = format!(
                "spec.database.extensions: {} is not among those that DatabaseServer {} allows ({})",
                extension.as_str(),
                server_state.name,
                allowed.join(", ")
            );
            Note::new(reason::EXTENSION_NOT_ALLOWED, message)
        };
        let mut problems = Problems(others.into_iter().map(problem).collect());
        let place = self
            .place(resource.as_ref().map(|resource| &resource.spec))
            .map_err(Error::from)?;
        let installed = plan::installed(&place, tenant_names, &server_state.catalog_of(tenant_names));
        let available: Available = match asked.iter().all(|extension| installed.contains(extension.as_str())) {
            true => Available::new(),
            false => connection.server.query(extensions::QUERY, &[]).await?,
        };
        let Order {
            install,
            problems: missing,
        } = extensions::order(&asked, &installed, &available);
        let missing = missing.into_iter();
        problems
            .0
            .extend(missing.map(|message| Note::new(reason::EXTENSION_NOT_INSTALLED, message)));
        Ok((install, problems))
    }
}

/// Returns the extension whose installation the server refused, unless it may succeed the next time.
pub(super) fn refused<'a>(wanted: &'a Wanted, error: &Error) -> Option<&'a Identifier> {
    let Error::Refused { statement, .. } = error else {
        return None;
    };
    if error.is_temporary() {
        return None;
    }
    let is_of = |extension: &&Identifier| plan::create_extension(extension).to_string() == *statement;
    wanted.extensions.iter().find(is_of)
}
