//! Releases a tenant's data: closes the logins and retains the data, or removes it completely.

use super::placement_record::{self, Placement};
use super::server_state::{Connection, Health, ServerState};
use super::servers::Databases;
use crate::api::{DatabaseModel, DeletionPolicy};
use crate::cluster::{Error, Identity, Key, Writer, secret};
use crate::names;
use crate::postgres::plan;
use crate::postgres::shared;
use crate::postgres::{Names, client};
use std::sync::Arc;

/// SQLSTATE `lock_not_available`.
pub const LOCK_NOT_AVAILABLE: &str = "55P03";
/// Maximum number of rounds in one pass.
const ROUNDS: usize = 6;
/// Of a role that is dropped, and privileges depend on it.
const DEPENDENT_OBJECTS: &str = "2BP01";

/// Retains or removes a tenant's data. Returns the reason why it waits, or None at the end.
///
/// # Errors
/// The API server's.
pub async fn release(
    databases: &Databases,
    writer: &Writer,
    owner: &Identity,
    policy: DeletionPolicy,
) -> Result<Option<String>, Error> {
    let Some(placement) = databases.placement(owner) else {
        return Ok(None);
    };
    if placement.abandoned || (placement.retained && policy == DeletionPolicy::Retain) {
        return Ok(None);
    }
    let server_state = databases.server_state(&placement.server);
    server_state.first_inspection().await;
    let names = Names::of(&owner.id);
    let Some(_permit) = server_state.permit().await else {
        return Ok(Some(format!(
            "DatabaseServer {} is busy with other tenants",
            server_state.name
        )));
    };
    let waiting = match connection(databases, &server_state) {
        Ok(connection) => match policy {
            DeletionPolicy::Retain => close_logins(&connection, &server_state, owner, &names).await,
            DeletionPolicy::Delete => {
                delete_data(databases, &connection, &server_state, owner, &names, &placement).await
            }
        },
        Err(why) => Err(why),
    };
    if let Err(why) = waiting {
        let what = match policy {
            DeletionPolicy::Retain => "the tenant's logins are still open",
            DeletionPolicy::Delete => "the tenant's data is still there",
        };
        return Ok(Some(format!("DatabaseServer {}: {what}: {why}", placement.server)));
    }
    // What it says opens nothing any more; whoever comes back gets other credentials.
    if policy == DeletionPolicy::Retain && has_namespace(databases, owner) {
        secret::delete(writer, owner, names::DATABASE_SECRET).await?;
    }
    // Where a conflict kept everything from being made, there is nothing to retain, and the place is free.
    let has_nothing = placement.model != DatabaseModel::SharedTable
        && plan::has_nothing(&names, &owner.id, &server_state.catalog_of(&names));
    let policy = if has_nothing { DeletionPolicy::Delete } else { policy };
    finish(databases, writer, owner, policy, placement).await?;
    Ok(None)
}

fn has_namespace(databases: &Databases, owner: &Identity) -> bool {
    let key = Key::namespace(owner.tenant.clone());
    let live = databases.store.get(&owner.tenant, &key);
    live.is_some_and(|live| live.belongs_to(owner) && !live.is_terminating())
}

/// Closes the logins while the tenant is suspended, whatever else its spec says. Returns the reason why it waits.
///
/// # Errors
/// None so far: the returned reason names problems of the server.
pub async fn suspend(databases: &Databases, owner: &Identity) -> Result<Option<String>, Error> {
    let Some(placement) = databases.placement(owner).filter(|placement| !placement.retained) else {
        return Ok(None);
    };
    let server_state = databases.server_state(&placement.server);
    server_state.first_inspection().await;
    let names = Names::of(&owner.id);
    let result = match connection(databases, &server_state) {
        Ok(connection) => repeat(&connection, &server_state, owner, &names, plan::suspension).await,
        Err(why) => Err(why),
    };
    let waiting = |why| {
        format!(
            "DatabaseServer {}: the tenant's logins are still open: {why}",
            placement.server
        )
    };
    Ok(result.err().map(waiting))
}

/// Abandons the data on a server that the operator cannot reach. The record stays, so that no other tenant gets the id.
///
/// # Errors
/// The API server's.
pub async fn abandon(
    databases: &Databases,
    writer: &Writer,
    owner: &Identity,
    server: &str,
) -> Result<Option<Placement>, Error> {
    let placement = databases.placement(owner);
    let Some(placement) = placement.filter(|placement| !placement.abandoned && placement.server == server) else {
        return Ok(None);
    };
    // One that answers can be asked.
    if connection(databases, &databases.server_state(server)).is_ok() {
        return Ok(None);
    }
    let placement = Placement {
        abandoned: true,
        ..placement
    };
    tracing::warn!(
        server = placement.server,
        "abandoned as requested: the tenant's roles, logins and data remain on the server"
    );
    finish(databases, writer, owner, DeletionPolicy::Retain, placement.clone()).await?;
    Ok(Some(placement))
}

