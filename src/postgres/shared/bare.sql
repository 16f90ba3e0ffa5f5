  'tenants', json_build_object(), 'logins', json_build_object(), 'records', json_build_array()
)
