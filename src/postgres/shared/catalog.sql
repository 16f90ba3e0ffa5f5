-- What is observed of one database with shared tables, in one statement; the end of it is another file, as it is there or not.
-- $1: schemas, $2: columns of interest, $3: roles of interest, $4: the group's name.
WITH RECURSIVE family AS (
  SELECT c.oid, c.relnamespace
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname::text = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
  UNION
  SELECT i.inhrelid, c.relnamespace
  FROM family f JOIN pg_catalog.pg_inherits i ON i.inhparent = f.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
), rel AS (
  SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, n.nspname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid IN (SELECT oid FROM family) OR (n.nspname = 'tenant_registry' AND c.relkind IN ('r', 'p', 'f', 'v', 'm'))
), people AS (
  SELECT r.* , r.oid AS role_oid FROM pg_catalog.pg_roles r WHERE r.rolname::text = ANY ($3::text[] || $4::text)
), views AS (
  SELECT r.ev_class AS oid, d.refobjid AS base
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
  WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
    AND d.refobjid IN (SELECT oid FROM rel) AND r.ev_class <> d.refobjid
  UNION
  SELECT r.ev_class, v.base
  FROM views v
  JOIN pg_catalog.pg_depend d ON d.refobjid = v.oid
  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
  WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND r.ev_class <> v.oid
)
SELECT json_build_object(
  'version', current_setting('server_version_num')::int,
  'readOnly', pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on',
  'admin', current_user,
  'group', $4::text,
  'superuser', (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
  'canCreate', has_database_privilege(current_database(), 'CREATE'),
  'canAdmit', has_database_privilege(current_database(), 'CONNECT WITH GRANT OPTION'),
  'roles', (SELECT coalesce(json_object_agg(p.rolname, json_build_object(
      'oid', p.role_oid::int8, 'login', p.rolcanlogin, 'inherit', p.rolinherit, 'superuser', p.rolsuper,
      'bypassRls', p.rolbypassrls, 'createRole', p.rolcreaterole,
      'memberOf', (SELECT coalesce(json_agg(o.rolname ORDER BY o.rolname), '[]') FROM pg_catalog.pg_auth_members m
                   JOIN pg_catalog.pg_roles o ON o.oid = m.roleid WHERE m.member = p.role_oid),
      'members', (SELECT coalesce(json_agg(DISTINCT o.rolname ORDER BY o.rolname), '[]') FROM pg_catalog.pg_auth_members m
                  JOIN pg_catalog.pg_roles o ON o.oid = m.member
                  WHERE m.roleid = p.role_oid AND p.rolname = $4 AND o.rolname !~ '^t_[0-9a-f]{20}$'),
      -- What it can act as, directly or through others, and would see more as.
      'reaches', (SELECT coalesce(json_agg(o.rolname ORDER BY o.rolname), '[]') FROM pg_catalog.pg_roles o
                  WHERE NOT p.rolsuper AND o.oid <> p.role_oid AND pg_has_role(p.role_oid, o.oid, 'MEMBER')
                    AND (o.rolsuper OR o.rolbypassrls OR o.rolname = current_user OR o.rolname::text = ANY ($3::text[] || $4::text)
                         OR o.rolname ~ '^t_[0-9a-f]{20}(_[abr])?$' OR o.oid IN (SELECT relowner FROM rel)))
    )), '{}') FROM people p),
  'schemas', (SELECT coalesce(json_object_agg(n.nspname, json_build_object(
      'owner', pg_get_userbyid(n.nspowner), 'ours', pg_has_role(n.nspowner, 'USAGE'),
      'ownerSuperuser', (SELECT rolsuper FROM pg_catalog.pg_roles o WHERE o.oid = n.nspowner),
      'grants', (SELECT coalesce(json_agg(json_build_object('grantee', g.rolname, 'privilege', e.privilege_type,
                                                            'grantable', e.is_grantable)), '[]')
                 FROM aclexplode(n.nspacl) e LEFT JOIN pg_catalog.pg_roles g ON g.oid = e.grantee
                 WHERE e.grantee <> n.nspowner)
    )), '{}')
    FROM pg_catalog.pg_namespace n WHERE n.nspname::text = ANY ($1) OR n.nspname = 'tenant_registry'),
  'tables', (SELECT coalesce(json_agg(json_build_object(
      'oid', c.oid::int8, 'schema', c.nspname, 'name', c.relname, 'kind', c.relkind, 'owner', pg_get_userbyid(c.relowner),
      'ours', pg_has_role(c.relowner, 'USAGE'),
      'ownerSuperuser', (SELECT rolsuper FROM pg_catalog.pg_roles o WHERE o.oid = c.relowner),
      'enabled', c.relrowsecurity, 'forced', c.relforcerowsecurity, 'partition', c.relispartition,
      'parents', (SELECT coalesce(json_agg(i.inhparent::int8), '[]') FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid),
      'columns', (SELECT coalesce(json_object_agg(a.attname, json_build_object(
                      'type', format_type(a.atttypid, NULL), 'notNull', a.attnotnull)), '{}')
                  FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND (a.attname::text = ANY ($2::text[]) OR c.nspname = 'tenant_registry')),
      'grants', (SELECT coalesce(json_agg(json_build_object('grantee', g.rolname, 'privilege', e.privilege_type,
                                                            'grantable', e.is_grantable)), '[]')
                 FROM aclexplode(c.relacl) e LEFT JOIN pg_catalog.pg_roles g ON g.oid = e.grantee
                 WHERE e.grantee <> c.relowner),
      'columnGrants', (SELECT coalesce(json_agg(json_build_object('grantee', g.rolname, 'privilege', e.privilege_type,
                                                                  'column', a.attname)), '[]')
                       FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) e
                       LEFT JOIN pg_catalog.pg_roles g ON g.oid = e.grantee
                       WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped AND e.grantee <> c.relowner),
      'policies', (SELECT coalesce(json_agg(json_build_object(
                       'name', p.polname, 'permissive', p.polpermissive, 'command', p.polcmd,
                       'roles', (SELECT json_agg(g.rolname ORDER BY g.rolname)
                                 FROM unnest(p.polroles) o LEFT JOIN pg_catalog.pg_roles g ON g.oid = o),
                       'qual', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))), '[]')
                   FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid),
      'indexes', (SELECT coalesce(json_agg(json_build_object(
                      'name', x.relname, 'unique', i.indisunique, 'primary', i.indisprimary, 'exclusion', i.indisexclusion,
                      'usable', i.indisvalid AND i.indpred IS NULL,
                      'columns', (SELECT json_agg(a.attname ORDER BY k.n)
                                  FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n)
                                  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                                  WHERE k.n <= i.indnkeyatts))), '[]')
                  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid),
      'references', (SELECT coalesce(json_agg(json_build_object(
                         'name', f.conname, 'target', f.confrelid::int8,
                         'pairs', (SELECT json_agg(json_build_array(a.attname, b.attname))
                                   FROM unnest(f.conkey, f.confkey) k (a, b)
                                   JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.a
                                   JOIN pg_catalog.pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = k.b))), '[]')
                     FROM pg_catalog.pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.conparentid = 0),
      'sequences', (SELECT coalesce(json_agg(json_build_object(
                        'oid', s.oid::int8, 'schema', sn.nspname, 'name', s.relname,
                        'grants', (SELECT coalesce(json_agg(e.privilege_type), '[]') FROM aclexplode(s.relacl) e
                                   JOIN pg_catalog.pg_roles g ON g.oid = e.grantee WHERE g.rolname = $4))), '[]')
                    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
                    JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
                    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
                      AND d.refobjid = c.oid AND d.refobjsubid > 0 AND d.deptype = 'a')
    )), '[]') FROM rel c),
  'views', (SELECT coalesce(json_agg(json_build_object(
      'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'owner', pg_get_userbyid(c.relowner),
      'bases', (SELECT json_agg(DISTINCT v.base::int8) FROM views v WHERE v.oid = c.oid),
      'invoker', coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) o
                           WHERE o.option_name = 'security_invoker'), false),
      'users', (SELECT coalesce(json_agg(p.rolname ORDER BY p.rolname), '[]') FROM people p
                WHERE NOT p.rolsuper AND has_schema_privilege(p.role_oid, n.oid, 'USAGE')
                  AND (has_any_column_privilege(p.role_oid, c.oid, 'SELECT, INSERT, UPDATE')
                       OR has_table_privilege(p.role_oid, c.oid, 'DELETE')))
    )), '[]')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid IN (SELECT oid FROM views) AND c.relkind IN ('v', 'm') AND n.nspname <> 'tenant_registry'),
  'functions', (SELECT coalesce(json_agg(json_build_object(
      'schema', n.nspname, 'name', f.proname, 'arguments', pg_get_function_identity_arguments(f.oid), 'owner', o.rolname,
      'users', (SELECT coalesce(json_agg(p.rolname ORDER BY p.rolname), '[]') FROM people p
                WHERE NOT p.rolsuper AND has_schema_privilege(p.role_oid, n.oid, 'USAGE')
                  AND has_function_privilege(p.role_oid, f.oid, 'EXECUTE'))
    )), '[]')
    FROM pg_catalog.pg_proc f
    JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
    JOIN pg_catalog.pg_roles o ON o.oid = f.proowner
    WHERE f.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND f.prorettype NOT IN ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
      AND (o.rolsuper OR o.rolbypassrls OR o.oid IN (SELECT relowner FROM rel)
           OR EXISTS (SELECT FROM rel r WHERE has_any_column_privilege(o.oid, r.oid, 'SELECT, INSERT, UPDATE')))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = f.oid
                        AND d.deptype = 'e')),
  'defaults', (SELECT coalesce(json_agg(json_build_object(
      'role', pg_get_userbyid(a.defaclrole), 'schema', n.nspname, 'grantee', g.rolname, 'privilege', e.privilege_type)), '[]')
    FROM pg_catalog.pg_default_acl a CROSS JOIN LATERAL aclexplode(a.defaclacl) e
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace
    LEFT JOIN pg_catalog.pg_roles g ON g.oid = e.grantee
    WHERE a.defaclobjtype = 'r' AND (a.defaclnamespace = 0 OR n.nspname::text = ANY ($1))
      AND (e.grantee = 0 OR g.rolname::text = ANY ($3::text[] || $4::text)) AND e.grantee <> a.defaclrole),
  -- Default privileges of others that give to the group, and those of the group that give to others.
  'given', (SELECT coalesce(json_agg(DISTINCT jsonb_build_object(
      'role', o.rolname, 'ours', pg_has_role(o.oid, 'USAGE'), 'schema', n.nspname, 'kind', a.defaclobjtype, 'grantee', g.rolname)), '[]')
    FROM pg_catalog.pg_default_acl a CROSS JOIN LATERAL aclexplode(a.defaclacl) e
    JOIN pg_catalog.pg_roles o ON o.oid = a.defaclrole
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace
    LEFT JOIN pg_catalog.pg_roles g ON g.oid = e.grantee
    WHERE e.grantee <> a.defaclrole AND (g.rolname = $4 OR o.rolname = $4)
      -- What PUBLIC has anyway.
      AND NOT (e.grantee = 0 AND a.defaclnamespace = 0 AND a.defaclobjtype IN ('f', 'T'))),
  -- Whatever in this database is granted to the group.
  'holdings', (SELECT coalesce(json_agg(json_build_object(
      'oid', d.objid::int8, 'class', d.classid::regclass::text, 'kind', i.type, 'identity', i.identity,
      'schema', n.nspname, 'name', c.relname)), '[]')
    FROM pg_catalog.pg_shdepend d
    JOIN pg_catalog.pg_roles g ON g.oid = d.refobjid AND g.rolname = $4
    CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
    LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      AND d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.deptype = 'a'),
  -- Others' policies, on whatever table, that a tenant's role, or all of them, could drop.
  'named', (SELECT coalesce(json_agg(json_build_object(
      'oid', c.oid::int8, 'schema', n.nspname, 'table', c.relname, 'policy', p.polname, 'permissive', p.polpermissive,
      'role', p.role)), '[]')
    FROM (SELECT p.polrelid, p.polname, p.polpermissive,
                 coalesce(min(g.rolname::text) FILTER (WHERE g.rolname = $4), min(g.rolname::text)) AS role
          FROM pg_catalog.pg_policy p CROSS JOIN LATERAL unnest(p.polroles) o JOIN pg_catalog.pg_roles g ON g.oid = o
          WHERE (g.rolname = $4 OR g.rolname ~ '^t_[0-9a-f]{20}(_[abr])?$') AND left(p.polname, 16) <> 'tenant_operator_'
          GROUP BY p.oid, p.polrelid, p.polname, p.polpermissive) p
    JOIN pg_catalog.pg_class c ON c.oid = p.polrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace),
