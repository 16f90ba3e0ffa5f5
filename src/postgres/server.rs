//! The operator's records on a server, and the identity of the server.

use super::catalog::Catalog;
use super::client::{Address, Error, Server};
use super::{Identifier, Statement};
use crate::sql;
use tokio_postgres::error::SqlState;

/// The schema of the operator's records, unreadable to tenants.
pub const RECORDS: &str = "tenant_operator";

/// The operator's records. Marks are bound to an object's OID: another object of the same name is not ours.
const SETUP: [&str; 6] = [
    "CREATE SCHEMA tenant_operator",
    "CREATE TABLE tenant_operator.object (kind text NOT NULL CHECK (kind IN ('role', 'schema', 'database')), \
     oid oid NOT NULL, name text NOT NULL, tenant_id text NOT NULL, revision text, \
     created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (kind, name))",
    "CREATE INDEX ON tenant_operator.object (tenant_id)",
    "CREATE TABLE tenant_operator.intent (name text PRIMARY KEY, tenant_id text NOT NULL, \
     nonce text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''), created_at timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE tenant_operator.server (id text NOT NULL)",
    "INSERT INTO tenant_operator.server VALUES (gen_random_uuid()::text)",
];

/// Makes the database and the operator's records in it, where they are missing. A known server has them already. If it has not, it is another server without
/// the tenants' data, and this makes nothing.
///
/// # Errors
/// Refusals of the server; a foreign schema of that name; [`Error::AnotherServer`].
pub async fn prepare(server: &Server, address: &Address, known: Option<&str>) -> Result<(), Error> {
    let client = match server.connect_to(&address.database).await {
        Err(error) if error.code() == Some(SqlState::INVALID_CATALOG_NAME.code()) => {
            is_new(known)?;
            let name =
                Identifier::new(address.database.as_str()).map_err(|error| Error::Settings(error.to_string()))?;
            let client = server.connect_to("postgres").await?;
            let create = sql!["CREATE DATABASE ", &name, " TEMPLATE template0"];
            let sent = client.batch_execute(&create.reveal()).await;
            sent.map_err(|error| Error::of(&create.to_string(), &error))?;
            drop(client);
            server.connect_to(&address.database).await?
        }
        result => result?,
    };
    let query = "SELECT pg_get_userbyid(nspowner)::text, CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN nspowner = current_user::regrole ELSE pg_has_role(nspowner, 'USAGE') END FROM pg_namespace WHERE nspname = $1";
    let found = client.query_opt(query, &[&RECORDS]).await;
    match found.map_err(|error| Error::of(query, &error))? {
        Some(row) if row.get::<_, bool>(1) => Ok(()),
        Some(row) => Err(Error::Settings(format!(
            "database {} has a schema {RECORDS} of role {}, which the operator did not create",
            address.database,
            row.get::<_, String>(0)
        ))),
        None => {
            is_new(known)?;
            let setup: Vec<Statement> = SETUP.iter().map(|text| sql![*text]).collect();
            let setup: Vec<&Statement> = setup.iter().collect();
            server.transaction(&client, &setup).await
        }
    }
}

/// Checks that records may be made: not on a server that had some before.
fn is_new(known: Option<&str>) -> Result<(), Error> {
    match known {
        None => Ok(()),
        Some(known) => Err(Error::AnotherServer {
            known: known.into(),
            found: None,
        }),
    }
}

/// Checks that this is the same server as before.
///
/// # Errors
/// [`Error::AnotherServer`]
pub fn is_same(known: Option<&str>, catalog: &Catalog) -> Result<(), Error> {
    let found = catalog.server_id.as_deref();
    match known {
        Some(known) if found != Some(known) => Err(Error::AnotherServer {
            known: known.into(),
            found: found.map(String::from),
        }),
        _ => Ok(()),
    }
}
