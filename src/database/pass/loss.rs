//! The place of a tenant's data that somebody dropped or renamed on the server.

use super::failure::{Failure, stalled};
use crate::capability::Note;
use crate::conditions::reason;
use crate::database::server_state::{Connection, ServerState};
use crate::postgres::plan::{MissingPlace, Wanted, missing_place};
use crate::time::seconds;
use k8s_openapi::jiff::Timestamp;

/// Notes where somebody dropped the tenant's schema or database: the next statements make an empty one.
///
/// # Errors
/// A conflict, where it has another name now: an empty one in its stead would hide the data.
pub(super) async fn look_for(
    connection: &Connection,
    server_state: &ServerState,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let catalog = server_state.catalog_of(&wanted.names);
    let Some(missing) = missing_place(wanted, &catalog) else {
        return Ok(());
    };
    match connection.server.name_of(missing.kind, missing.oid).await? {
        None => {
            let note = note(&missing, seconds(Timestamp::now()));
            let message = note.message.clone();
            if server_state.note_loss(&wanted.tenant_id, missing.oid, note) {
                tracing::warn!(server = server_state.name, "{message}");
            }
            Ok(())
        }
        // It is back already.
        Some(name) if name == missing.name => Ok(()),
        Some(name) => Err(stalled(reason::CONFLICT, renamed(&missing, &name))),
    }
}

fn note(missing: &MissingPlace<'_>, now: Timestamp) -> Note {
    let MissingPlace { kind, name, .. } = missing;
    let reason = match *kind {
        "database" => reason::DATABASE_LOST,
        _ => reason::SCHEMA_LOST,
    };
    let message = format!(
        "the tenant's {kind} {name} was dropped on the server, and the operator made an empty one at {now}: restore its data from a backup"
    );
    Note::new(reason, message)
}

fn renamed(missing: &MissingPlace<'_>, present: &str) -> String {
    let MissingPlace { kind, name, .. } = missing;
    format!(
        "the tenant's {kind} {name} has the name {present} now, and the operator leaves it unchanged: rename it to {name}, or drop it if the tenant shall have an empty one"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_names_the_place_and_the_remedy() {
        for (kind, reason) in [("schema", "SchemaLost"), ("database", "DatabaseLost")] {
            let missing = MissingPlace {
                kind,
                name: "t_1",
                oid: 7,
            };
            let note = note(&missing, "2026-01-01T00:00:00Z".parse().expect("a time"));
            assert_eq!(note.reason, reason);
            let expected = format!("the tenant's {kind} t_1 was dropped on the server");
            assert!(note.message.starts_with(&expected), "{}", note.message);
            let message = renamed(&missing, "aside");
            assert!(
                message.contains("has the name aside now") && message.contains("rename it to t_1"),
                "{message}"
            );
        }
    }
}
