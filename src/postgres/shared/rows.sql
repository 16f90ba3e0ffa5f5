  'tenants', (SELECT coalesce(json_object_agg(t.id::text, json_build_object(
                  'name', t.name, 'parent', t.parent, 'root', t.root, 'members', coalesce(to_json(t.members), '[]'), 'tier', t.tier, 'number', t.number, 'displayName', t.display_name, 'domain', t.domain,
                  'settingsDigest', t.settings_digest,
                  'createdAt', to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))), '{}')
              FROM tenant_registry.tenant t),
  'logins', (SELECT coalesce(json_object_agg(l.role, l.tenant_id), '{}') FROM tenant_registry.login l),
  'records', (SELECT coalesce(json_agg(json_build_object('relation', p.relation::int8, 'name', p.name, 'source', p.source,
                                                         'qual', p.qual, 'check', p.with_check,
                                                         'gone', NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = p.relation))), '[]')
              FROM tenant_registry.policy p)
)
