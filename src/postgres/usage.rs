//! What tenants use of a server: bytes and sessions, of all tenants in one statement.

use super::client::{Error, Server};
use serde::Deserialize;
use std::collections::HashMap;

/// Sizes are files' sizes: they are asked for rarely. The records' database is where it runs.
const QUERY: &str = "\
SELECT json_build_object(
  'bytes', (SELECT coalesce(sum(pg_database_size(oid)), 0)::int8 FROM pg_database WHERE datallowconn),
  'schemas', (SELECT coalesce(json_object_agg(name, bytes), '{}') FROM (
      SELECT n.nspname AS name, coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8 AS bytes
      FROM tenant_operator.object o JOIN pg_namespace n ON o.kind = 'schema' AND n.oid = o.oid
      LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'm')
      GROUP BY n.nspname) s),
  'databases', (SELECT coalesce(json_object_agg(d.datname, pg_database_size(d.oid)), '{}')
      FROM tenant_operator.object o JOIN pg_database d ON o.kind = 'database' AND d.oid = o.oid),
  'sessions', (SELECT coalesce(json_object_agg(usename, sessions), '{}') FROM (
      SELECT usename, count(*) AS sessions FROM pg_stat_activity WHERE usename ~ '^t_[0-9a-f]{20}_[ab]$' GROUP BY usename) a)
)";

/// What was used when it was last asked.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of all databases.
    pub bytes: i64,
    /// Bytes by name.
    schemas: HashMap<String, i64>,
    databases: HashMap<String, i64>,
    /// By login.
    sessions: HashMap<String, i64>,
}

impl Usage {
    /// Bytes of a tenant's schema or database; none where it has neither.
    pub fn bytes_of(&self, names: &super::Names) -> Option<i64> {
        let place = names.place.as_str();
        self.schemas.get(place).or_else(|| self.databases.get(place)).copied()
    }

    /// Sessions of a tenant's logins.
    pub fn sessions_of(&self, names: &super::Names) -> i64 {
        let sessions = names
            .logins
            .iter()
            .filter_map(|login| self.sessions.get(login.as_str()));
        sessions.sum()
    }
}

impl Server {
    /// What all tenants use.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn usage(&self) -> Result<Usage, Error> {
        self.query(QUERY, &[]).await
    }
}
