//! Membership: a tenant tries everything that a member may do to a role, with each of its memberships; nobody else notices.

use crate::shared::world::GROUP;
use crate::site::{Site, run, state, superuser, text};
use tenant_operator::postgres::Names;
use tenant_operator::postgres::plan::Place;
use tokio_postgres::Client;

/// `{r}`: the role, which may be the one that acts; `{m}`: the tenant's owner role; `{o}`: the neighbour's.
const ACTS: &[&str] = &[
    "DROP OWNED BY {r}",
    "DROP OWNED BY {r} CASCADE",
    "DROP OWNED BY CURRENT_USER, {r} CASCADE",
    "DROP OWNED BY PUBLIC",
    "REASSIGN OWNED BY {r} TO {m}",
    "REASSIGN OWNED BY {m} TO {r}",
    "REASSIGN OWNED BY {r} TO {o}",
    "ALTER ROLE {r} LOGIN",
    "ALTER ROLE {r} NOINHERIT",
    "ALTER ROLE {r} CREATEROLE",
    "ALTER ROLE {r} BYPASSRLS",
    "ALTER ROLE {r} CONNECTION LIMIT 0",
    "ALTER ROLE {r} VALID UNTIL '2000-01-01'",
    "ALTER ROLE {r} PASSWORD 'mine'",
    "ALTER ROLE {r} RENAME TO mine",
    "ALTER ROLE {r} SET search_path = pg_temp",
    "ALTER ROLE {r} RESET ALL",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {r} GRANT ALL ON TABLES TO {m}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {r} GRANT ALL ON TABLES TO {o}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {r} REVOKE ALL ON FUNCTIONS FROM PUBLIC",
    "COMMENT ON ROLE {r} IS 'mine'",
    "GRANT {r} TO {o}",
    "GRANT {r} TO {m} WITH ADMIN OPTION",
    "REVOKE {r} FROM {o} CASCADE",
    "REVOKE ADMIN OPTION FOR {r} FROM {o} CASCADE",
    "CREATE SCHEMA AUTHORIZATION {r}",
    "SET SESSION AUTHORIZATION {r}",
    "DROP ROLE {r}",
];

/// The tenant's owner role, the login itself, and the role where it may be assumed.
const GUISES: &[&str] = &["RESET ROLE", "SET ROLE NONE", "SET ROLE {r}"];

/// Everything that stands in the catalogs and is not the tenant's own: `$1` its roles, `$2` the others', `$3` of those whose
/// settings mean nothing, since nobody logs in as them.
const OTHERS: &str = "
WITH own AS (SELECT oid FROM pg_roles WHERE rolname::text = ANY ($1)),
others AS (SELECT a.* FROM pg_authid a WHERE a.rolname::text = ANY ($2)),
mute AS (SELECT oid FROM pg_roles WHERE rolname::text = ANY ($3))
SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
  SELECT concat_ws(' ', 'policy', c.relname, p.polname, p.polpermissive, p.polcmd, p.polroles::regrole[]::text,
                   pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)) AS line
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relowner NOT IN (SELECT oid FROM own)
  UNION ALL SELECT concat_ws(' ', 'relation', n.nspname, c.relname, c.relowner::regrole, c.relacl::text, c.relrowsecurity, c.relforcerowsecurity)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^pg_|^information_schema' AND c.relowner NOT IN (SELECT oid FROM own)
  UNION ALL SELECT concat_ws(' ', 'column', a.attrelid::regclass, a.attname, a.attacl::text)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL AND c.relowner NOT IN (SELECT oid FROM own)
  UNION ALL SELECT concat_ws(' ', 'schema', nspname, nspowner::regrole, nspacl::text) FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspowner NOT IN (SELECT oid FROM own)
  UNION ALL SELECT concat_ws(' ', 'database', datname, datdba::regrole, datacl::text) FROM pg_database WHERE datname = current_database()
  UNION ALL SELECT concat_ws(' ', 'role', rolname, rolcanlogin, rolinherit, rolsuper, rolcreaterole, rolcreatedb, rolreplication,
                             rolbypassrls, rolconnlimit, rolvaliduntil) FROM others
  UNION ALL SELECT concat_ws(' ', 'password', rolname, rolpassword) FROM others WHERE oid NOT IN (SELECT oid FROM mute)
  UNION ALL SELECT concat_ws(' ', 'setting', rolname, setdatabase, setconfig::text)
  FROM pg_db_role_setting s JOIN others r ON r.oid = s.setrole WHERE r.oid NOT IN (SELECT oid FROM mute)
  UNION ALL SELECT concat_ws(' ', 'member', m.roleid::regrole, m.member::regrole, m.grantor::regrole, m.admin_option,
                             to_jsonb(m) ->> 'inherit_option', to_jsonb(m) ->> 'set_option')
  FROM pg_auth_members m WHERE m.roleid IN (SELECT oid FROM others)
     OR (m.member IN (SELECT oid FROM others) AND m.roleid NOT IN (SELECT oid FROM own))
  UNION ALL SELECT concat_ws(' ', 'comment', rolname, description) FROM pg_shdescription d JOIN others r ON r.oid = d.objoid
  UNION ALL SELECT concat_ws(' ', 'default', r.rolname, defaclnamespace, defaclobjtype, defaclacl::text)
  FROM pg_default_acl d JOIN others r ON r.oid = d.defaclrole WHERE r.oid NOT IN (SELECT oid FROM mute)
) lines";

