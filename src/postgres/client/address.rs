//! The address of a server, and the settings of its connections.

use super::{CALL, CONNECT};
use crate::api::DatabaseTlsVersion;
use crate::postgres::password::Password;
use crate::postgres::tls::Trust;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, SslNegotiation};

/// Nothing of a tenant's is ever on the path; a statement that hangs is the server's to end.
const OPTIONS: &str = "-c search_path=pg_catalog,pg_temp -c statement_timeout=30s -c lock_timeout=5s \
                       -c idle_in_transaction_session_timeout=30s -c client_min_messages=warning";
const TRIAL_OPTIONS: &str = "-c statement_timeout=5s -c client_min_messages=error";

/// A server's address, and the login there.
#[derive(Clone, Debug)]
pub struct Address {
    pub host: String,
    pub port: u16,
    /// None: without TLS.
    pub trust: Option<Trust>,
    /// The oldest version of TLS. None: the oldest that the operator supports.
    pub oldest_tls: Option<DatabaseTlsVersion>,
    pub user: String,
    pub password: Password,
    /// The database of the operator's records.
    pub database: String,
    /// The most concurrent connections, at least three.
    pub connections: usize,
}

pub(super) fn config(address: &Address, user: &str, password: &Password, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host(&address.host)
        .port(address.port)
        .user(user)
        .password(password.reveal())
        .dbname(database)
        .application_name(crate::names::MANAGER)
        .connect_timeout(CONNECT)
        .keepalives_idle(Duration::from_secs(30))
        .tcp_user_timeout(CALL)
        // The connector decides how.
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(match address.trust {
            Some(_) => SslNegotiation::Postgres,
            None => SslNegotiation::Direct,
        });
    // As a tenant, what the tenant would have, within bounds that it cannot change.
    config.options(if user == address.user { OPTIONS } else { TRIAL_OPTIONS });
    config
}
