//! Ends the sessions of tenants that hold up a change of roles or databases.

use super::Server;
use super::error::Error;

/// Any holder of a privilege on a database or schema can grant it without effect, and lock the catalog row until its transaction ends.
pub(super) const END_BLOCKERS: &str = "\
SELECT to_json(count(pg_terminate_backend(b.pid)))
FROM (SELECT DISTINCT unnest(pg_blocking_pids(l.pid)) AS pid FROM pg_locks l JOIN pg_stat_activity o ON o.pid = l.pid
      WHERE NOT l.granted AND l.locktype IN ('transactionid', 'tuple', 'object') AND o.usename = session_user) w
JOIN pg_stat_activity b ON b.pid = w.pid
WHERE b.usename ~ '^t_[0-9a-f]{20}_[ab]$'";

const EVICT: &str = "\
WITH hung AS (
  SELECT s.dbid, s.classid, s.objid FROM pg_shdepend s
  WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid::int8 = ANY ($1) AND s.deptype IN ('a', 'i', 'r')
), givers AS (
  SELECT left(pg_get_userbyid(o.refobjid), 22) AS tenant FROM hung h
  JOIN pg_shdepend o ON (o.dbid, o.classid, o.objid, o.refclassid, o.deptype) = (h.dbid, h.classid, h.objid, 'pg_authid'::regclass, 'o')
  UNION SELECT left(pg_get_userbyid(c.relowner), 22) FROM hung h
  JOIN pg_policy p ON h.classid = 'pg_policy'::regclass AND p.oid = h.objid JOIN pg_class c ON c.oid = p.polrelid
  -- Policies of other databases are not seen from here; a tenant's database has its name.
  UNION SELECT d.datname FROM hung h JOIN pg_database d ON h.classid = 'pg_policy'::regclass AND d.oid = h.dbid
)
SELECT to_json(count(pg_terminate_backend(a.pid)))
FROM pg_stat_activity a
WHERE a.usename ~ '^t_[0-9a-f]{20}_[ab]$'
  AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND
              (l.locktype = 'object' AND l.classid IN ('pg_authid'::regclass, 'pg_database'::regclass) AND l.objid::int8 = ANY ($1)
               OR l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.relation IN
                  ('pg_authid'::regclass, 'pg_auth_members'::regclass, 'pg_db_role_setting'::regclass, 'pg_database'::regclass)
               OR l.locktype IN ('relation', 'transactionid') AND left(a.usename, 22) IN (SELECT g.tenant FROM givers g)))";

impl Server {
    /// Ends sessions of tenants that keep one of these roles or databases from being changed or dropped. They hold a lock on it, or have changed a role in an
    /// open transaction. It also ends transactions of tenants that granted something to one of these roles. Any tenant can do so, with anyone's.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn evict(&self, objects: &[i64]) -> Result<i64, Error> {
        self.query(EVICT, &[&objects]).await
    }
}
