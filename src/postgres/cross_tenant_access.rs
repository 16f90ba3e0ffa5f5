//! Privileges of a tenant's login on foreign objects, from the server's answers to that login.

use super::client::{Error, TenantSession};
use super::plan::{self, Place, Wanted};
use super::{Identifier, Names};
use crate::sql;
use serde::Deserialize;

/// The query runs in the tenant's session, where unqualified names may be the tenant's own; so it sets the path before. `$1` its schema, `$2` its owner role or
/// reader, `$3` roles it may be a member of, `$4` databases that are open to it.
const QUERY: &str = "\
SELECT json_build_object(
  'control', has_schema_privilege(current_user, $1::text, 'USAGE')
             AND has_database_privilege(session_user, current_database(), 'CONNECT')
             AND pg_has_role(session_user, $2::name, 'MEMBER'),
  'attributes', (SELECT coalesce(json_agg(DISTINCT a.name), '[]') FROM pg_roles r, LATERAL (VALUES
        ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls), ('CREATEROLE', r.rolcreaterole),
        ('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication)) a (name, has)
      WHERE a.has AND r.rolname IN (session_user, current_user)),
  'roles', (SELECT coalesce(json_agg(r.rolname ORDER BY r.rolname), '[]') FROM pg_roles r
      WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND r.rolname::text <> ALL ($3::text[])),
  'databases', (SELECT coalesce(json_agg(d.datname ORDER BY d.datname), '[]') FROM pg_database d
      WHERE d.datallowconn AND has_database_privilege(session_user, d.oid, 'CONNECT') AND d.datname::text <> ALL ($4::text[])),
  'schemas', (SELECT coalesce(json_agg(n.nspname ORDER BY n.nspname), '[]') FROM pg_namespace n
      WHERE n.nspname <> $1::name AND n.nspname !~ '^pg_(toast_)?temp_'
        AND (has_schema_privilege(n.oid, 'CREATE')
             OR (n.nspname ~ '^(t_[0-9a-f]{20}|tenant_operator)$' AND has_schema_privilege(n.oid, 'USAGE')))),
  'relations', (SELECT coalesce(json_agg(format('%I.%I', f.nspname, f.relname)), '[]') FROM (
      SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> $1::name
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'extensions') AND n.nspname !~ '^pg_(toast_)?temp_'
        AND has_schema_privilege(n.oid, 'USAGE')
        AND has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        AND NOT CASE c.relkind WHEN 'v' THEN coalesce('security_invoker=true' = ANY (c.reloptions), false)
                               ELSE row_security_active(c.oid) END
      ORDER BY n.nspname, c.relname LIMIT 20) f),
  'neighbour', (SELECT n.nspname FROM pg_namespace n WHERE n.nspname ~ '^t_[0-9a-f]{20}$' AND n.nspname <> $1::name
      ORDER BY random() LIMIT 1)
)";

/// Answer of the server.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct CrossTenantAccess {
    /// True if the same questions about the tenant's own objects get a yes.
    pub control: bool,
    /// Attributes that no tenant's role may have.
    pub attributes: Vec<String>,
    /// Roles it can become, or has the rights of.
    pub roles: Vec<String>,
    /// Databases it may connect to.
    pub databases: Vec<String>,
    /// Schemas it may make things in, and those of others it may use.
    pub schemas: Vec<String>,
    /// Tables and views it may use where no row-level security holds for it; the first twenty.
    pub relations: Vec<String>,
    /// Somebody else's schema in the same database.
    pub neighbour: Option<String>,
    /// True if it could make a table there.
    #[serde(skip)]
    pub wrote: bool,
}

/// Objects of the tenant itself, or of all tenants.
#[derive(Clone, Debug)]
pub struct OwnObjects<'a> {
    pub names: &'a Names,
    pub schema: &'a str,
    /// The role that the logins act as.
    pub acting: &'a Identifier,
    /// The group that all tenants of shared tables are in.
    pub group: Option<&'a Identifier>,
    pub databases: Vec<&'a str>,
}

impl<'a> OwnObjects<'a> {
    /// Returns the objects of this tenant. `records` is the database of the operator's records.
    pub fn of(wanted: &'a Wanted, records: &'a str) -> Self {
        let (names, place) = (&wanted.names, &wanted.place);
        let shared = match place {
            Place::Shared(shared) => Some(shared),
            Place::Schema | Place::Database => None,
        };
        let shared_schema = || shared.and_then(|shared| shared.search_path.first());
        Self {
            names,
            schema: place
                .schema(names)
                .unwrap_or_else(|| shared_schema().map_or(plan::PUBLIC, Identifier::as_str)),
            acting: wanted.acting(),
            group: shared.map(|shared| &shared.group),
            databases: place.databases(names, records),
        }
    }
}

/// Reads the privileges of a tenant's session on foreign objects, without changes.
///
/// # Errors
/// Failures of the request.
pub async fn probe(session: &TenantSession<'_>, own: &OwnObjects<'_>) -> Result<CrossTenantAccess, Error> {
    session.execute(&sql!["SET search_path TO pg_catalog, pg_temp"]).await?;
    let mut roles: Vec<&str> = own.names.roles().iter().map(|role| role.as_str()).collect();
    roles.extend(own.group.map(Identifier::as_str));
    let acting = own.acting.as_str();
    let mut access: CrossTenantAccess = session
        .ask(&sql![QUERY], &[&own.schema, &acting, &roles, &own.databases])
        .await?;
    let neighbour = access.neighbour.as_deref().and_then(|name| Identifier::new(name).ok());
    if let Some(neighbour) = neighbour {
        session.execute(&sql!["BEGIN"]).await?;
        let write = sql!["CREATE TABLE ", &neighbour, ".tenant_operator_proof ()"];
        let written = session.execute(&write).await;
        session.execute(&sql!["ROLLBACK"]).await?;
        access.wrote = match written {
            Ok(()) => true,
            Err(Error::Refused { .. }) => false,
            Err(error) => return Err(error),
        };
    }
    Ok(access)
}
