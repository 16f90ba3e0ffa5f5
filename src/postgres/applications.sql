-- The platform's logins that act for tenants, by name. Run in the database of the operator's records. $1: their names.
SELECT coalesce(json_object_agg(r.rolname, json_build_object(
  'oid', r.oid::int8, 'inherit', r.rolinherit,
  'attributes', (SELECT coalesce(json_agg(a.name ORDER BY a.name), '[]') FROM (VALUES
        ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls), ('CREATEROLE', r.rolcreaterole),
        ('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication)) a (name, has) WHERE a.has),
  -- The roles that it is a member of, directly or not, and that reach more than one tenant.
  'reaches', (WITH RECURSIVE up AS (
        SELECT m.roleid AS oid FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid
        UNION SELECT m.roleid FROM up JOIN pg_catalog.pg_auth_members m ON m.member = up.oid)
      SELECT coalesce(json_agg(o.rolname ORDER BY o.rolname), '[]') FROM up JOIN pg_catalog.pg_roles o ON o.oid = up.oid
      WHERE o.rolsuper OR o.rolbypassrls OR o.rolcreaterole OR o.rolcreatedb OR o.rolreplication
         OR o.rolname ~ '^pg_' OR o.rolname = current_user OR o.rolname ~ '^t_[0-9a-f]{20}_[ab]$'),
  -- The roles that can act as it, directly or not. From 16 on a membership may only let its holder administer the role.
  'members', (WITH RECURSIVE down AS (
        SELECT m.member AS oid FROM pg_catalog.pg_auth_members m
        WHERE m.roleid = r.oid AND coalesce((to_jsonb(m) ->> 'set_option')::boolean OR (to_jsonb(m) ->> 'inherit_option')::boolean, true)
        UNION SELECT m.member FROM down JOIN pg_catalog.pg_auth_members m ON m.roleid = down.oid
        WHERE coalesce((to_jsonb(m) ->> 'set_option')::boolean OR (to_jsonb(m) ->> 'inherit_option')::boolean, true))
      SELECT coalesce(json_agg(o.rolname ORDER BY o.rolname), '[]') FROM down JOIN pg_catalog.pg_roles o ON o.oid = down.oid
      WHERE NOT o.rolsuper AND o.rolname <> current_user),
  'ownsRecords', EXISTS (SELECT FROM pg_catalog.pg_database d WHERE d.datname = current_database() AND d.datdba = r.oid),
  'connects', EXISTS (SELECT FROM pg_catalog.pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) e
                      WHERE d.datname = current_database() AND e.grantee = r.oid AND e.privilege_type = 'CONNECT')
)), '{}')
FROM pg_catalog.pg_roles r WHERE r.rolname::text = ANY ($1)
