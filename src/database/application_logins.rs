//! The logins of shared applications on a server: what they are now, and which of them serve no tenant any more.

use super::server_state::ServerState;
use super::servers::Databases;
use crate::postgres::Identifier;
use crate::postgres::applications::{ApplicationLogin, admitted, dismissals};
use crate::postgres::client::{Error, Server};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the logins that tenants have asked for, wakes the tenants where one differs from the former inspection, and takes the right to connect from logins
/// that serve nobody.
pub(super) async fn inspect(databases: &Databases, server_state: &ServerState, server: &Server) -> Result<(), Error> {
    let (before, names) = known(server_state);
    if names.is_empty() {
        return Ok(());
    }
    let found = server_state.read_logins(server, &names).await?;
    let differs = |name: &String| before[name].as_ref() != found.get(name);
    if before.keys().any(differs) {
        tracing::info!(
            server = server_state.name,
            "a login of a shared application was changed"
        );
        databases.wake(&server_state.name);
    }
    let steps = dismissals(&server_state.snapshot().catalog, &found);
    if steps.is_empty() {
        return Ok(());
    }
    match server.execute(&steps).await {
        Ok(()) => {
            server_state.read_logins(server, &names).await?;
            // A tenant may have come to it meanwhile.
            databases.wake(&server_state.name);
        }
        Err(error) => {
            tracing::warn!(
                server = server_state.name,
                "a login that serves no tenant any more can still connect: {error}"
            );
        }
    }
    Ok(())
}

type Known = BTreeMap<String, Option<ApplicationLogin>>;

/// The logins as the former inspection saw them, and the names of all that are to be read.
fn known(server_state: &ServerState) -> (Known, BTreeSet<Identifier>) {
    let snapshot = server_state.snapshot();
    let names = snapshot.logins.keys().map(String::as_str);
    let names = names.chain(admitted(&snapshot.catalog));
    let names = names.filter_map(|name| Identifier::new(name).ok()).collect();
    (snapshot.logins.clone(), names)
}
