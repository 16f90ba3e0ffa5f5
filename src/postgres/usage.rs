//! Usage of a server: bytes and sessions of all tenants in one statement.

use super::client::{Error, Server};
use serde::Deserialize;
use std::collections::HashMap;

/// The query for sizes. They are sizes of files, so it runs rarely, in the records' database. A role that may not connect to a database may not read its size.
/// PostgreSQL reads a size under a lock: where a tenant holds a conflicting one, the server's estimate stands in.
pub const QUERY: &str = "\
WITH databases AS MATERIALIZED (
  SELECT d.oid, d.datname, CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) END AS bytes
  FROM pg_database d WHERE d.datallowconn
), tables AS MATERIALIZED (
  SELECT n.nspname, c.oid, c.reltoastrelid
  FROM tenant_operator.object o JOIN pg_namespace n ON o.kind = 'schema' AND n.oid = o.oid
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'm')
), heaps AS MATERIALIZED (
  SELECT t.nspname, t.oid FROM tables t
  UNION ALL SELECT t.nspname, t.reltoastrelid FROM tables t WHERE t.reltoastrelid <> 0
), parts AS (
  SELECT h.nspname, h.oid FROM heaps h
  UNION ALL SELECT h.nspname, i.indexrelid FROM heaps h JOIN pg_index i ON i.indrelid = h.oid
), locked AS MATERIALIZED (
  SELECT DISTINCT l.relation FROM pg_locks l
  WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT json_build_object(
  'bytes', (SELECT coalesce(sum(bytes), 0)::int8 FROM databases),
  'schemas', (SELECT coalesce(json_object_agg(nspname, bytes), '{}') FROM (
      SELECT a.nspname, coalesce(sum(a.bytes), 0)::int8 AS bytes FROM (
        SELECT n.nspname, 0 AS bytes
        FROM tenant_operator.object o JOIN pg_namespace n ON o.kind = 'schema' AND n.oid = o.oid
        UNION ALL SELECT p.nspname, CASE WHEN l.relation IS NULL THEN pg_relation_size(c.oid)
                                         ELSE c.relpages::int8 * current_setting('block_size')::int8 END
        FROM parts p JOIN pg_class c ON c.oid = p.oid LEFT JOIN locked l ON l.relation = c.oid) a
      GROUP BY a.nspname) s),
  'databases', (SELECT coalesce(json_object_agg(d.datname, d.bytes), '{}')
      FROM tenant_operator.object o JOIN databases d ON o.kind = 'database' AND d.oid = o.oid WHERE d.bytes IS NOT NULL),
  'sessions', (SELECT coalesce(json_object_agg(usename, sessions), '{}') FROM (
      SELECT usename, count(*) AS sessions FROM pg_stat_activity WHERE usename ~ '^t_[0-9a-f]{20}_[ab]$' GROUP BY usename) a)
)";

/// Last known usage.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all databases that the operator's role may connect to.
    pub bytes: i64,
    /// Bytes by name.
    schemas: HashMap<String, i64>,
    databases: HashMap<String, i64>,
    /// Sessions by login.
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
    /// Reads the usage of all tenants.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn usage(&self) -> Result<Usage, Error> {
        self.query(QUERY, &[]).await
    }
}
