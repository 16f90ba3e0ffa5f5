//! The errors between the operator and a server.

use super::OWN;
use crate::conditions::reason;
use crate::postgres::guard::Asked;
use crate::postgres::tls::{self, TlsError};
use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

/// The longest part of a statement in a message, in characters.
const STATEMENT: usize = 300;
/// The message where a server has no version of TLS that the operator may use.
const NO_TLS_VERSION: &str = "it offers no version of TLS that spec.tls.minVersion admits: raise its ssl_max_protocol_version, or lower spec.tls.minVersion";

/// Failure between the operator and a server. Carries no password.
#[derive(thiserror::Error, Clone, Debug)]
pub enum Error {
    /// It does not answer, or not in PostgreSQL's protocol, or its certificate is not believed.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The server asks for the password or its MD5 digest, and has not proved its identity.
    #[error("{0}")]
    Asked(Asked),
    /// Somebody else may answer under its name, and nothing would show it.
    #[error("{0}")]
    Captured(String),
    /// It took too long.
    #[error("the server did not answer in time")]
    Timeout,
    /// It does not let this role in.
    #[error("{0}")]
    Authentication(String),
    /// It has no connection left, or starts or stops.
    #[error("the server takes no connection: {0}")]
    Busy(String),
    /// It refused a statement.
    #[error("{message} ({code}) in: {statement}")]
    Refused {
        /// The statement without its secrets.
        statement: String,
        /// SQLSTATE.
        code: String,
        message: String,
    },
    /// Its records are not those of the server that was here before.
    #[error(
        "this is another server than before: its records have the id {} instead of {known}, and it has no tenant's data. If you replaced it \
         on purpose, annotate the DatabaseServer with tenant-operator.io/replaces={known}",
        .found.as_deref().unwrap_or("(none)")
    )]
    AnotherServer { known: String, found: Option<String> },
    /// The connection cannot even be tried.
    #[error("{0}")]
    Settings(String),
}

impl Error {
    /// The category, for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => reason::SERVER_UNREACHABLE,
            Self::Asked(Asked::Password) => reason::CLEARTEXT_PASSWORD,
            Self::Asked(Asked::Digest) => reason::MD5_PASSWORD,
            Self::Captured(_) => reason::HOST_CAPTURED,
            Self::Timeout => reason::SERVER_TIMEOUT,
            Self::Authentication(_) => reason::AUTHENTICATION_FAILED,
            Self::Busy(_) => reason::SERVER_BUSY,
            Self::Refused { code, .. } if code == SqlState::READ_ONLY_SQL_TRANSACTION.code() => {
                reason::SERVER_READ_ONLY
            }
            Self::Refused { .. } => reason::SERVER_REFUSED,
            Self::AnotherServer { .. } => reason::ANOTHER_SERVER,
            Self::Settings(_) => reason::INVALID_SERVER,
        }
    }

    /// Returns true if the server as a whole is in trouble, as opposed to one statement.
    pub fn concerns_server(&self) -> bool {
        !matches!(self.reason(), reason::SERVER_REFUSED)
    }

    /// Returns true where somebody changed the same row of the catalog meanwhile, which PostgreSQL has no other word for.
    pub fn is_raced(&self) -> bool {
        self.code() == Some(SqlState::INTERNAL_ERROR.code())
    }

    /// Returns true for a refusal that another attempt may not meet: a lock, a deadlock, a race, a lack of resources, an interruption.
    pub fn is_temporary(&self) -> bool {
        let temporary = |code: &str| ["40", "53", "57"].iter().any(|class| code.starts_with(class));
        self.is_raced()
            || self.reason() == reason::SERVER_READ_ONLY
            || self
                .code()
                .is_some_and(|code| temporary(code) || code == SqlState::LOCK_NOT_AVAILABLE.code())
    }

    /// The SQLSTATE of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    pub(in crate::postgres) fn of(statement: &str, error: &tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return asked(error).map_or_else(|| Self::Unreachable(unreachable(error)), Self::Asked);
        };
        let mut message = db.message().to_string();
        // The dependencies for which a role cannot be dropped.
        if let Some(detail) = db
            .detail()
            .filter(|_| *db.code() == SqlState::DEPENDENT_OBJECTS_STILL_EXIST)
        {
            message = format!("{message}: {detail}");
        }
        match db.code() {
            code if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                Self::Authentication(message)
            }
            code if *code == SqlState::TOO_MANY_CONNECTIONS
                || *code == SqlState::CANNOT_CONNECT_NOW
                || *code == SqlState::ADMIN_SHUTDOWN
                || *code == SqlState::CRASH_SHUTDOWN =>
            {
                Self::Busy(message)
            }
            code => Self::Refused {
                statement: shortened(statement),
                code: code.code().to_string(),
                message,
            },
        }
    }
}

/// A statement that fits into a condition's message.
fn shortened(statement: &str) -> String {
    match statement.char_indices().nth(STATEMENT) {
        Some((end, _)) => format!("{}…", &statement[..end]),
        None => statement.to_string(),
    }
}

/// Returns the reason why the operator itself ended the connection.
fn asked(error: &tokio_postgres::Error) -> Option<Asked> {
    cause(error).copied()
}

fn unreachable(error: &tokio_postgres::Error) -> String {
    match cause(error).is_some_and(tls::is_version_refused) {
        true => NO_TLS_VERSION.into(),
        false => chain(error),
    }
}

/// Returns the error of this kind that ended the connection.
fn cause<E: std::error::Error + 'static>(error: &tokio_postgres::Error) -> Option<&E> {
    let cause = std::error::Error::source(error)?.downcast_ref::<std::io::Error>()?;
    cause.get_ref()?.downcast_ref()
}

/// Returns an error with its causes; the driver's own text names only its kind.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        Self::Settings(error.to_string())
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::of("connect", &error),
            PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => Self::Busy(OWN.into()),
            PoolError::Timeout(_) => Self::Timeout,
            other => Self::Unreachable(other.to_string()),
        }
    }
}
