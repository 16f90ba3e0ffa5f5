-- Everything that is observed of a server, for all tenants (no argument) or for those whose names are given, in one statement: one
-- snapshot. It answers in small rows, in any order, so that no answer is in memory as a whole.
-- Run in the database that holds the operator's records. $1: names of roles and places, or NULL.
WITH ours AS MATERIALIZED (
  SELECT r.*
  FROM pg_catalog.pg_roles r
  WHERE CASE WHEN $1::text[] IS NULL THEN r.rolname ~ '^t_[0-9a-f]{20}(_[abr])?$' ELSE r.rolname::text = ANY ($1) END
), links AS MATERIALIZED (
  SELECT m.roleid, m.member, o.rolname AS role, e.rolname AS member_name, g.rolname AS grantor, m.admin_option AS admin,
         -- Options of a single grant exist from 16 on; before, they follow from the member.
         coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, e.rolinherit) AS inherit,
         coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) AS set
  FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles o ON o.oid = m.roleid
  JOIN pg_catalog.pg_roles e ON e.oid = m.member
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor
  WHERE m.roleid IN (SELECT oid FROM ours) OR m.member IN (SELECT oid FROM ours)
), member_of AS (
  SELECT l.member AS oid, json_agg(json_build_object('role', l.role, 'grantor', l.grantor, 'admin', l.admin,
                                                     'inherit', l.inherit, 'set', l.set) ORDER BY l.role, l.grantor) AS list
  FROM links l GROUP BY l.member
), members AS (
  SELECT l.roleid AS oid, json_agg(json_build_object('role', l.member_name, 'grantor', l.grantor, 'admin', l.admin,
                                                     'inherit', l.inherit, 'set', l.set) ORDER BY l.member_name, l.grantor) AS list
  FROM links l GROUP BY l.roleid
), sessions AS (
  SELECT a.usesysid AS oid, count(*) AS number FROM pg_catalog.pg_stat_activity a GROUP BY a.usesysid
), settings AS (
  -- A role may keep any amount of settings of its own; what the operator never sets it does not read.
  SELECT s.setrole AS oid, json_agg(json_build_object('database', d.datname, 'setting', left(c, 1000)) ORDER BY d.datname, c) AS list
  FROM pg_catalog.pg_db_role_setting s
  CROSS JOIN LATERAL unnest(s.setconfig) c
  LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
  WHERE coalesce(s.setrole IN (SELECT oid FROM ours), false)
    AND split_part(left(c, 100), '=', 1) IN ('role', 'session_authorization', 'search_path', 'statement_timeout', 'lock_timeout',
                                             'idle_in_transaction_session_timeout', 'work_mem')
  GROUP BY s.setrole
), defaults AS (
  SELECT a.defaclrole AS oid, json_object_agg(a.defaclobjtype,
           EXISTS (SELECT FROM aclexplode(a.defaclacl) e WHERE e.grantee = 0)) AS list
  FROM pg_catalog.pg_default_acl a
  WHERE a.defaclnamespace = 0 AND coalesce(a.defaclrole IN (SELECT oid FROM ours), false)
  GROUP BY a.defaclrole
), default_grants AS (
  SELECT DISTINCT a.defaclrole AS oid, n.nspname, a.defaclobjtype, g.rolname
  FROM pg_catalog.pg_default_acl a
  CROSS JOIN LATERAL aclexplode(a.defaclacl) e
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = e.grantee
  WHERE coalesce(a.defaclrole IN (SELECT oid FROM ours), false) AND e.grantee <> a.defaclrole
), given AS (
  SELECT g.oid, json_agg(json_build_object('schema', g.nspname, 'kind', g.defaclobjtype, 'grantee', g.rolname)
                         ORDER BY g.nspname, g.defaclobjtype, g.rolname) AS list
  FROM default_grants g GROUP BY g.oid
), holdings AS (
  -- What hangs on a role in other databases, and on a login in this one.
  SELECT h.refobjid AS oid, json_agg(json_build_object('database', d.datname, 'owns', h.owns) ORDER BY d.datname) AS list
  FROM (SELECT s.refobjid, s.dbid, 
                 -- Default privileges and user mappings count as owned, and cannot be given to another.
                 bool_or(s.deptype = 'o' AND s.classid NOT IN ('pg_catalog.pg_default_acl'::pg_catalog.regclass,
                                                               'pg_catalog.pg_user_mapping'::pg_catalog.regclass)) AS owns
        FROM ours r JOIN pg_catalog.pg_shdepend s ON s.refobjid = r.oid
        WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.dbid <> 0
          AND (right(r.rolname::text, 2) IN ('_a', '_b')
               OR s.dbid <> (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
        GROUP BY s.refobjid, s.dbid) h
  JOIN pg_catalog.pg_database d ON d.oid = h.dbid
  GROUP BY h.refobjid
), facts AS (
  -- Brought together by grouping: joins go wrong by the square where the planner takes many roles for few, and from 17 on it does.
  SELECT r.oid, r.rolname::text AS name, jsonb_build_object(
      'oid', r.oid::int8, 'login', r.rolcanlogin, 'inherit', r.rolinherit, 'superuser', r.rolsuper,
      'createRole', r.rolcreaterole, 'createDatabase', r.rolcreatedb, 'replication', r.rolreplication,
      'bypassRls', r.rolbypassrls, 'connectionLimit', r.rolconnlimit,
      'expires', coalesce(r.rolvaliduntil < 'infinity', false), 'sessions', 0, 'settings', '[]'::jsonb,
      'memberOf', '[]'::jsonb, 'members', '[]'::jsonb, 'defaults', '{}'::jsonb, 'given', '[]'::jsonb, 'holdings', '[]'::jsonb
    ) AS base, NULL AS key, NULL::json AS list
  FROM ours r
  UNION ALL SELECT s.oid, NULL, NULL, 'sessions', to_json(s.number) FROM sessions s WHERE s.oid IS NOT NULL
  UNION ALL SELECT s.oid, NULL, NULL, 'settings', s.list FROM settings s
  UNION ALL SELECT m.oid, NULL, NULL, 'memberOf', m.list FROM member_of m
  UNION ALL SELECT m.oid, NULL, NULL, 'members', m.list FROM members m
  UNION ALL SELECT d.oid, NULL, NULL, 'defaults', d.list FROM defaults d
  UNION ALL SELECT g.oid, NULL, NULL, 'given', g.list FROM given g
  UNION ALL SELECT h.oid, NULL, NULL, 'holdings', h.list FROM holdings h
), roles AS (
  SELECT max(f.name) AS name, (array_agg(f.base) FILTER (WHERE f.base IS NOT NULL))[1]
         || coalesce(jsonb_object_agg(f.key, f.list) FILTER (WHERE f.key IS NOT NULL), '{}') AS role
  FROM facts f GROUP BY f.oid HAVING max(f.name) IS NOT NULL
), begun AS (
  SELECT 'new_' || i.nonce AS name FROM tenant_operator.intent i WHERE $1::text[] IS NULL OR i.name = ANY ($1)
), schemas AS (
  SELECT n.*
  FROM pg_catalog.pg_namespace n
  WHERE CASE WHEN $1::text[] IS NULL THEN n.nspname ~ '^t_[0-9a-f]{20}$' ELSE n.nspname::text = ANY ($1) END
     OR n.nspname IN ('public', 'extensions', 'tenant_operator')
), databases AS (
  SELECT d.*
  FROM pg_catalog.pg_database d
  WHERE $1::text[] IS NULL OR d.datname::text = ANY ($1) OR d.datname = current_database()
     OR d.datname IN (SELECT name FROM begun)
)
SELECT 'server' AS kind, NULL AS name, json_build_object(
  'version', current_setting('server_version_num')::int,
  'serverId', (SELECT id FROM tenant_operator.server),
  'versionText', current_setting('server_version'),
  'readOnly', pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on',
  'database', current_database(),
  'admin', (SELECT json_build_object('name', rolname, 'superuser', rolsuper, 'createRole', rolcreaterole,
                                     'createDatabase', rolcreatedb, 'inherit', rolinherit)
            FROM pg_catalog.pg_roles WHERE rolname = current_user),
  'extensions', (SELECT coalesce(json_agg(extname ORDER BY extname), '[]') FROM pg_catalog.pg_extension),
  'largeObjectsOpen', has_function_privilege('public', 'pg_catalog.lo_create(oid)', 'EXECUTE')
                      OR has_function_privilege('public', 'pg_catalog.lo_creat(integer)', 'EXECUTE')
                      OR has_function_privilege('public', 'pg_catalog.lo_from_bytea(oid, bytea)', 'EXECUTE'),
  'statisticsOpen', EXISTS (SELECT FROM pg_catalog.pg_proc f, LATERAL aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) e
                            WHERE f.pronamespace = 'pg_catalog'::regnamespace AND f.proname LIKE 'pg\_stat\_get\_%'
                              AND f.proargtypes::text = '26' AND e.grantee = 0),
  'locksOpen', has_function_privilege('public', 'pg_catalog.pg_lock_status()', 'EXECUTE'),
  'formerGroup', EXISTS (SELECT FROM tenant_operator.object o JOIN pg_catalog.pg_roles r ON r.oid = o.oid AND r.rolname = o.name
                         WHERE o.kind = 'role' AND o.name = 'tenant_operator_tenants' AND o.tenant_id = ''),
  'connections', json_build_object(
      'most', current_setting('max_connections')::int,
      'ofSuperusers', current_setting('superuser_reserved_connections')::int,
      'reserved', current_setting('reserved_connections', true)::int,
      'usesReserved', coalesce((SELECT pg_has_role(r.oid, 'USAGE') FROM pg_catalog.pg_roles r
                                WHERE r.rolname = 'pg_use_reserved_connections'), false),
      'authenticationSeconds', extract(epoch FROM current_setting('authentication_timeout')::interval)::int)) AS fact
UNION ALL SELECT 'role', r.name, r.role::json FROM roles r
UNION ALL SELECT 'schema', n.nspname::text, json_build_object(
  'oid', n.oid::int8, 'owner', pg_get_userbyid(n.nspowner),
  'objects', CASE WHEN n.nspname::text = ANY ($1) THEN
               (SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid)
               + (SELECT count(*) FROM pg_catalog.pg_proc f WHERE f.pronamespace = n.oid) END)
FROM schemas n
UNION ALL SELECT 'schemaGrant', n.nspname::text, json_build_object(
  'grantee', CASE WHEN e.grantee <> 0 THEN pg_get_userbyid(e.grantee) END, 'privilege', e.privilege_type, 'grantable', e.is_grantable)
FROM schemas n CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner)) || '{}'::aclitem[]) e
WHERE e.grantee <> n.nspowner
UNION ALL SELECT 'database', d.datname::text, json_build_object(
  'oid', d.oid::int8, 'owner', pg_get_userbyid(d.datdba), 'open', d.datallowconn)
FROM databases d
UNION ALL SELECT 'databaseGrant', d.datname::text, json_build_object(
  'grantee', CASE WHEN e.grantee <> 0 THEN pg_get_userbyid(e.grantee) END, 'privilege', e.privilege_type, 'grantable', e.is_grantable)
-- The list of a database that thousands may connect to is stored compressed, and aclexplode() unpacks its argument for each row.
FROM databases d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba)) || '{}'::aclitem[]) e
-- Of the database that all share, one tenant's part.
WHERE e.grantee <> d.datdba
  AND ($1::text[] IS NULL OR d.datname::text = ANY ($1) OR e.grantee = 0 OR e.grantee IN (SELECT oid FROM ours))
UNION ALL SELECT 'mark:' || o.kind, o.name, json_build_object('oid', o.oid::int8, 'tenantId', o.tenant_id, 'revision', o.revision)
FROM tenant_operator.object o WHERE $1::text[] IS NULL OR o.name = ANY ($1)
UNION ALL SELECT 'intent', i.name, json_build_object('nonce', i.nonce, 'tenantId', i.tenant_id)
FROM tenant_operator.intent i WHERE $1::text[] IS NULL OR i.name = ANY ($1)
