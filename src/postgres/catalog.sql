-- Everything that is observed of a server, for all tenants (no argument) or for those whose names are given, in one statement.
-- Run in the database that holds the operator's records. $1: names of roles and places, or NULL.
WITH ours AS (
  SELECT r.oid, r.*
  FROM pg_catalog.pg_roles r
  WHERE CASE WHEN $1::text[] IS NULL THEN r.rolname ~ '^t_[0-9a-f]{20}(_[abr])?$' ELSE r.rolname::text = ANY ($1) END
), links AS (
  SELECT m.roleid, m.member, o.rolname AS role, e.rolname AS member_name, m.admin_option AS admin,
         -- Options of a single grant exist from 16 on; before, they follow from the member.
         coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, e.rolinherit) AS inherit,
         coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) AS set
  FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles o ON o.oid = m.roleid
  JOIN pg_catalog.pg_roles e ON e.oid = m.member
  WHERE m.roleid IN (SELECT oid FROM ours) OR m.member IN (SELECT oid FROM ours)
)
SELECT json_build_object(
  'version', current_setting('server_version_num')::int,
  'versionText', current_setting('server_version'),
  'readOnly', pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on',
  'database', current_database(),
  'admin', (SELECT json_build_object('name', rolname, 'superuser', rolsuper, 'createRole', rolcreaterole,
                                     'createDatabase', rolcreatedb)
            FROM pg_catalog.pg_roles WHERE rolname = current_user),
  'roles', (SELECT coalesce(json_object_agg(r.rolname, json_build_object(
      'oid', r.oid::int8, 'login', r.rolcanlogin, 'inherit', r.rolinherit, 'superuser', r.rolsuper,
      'createRole', r.rolcreaterole, 'createDatabase', r.rolcreatedb, 'replication', r.rolreplication,
      'bypassRls', r.rolbypassrls, 'connectionLimit', r.rolconnlimit,
      'expires', coalesce(r.rolvaliduntil < 'infinity', false),
      'sessions', (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid),
      'settings', (SELECT coalesce(json_agg(json_build_object('database', d.datname, 'setting', c)), '[]')
                   FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) c
                   LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
                   WHERE s.setrole = r.oid),
      'memberOf', (SELECT coalesce(json_agg(json_build_object('role', l.role, 'admin', l.admin, 'inherit', l.inherit,
                                                              'set', l.set)), '[]') FROM links l WHERE l.member = r.oid),
      'members', (SELECT coalesce(json_agg(json_build_object('role', l.member_name, 'admin', l.admin, 'inherit', l.inherit,
                                                             'set', l.set)), '[]') FROM links l WHERE l.roleid = r.oid),
      'defaults', (SELECT coalesce(json_object_agg(a.defaclobjtype,
                       EXISTS (SELECT FROM aclexplode(a.defaclacl) e WHERE e.grantee = 0)), '{}')
                   FROM pg_catalog.pg_default_acl a WHERE a.defaclrole = r.oid AND a.defaclnamespace = 0)
    )), '{}') FROM ours r),
  'schemas', (SELECT coalesce(json_object_agg(n.nspname, json_build_object(
      'oid', n.oid::int8, 'owner', pg_get_userbyid(n.nspowner),
      'grants', (SELECT coalesce(json_agg(json_build_object('grantee', g.rolname, 'privilege', e.privilege_type,
                                                            'grantable', e.is_grantable)), '[]')
                 FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) e
                 LEFT JOIN pg_catalog.pg_roles g ON g.oid = e.grantee WHERE e.grantee <> n.nspowner)
    )), '{}')
    FROM pg_catalog.pg_namespace n
    WHERE CASE WHEN $1::text[] IS NULL THEN n.nspname ~ '^t_[0-9a-f]{20}$' ELSE n.nspname::text = ANY ($1) END
       OR n.nspname IN ('public', 'extensions', 'tenant_operator')),
  'databases', (SELECT coalesce(json_object_agg(d.datname, json_build_object(
      'oid', d.oid::int8, 'owner', pg_get_userbyid(d.datdba), 'open', d.datallowconn,
      'grants', (SELECT coalesce(json_agg(json_build_object('grantee', g.rolname, 'privilege', e.privilege_type,
                                                            'grantable', e.is_grantable)), '[]')
                 FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) e
                 LEFT JOIN pg_catalog.pg_roles g ON g.oid = e.grantee
                 WHERE e.grantee <> d.datdba AND ($1::text[] IS NULL OR e.grantee = 0 OR g.rolname::text = ANY ($1)))
    )), '{}')
    FROM pg_catalog.pg_database d
    WHERE $1::text[] IS NULL OR d.datname::text = ANY ($1) OR d.datname = current_database()
       OR d.datname IN (SELECT 'new_' || i.nonce FROM tenant_operator.intent i)),
  'extensions', (SELECT coalesce(json_agg(extname), '[]') FROM pg_catalog.pg_extension),
  'largeObjectsOpen', has_function_privilege('public', 'pg_catalog.lo_create(oid)', 'EXECUTE'),
  'marks', (SELECT coalesce(json_object_agg(o.kind || ':' || o.name, json_build_object(
                'oid', o.oid::int8, 'name', o.name, 'tenantId', o.tenant_id, 'revision', o.revision)), '{}')
            FROM tenant_operator.object o
            WHERE $1::text[] IS NULL OR o.name = ANY ($1)),
  'intents', (SELECT coalesce(json_object_agg(i.name, json_build_object('nonce', i.nonce, 'tenantId', i.tenant_id)), '{}')
              FROM tenant_operator.intent i
              WHERE $1::text[] IS NULL OR i.name = ANY ($1))
)
