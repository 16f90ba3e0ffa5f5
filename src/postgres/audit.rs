//! Audit of grants and owners inside tenants' schemas, and of the platform's policies that tenants could drop. Slower than the catalog's query; one statement
//! for all tenants.

use super::client::{Error, Server};
use super::plan::{Step, Venue};
use super::{Identifier, Statement};
use crate::sql;
use serde::Deserialize;

/// The query runs in the database of the records. It groups grants by type: a single statement revokes them all.
pub const QUERY: &str = "\
WITH places AS MATERIALIZED (
  SELECT n.oid, n.nspname, r.oid AS owner, ARRAY(SELECT u.oid FROM pg_roles u WHERE u.rolname IN
           (n.nspname, n.nspname || '_a', n.nspname || '_b', n.nspname || '_r')) AS ours
  FROM tenant_operator.object o JOIN pg_namespace n ON o.kind = 'schema' AND n.oid = o.oid
  JOIN pg_roles r ON r.rolname = n.nspname
), grants AS (
  SELECT p.nspname, CASE c.relkind WHEN 'S' THEN 'SEQUENCES' ELSE 'TABLES' END AS kind, NULL::text AS name, e.grantee, p.ours
  FROM places p JOIN pg_class c ON c.relnamespace = p.oid CROSS JOIN LATERAL aclexplode(c.relacl) e
  UNION ALL SELECT p.nspname, 'TABLES', NULL, e.grantee, p.ours
  FROM places p JOIN pg_class c ON c.relnamespace = p.oid JOIN pg_attribute a ON a.attrelid = c.oid
  CROSS JOIN LATERAL aclexplode(a.attacl) e
  UNION ALL SELECT p.nspname, 'ROUTINES', NULL, e.grantee, p.ours
  FROM places p JOIN pg_proc f ON f.pronamespace = p.oid CROSS JOIN LATERAL aclexplode(f.proacl) e
  UNION ALL SELECT p.nspname, 'TYPE', t.typname, e.grantee, p.ours
  FROM places p JOIN pg_type t ON t.typnamespace = p.oid CROSS JOIN LATERAL aclexplode(t.typacl) e
  UNION ALL SELECT p.nspname, 'LARGE OBJECT', l.oid::text, e.grantee, p.ours
  FROM places p JOIN pg_largeobject_metadata l ON l.lomowner = p.owner CROSS JOIN LATERAL aclexplode(l.lomacl) e
), strange AS (
  SELECT DISTINCT g.nspname, g.kind, g.name, g.grantee FROM grants g WHERE g.grantee <> ALL (g.ours)
), owned AS (
  SELECT p.nspname, c.relowner AS owner FROM places p JOIN pg_class c ON c.relnamespace = p.oid
  WHERE c.relowner <> ALL (p.ours) AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  UNION SELECT p.nspname, f.proowner FROM places p JOIN pg_proc f ON f.pronamespace = p.oid WHERE f.proowner <> ALL (p.ours)
)
SELECT json_build_object(
  'grants', (SELECT coalesce(json_agg(json_build_object('place', s.nspname, 'kind', s.kind, 'name', s.name, 'grantee', r.rolname)
                                      ORDER BY s.nspname, s.kind, s.name, r.rolname), '[]')
             FROM strange s LEFT JOIN pg_roles r ON r.oid = s.grantee),
  'policies', (SELECT coalesce(json_agg(json_build_object('place', left(r.rolname, 22), 'role', r.rolname, 'name', p.polname,
                                                         'relation', format('%I.%I', n.nspname, c.relname))
                                        ORDER BY n.nspname, c.relname, p.polname, r.rolname), '[]')
               FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_roles r ON r.oid = ANY (p.polroles)
               WHERE r.rolname ~ '^t_[0-9a-f]{20}(_[abr])?$' AND pg_get_userbyid(c.relowner) !~ '^t_[0-9a-f]{20}(_[abr])?$'),
  'owned', (SELECT coalesce(json_agg(json_build_object('place', o.nspname, 'owner', pg_get_userbyid(o.owner))
                                     ORDER BY o.nspname, pg_get_userbyid(o.owner)), '[]') FROM owned o)
)";

/// Something inside a tenant's schema that is not the tenant's alone, or outside of it and in its hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The schema, which has its owner role's name.
    pub place: String,
    /// Description of the finding.
    pub what: String,
    /// Statement that revokes it; none if only a superuser can.
    pub remedy: Option<Step>,
}

#[derive(Deserialize, Debug)]
struct Found {
    grants: Vec<Granted>,
    owned: Vec<Owned>,
    policies: Vec<Named>,
}

/// A policy on somebody else's table that names a tenant's role.
#[derive(Deserialize, Debug)]
struct Named {
    place: String,
    role: String,
    name: String,
    relation: String,
}

#[derive(Deserialize, Debug)]
struct Granted {
    place: String,
    kind: String,
    name: Option<String>,
    grantee: Option<String>,
}

#[derive(Deserialize, Debug)]
struct Owned {
    place: String,
    owner: String,
}

impl Server {
    /// Returns rights and ownership of others inside the tenants' schemas. Only the tenant's own roles may use a schema, so a finding does no harm until
    /// somebody also opens the schema.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn audit(&self) -> Result<Vec<Finding>, Error> {
        let found: Found = self.query(QUERY, &[]).await?;
        let grants = found.grants.iter().map(|granted| Finding {
            place: granted.place.clone(),
            what: format!(
                "{} of schema {} were granted to {}",
                granted.kind.to_lowercase(),
                granted.place,
                granted.grantee.as_deref().unwrap_or("PUBLIC")
            ),
            remedy: revoke(granted).map(|statement| Step {
                venue: Venue::Records,
                statement,
            }),
        });
        let owned = found.owned.iter().map(|owned| Finding {
            place: owned.place.clone(),
            what: format!("schema {} holds objects of role {}", owned.place, owned.owner),
            remedy: None,
        });
        let policies = found.policies.iter().map(|named| Finding {
            place: named.place.clone(),
            what: format!(
                "policy {} on {} names role {}, as which its tenant can drop it (DROP OWNED BY): make it TO PUBLIC with a condition on \
                 current_user",
                named.name, named.relation, named.role
            ),
            remedy: None,
        });
        Ok(grants.chain(owned).chain(policies).collect())
    }
}

fn revoke(granted: &Granted) -> Option<Statement> {
    let schema = Identifier::new(granted.place.as_str()).ok()?;
    let whom = match &granted.grantee {
        None => sql!["PUBLIC"],
        Some(role) => sql![&Identifier::new(role.as_str()).ok()?],
    };
    let what = match (granted.kind.as_str(), &granted.name) {
        ("TABLES", _) => sql!["ALL TABLES IN SCHEMA ", &schema],
        ("SEQUENCES", _) => sql!["ALL SEQUENCES IN SCHEMA ", &schema],
        ("ROUTINES", _) => sql!["ALL ROUTINES IN SCHEMA ", &schema],
        ("TYPE", Some(name)) => sql!["TYPE ", &schema, ".", &Identifier::new(name.as_str()).ok()?],
        ("LARGE OBJECT", Some(oid)) => sql!["LARGE OBJECT ", oid.parse::<i64>().ok()?],
        _ => return None,
    };
    Some(
        sql!["REVOKE ALL ON "]
            .join(what)
            .join(sql![" FROM "])
            .join(whom)
            .and([" CASCADE".into()]),
    )
}