/// Tries every act on every role that the session's login is a member of, directly or not, in every guise. `others` are roles that are none of the tenant's;
/// `root` is a superuser in the same database. Returns the roles.
pub async fn try_all(
    session: &Client,
    root: &Client,
    names: &Names,
    neighbour: &Names,
    others: &[&str],
) -> Vec<String> {
    let login = text(session, "SELECT session_user::text").await;
    let own: Vec<&str> = names.roles().iter().map(|role| role.as_str()).collect();
    let mut others = others.to_vec();
    others.extend(neighbour.roles().iter().map(|role| role.as_str()));
    let snapshot = async || -> String {
        let row = root.query_one(OTHERS, &[&own, &others, &[GROUP].as_slice()]).await;
        row.expect("the catalogs").get(0)
    };
    let roles: Vec<String> = root
        .query(
            "WITH RECURSIVE up AS (SELECT $1::text::regrole::oid AS oid UNION SELECT m.roleid FROM up JOIN pg_auth_members m ON m.member = up.oid) \
             SELECT oid::regrole::text FROM up ORDER BY 1",
            &[&login],
        )
        .await
        .expect("memberships")
        .iter()
        .map(|row| row.get(0))
        .collect();
    let before = snapshot().await;
    assert!(
        before.contains("member ") && before.contains("role "),
        "control: {before}"
    );
    let mut succeeded = 0;
    for role in &roles {
        for guise in GUISES {
            for act in ACTS {
                let fill = |text: &str| {
                    text.replace("{r}", role)
                        .replace("{m}", names.owner.as_str())
                        .replace("{o}", neighbour.owner.as_str())
                };
                run(session, "RESET SESSION AUTHORIZATION; RESET ALL; RESET ROLE").await;
                if !state(session, &fill(guise)).await.is_empty() {
                    break;
                }
                let act = fill(act);
                succeeded += usize::from(state(session, &act).await.is_empty());
                let after = snapshot().await;
                if after != before {
                    let missing: Vec<&str> = before.lines().filter(|line| !after.contains(line)).collect();
                    let new: Vec<&str> = after.lines().filter(|line| !before.contains(line)).collect();
                    panic!("{guise}; {act}: gone {missing:#?}, new {new:#?}", guise = fill(guise));
                }
            }
        }
    }
    assert!(succeeded > 10, "control: {succeeded} acts are allowed");
    run(session, "RESET SESSION AUTHORIZATION; RESET ALL; RESET ROLE").await;
    roles
}

/// With a schema, or a database, of its own.
pub async fn harm_nobody(site: Site, place: Place) {
    let (victim, mut attacker) = (site.new_tenant(&place).await, site.new_tenant(&place).await);
    let theirs = site.session(&victim, 0).await;
    run(
        &theirs,
        "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('word'); ALTER TABLE kept ENABLE ROW LEVEL SECURITY; \
         ALTER TABLE kept FORCE ROW LEVEL SECURITY; CREATE POLICY own ON kept USING (word = 'word')",
    )
    .await;
    let root = superuser(&site.pg, &site.database_of(&attacker.wanted)).await;
    let operator = site.address.user.clone();
    let (own, neighbour) = (attacker.wanted.names.clone(), victim.wanted.names.clone());
    for writable in [true, false] {
        attacker.wanted.writable = writable;
        attacker.wanted.logins[0].password = Some(attacker.passwords[0].verifier());
        site.converge(&attacker.wanted).await;
        attacker.settle();
        let session = site.session(&attacker, 0).await;
        let roles = try_all(&session, &root, &own, &neighbour, &[&operator]).await;
        let acting = if writable { &own.owner } else { &own.reader };
        assert!(
            roles.len() == 2 && roles.iter().any(|role| role == acting.as_str()),
            "{roles:?}"
        );
        assert_eq!(text(&theirs, "SELECT word FROM kept").await, "word");
        drop(session);
        // The operator has everything in hand still.
        site.converge(&attacker.wanted).await;
        site.is_quiet(&attacker.wanted).await;
        site.is_quiet(&victim.wanted).await;
    }
    drop((root, theirs));
    site.remove(&attacker).await;
    site.remove(&victim).await;
}