async fn finish(
    databases: &Databases,
    writer: &Writer,
    owner: &Identity,
    policy: DeletionPolicy,
    placement: Placement,
) -> Result<(), Error> {
    databases.server_state(&placement.server).forget(&owner.id);
    let key = placement_record::key(owner, &databases.namespace);
    match policy {
        DeletionPolicy::Retain => {
            let placement = Placement {
                retained: true,
                ..placement
            };
            let record = placement_record::record(owner, &databases.namespace, &placement);
            writer.ensure(owner, &record).await?;
        }
        DeletionPolicy::Delete => {
            if let Some(live) = databases.store.get(&owner.tenant, &key) {
                writer.delete(&live).await?;
            }
        }
    }
    Ok(())
}

fn connection(databases: &Databases, server_state: &ServerState) -> Result<Arc<Connection>, String> {
    if databases.resource(&server_state.name).is_none() {
        return Err("there is no such DatabaseServer".into());
    }
    if let Some(unread) = databases.unread(&server_state.name) {
        return Err(unread);
    }
    let snapshot = server_state.snapshot();
    match (&snapshot.health, &snapshot.connection) {
        (Health::Ready, Some(connection)) => Ok(connection.clone()),
        (Health::Away { message, .. }, _) => Err(message.clone()),
        _ => Err("the operator has not checked it yet".into()),
    }
}

async fn close_logins(
    connection: &Connection,
    server_state: &ServerState,
    owner: &Identity,
    names: &Names,
) -> Result<(), String> {
    repeat(connection, server_state, owner, names, plan::retention).await
}

async fn delete_data(
    databases: &Databases,
    connection: &Connection,
    server_state: &ServerState,
    owner: &Identity,
    names: &Names,
    placement: &Placement,
) -> Result<(), String> {
    close_logins(connection, server_state, owner, names).await?;
    let resource = databases.resource(&server_state.name);
    if let (DatabaseModel::SharedTable, Some(resource)) = (placement.model, resource) {
        let catalog = connection
            .server
            .observe_all(&server_state.roles())
            .await
            .map_err(|error| error.to_string())?;
        let tables = &resource.spec.shared_tables;
        let left = shared::remove_tenant(&connection.server, tables, &owner.id, names, &catalog).await;
        let left = left.map_err(|error| error.to_string())?;
        server_state.snapshot().enrolled.remove(&owner.id);
        if !left.problems.is_empty() {
            return Err(left.problems.join("; "));
        }
        if !left.is_nothing() {
            return Err(format!("{} rows in shared tables are left", left.rows));
        }
    }
    repeat(connection, server_state, owner, names, plan::removal).await
}

type Planned = Result<Vec<plan::Step>, plan::Conflict>;

async fn repeat(
    connection: &Connection,
    server_state: &ServerState,
    owner: &Identity,
    names: &Names,
    plan: impl Fn(&Names, &str, &crate::postgres::catalog::Catalog) -> Planned,
) -> Result<(), String> {
    let server = &connection.server;
    let text = |error: client::Error| error.to_string();
    let mut last = None;
    for _ in 0..ROUNDS {
        // What is to be taken away is looked at afresh.
        let seen = server.observe(Some(names)).await.map_err(text)?;
        server_state.update_tenant(&owner.id, names, seen);
        let steps = plan(names, &owner.id, &server_state.catalog_of(names)).map_err(|conflict| conflict.to_string())?;
        if steps.is_empty() {
            return Ok(());
        }
        match server.execute(&steps).await {
            // Somebody holds a lock on the tenant's role or database; it need not be the tenant itself.
            Err(client::Error::Refused { code, .. }) if code == LOCK_NOT_AVAILABLE => {
                let ended = server_state.evict(server, names).await.map_err(text)?;
                tracing::warn!(
                    server = server_state.name,
                    ended,
                    "sessions of tenants were in the way of a removal"
                );
            }
            // Somebody granted something to a role since it was let go.
            Err(error) if error.code() == Some(DEPENDENT_OBJECTS) || error.is_raced() => last = Some(error),
            result => result.map_err(text)?,
        }
    }
    Err(last.map_or_else(|| "the server accepted the statements without effect".into(), text))
}
