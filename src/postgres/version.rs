//! The versions that changed something, as `server_version_num`.

/// `security_invoker` of views; `pg_parameter_acl`.
pub const PG_15: i32 = 150_000;
/// Options of a single membership; grants that only their grantor's name revokes; a role with CREATEROLE is no superuser any more.
pub const PG_16: i32 = 160_000;
