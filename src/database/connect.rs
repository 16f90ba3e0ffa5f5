//! Connects to a DatabaseServer as its resource and Secrets say.

use super::address;
use super::server_loop::Memory;
use super::server_state::{Connection, ServerState};
use super::servers::Databases;
use crate::api::{DatabaseServer, TlsMode};
use crate::postgres::client::{Address, Error, Server};
use crate::postgres::identifier::InvalidIdentifier;
use crate::postgres::password::Password;
use crate::postgres::tls::{Authority, Trust};
use crate::term::Term;
use std::sync::Arc;

/// Default number of connections.
const CONNECTIONS: usize = 8;

/// Connects as the server's resource and Secrets say; returns the present connections where nothing changed.
pub(super) async fn connect(
    databases: &Databases,
    server_state: &ServerState,
    resource: &DatabaseServer,
    memory: &mut Memory,
) -> Result<Arc<Connection>, Error> {
    let spec = &resource.spec;
    if let Some(invalid) = address::unread(spec).or_else(|| address::invalid_addresses(spec)) {
        return Err(Error::Settings(invalid));
    }
    let hosts = databases.hosts(spec).inspect_err(|_| {
        memory.prepared = None;
        if let Some(connection) = server_state.snapshot().connection.take() {
            connection.server.close();
        }
    })?;
    let secret = &spec.admin_secret_ref.name;
    let mode = address::tls_mode(spec);
    let ca_secret = spec.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref());
    let ca = match ca_secret {
        Some(secret) => Some(databases.secret(&secret.name, "ca.crt").await?),
        None => None,
    };
    let authority = ca.clone().map_or(Authority::WellKnown, Authority::Pem);
    let address = Address {
        host: spec.host.clone(),
        port: address::port(spec),
        trust: match mode {
            TlsMode::Disable => None,
            TlsMode::Require => Some(Trust::Anyone),
            TlsMode::VerifyCA => Some(Trust::Authority(authority)),
            TlsMode::VerifyFull => Some(Trust::Host(authority)),
        },
        oldest_tls: address::oldest_tls(spec),
        user: databases.secret(secret, "username").await?,
        password: Password::from_secret(databases.secret(secret, "password").await?),
        database: spec.database.clone(),
        connections: spec
            .operator_connections
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(CONNECTIONS),
    };
    let named = |host: &String| Address {
        host: host.clone(),
        ..address.clone()
    };
    let known = server_state.snapshot().connection.clone();
    let is_known = |known: &Arc<Connection>| hosts.iter().any(|host| is_same(&known.address, &named(host)));
    if let Some(known) = known.filter(is_known) {
        return Ok(known);
    }
    let (server, address) = match hosts.as_slice() {
        [whole, host] => open(named(host), Some(named(whole)), &databases.term).await?,
        [host, ..] => open(named(host), None, &databases.term).await?,
        [] => return Err(Error::Settings("the host is empty".into())),
    };
    let connection = Arc::new(Connection {
        server,
        address,
        tls: mode,
        ca,
    });
    server_state.snapshot().connection = Some(connection.clone());
    Ok(connection)
}

/// Connects by the whole name, which tenants get too, if the server answers to it. The cluster's domain may differ, and the server's
/// certificate may have the shorter name only.
///
/// # Errors
/// The server answers to neither name.
pub async fn open(address: Address, whole: Option<Address>, term: &Term) -> Result<(Server, Address), Error> {
    let server = Server::new(address.clone(), term.clone())?;
    let Some(whole) = whole else {
        return Ok((server, address));
    };
    let by_whole = Server::new(whole.clone(), term.clone())?;
    if answers(&by_whole).await.is_ok() {
        return Ok((by_whole, whole));
    }
    answers(&server).await?;
    // It may have come back between the two.
    match answers(&by_whole).await {
        Ok(()) => Ok((by_whole, whole)),
        Err(error) => {
            tracing::info!(host = whole.host, "tenants are given the shorter name: {error}");
            Ok((server, address))
        }
    }
}

/// Checks that a server of this name answers, if only by a refusal.
async fn answers(server: &Server) -> Result<(), Error> {
    match server.pulse().await {
        Err(error @ (Error::Unreachable(_) | Error::Timeout)) => Err(error),
        _ => Ok(()),
    }
}

fn is_same(a: &Address, b: &Address) -> bool {
    let parts = |address: &Address| {
        let Address {
            host,
            port,
            trust,
            oldest_tls,
            user,
            password,
            database,
            connections,
        } = address.clone();
        let password = password.reveal().to_string();
        (host, port, (trust, oldest_tls), user, password, database, connections)
    };
    parts(a) == parts(b)
}

impl From<InvalidIdentifier> for Error {
    fn from(error: InvalidIdentifier) -> Self {
        Self::Settings(error.to_string())
    }
}
