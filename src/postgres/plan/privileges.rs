//! Takes from roles the privileges that others granted to them. `DROP OWNED` revokes as one grantor of its choice. That may be the role itself, if it
//! has the grant option, and then `DROP OWNED` revokes nothing.

use crate::postgres::sql::Literal;
use crate::postgres::version::PG_15;
use crate::postgres::{Identifier, Statement};
use crate::sql;

/// Revokes every privilege of these roles in this database and on shared objects, each as the role that granted it. It ends the sessions of tenants
/// that granted something temporary, since no other session can name that. It leaves grants of roles that the operator cannot become, and those of the
/// operator on what is its own, which `DROP OWNED` revokes. It commits from time to time, and so runs alone: from 18 on each object stays locked.
pub fn revoke_all(roles: &[&Identifier], version: i32) -> Statement {
    let names = roles.iter().enumerate().fold(sql![""], |names, (at, role)| {
        let separator = if at == 0 { "" } else { ", " };
        names.join(sql![separator, Literal(role.as_str())])
    });
    let lists = sql![
        "WITH granted AS (SELECT DISTINCT s.classid, s.objid, s.objsubid FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid \
         WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'a' AND r.rolname IN (",
    ]
    .join(names.clone())
    .join(sql![
        ") AND s.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))), \
         lists (name, part, acl, owner, schema) AS (\
         SELECT format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname), \
         CASE WHEN g.objsubid <> 0 THEN format('(%I)', a.attname) END, CASE g.objsubid WHEN 0 THEN c.relacl ELSE a.attacl END, \
         c.relowner, n.nspname FROM granted g JOIN pg_class c ON g.classid = 'pg_class'::regclass AND c.oid = g.objid \
         JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = g.objsubid \
         UNION ALL SELECT format('ROUTINE %s', f.oid::regprocedure), NULL, f.proacl, f.proowner, n.nspname \
         FROM granted g JOIN pg_proc f ON g.classid = 'pg_proc'::regclass AND f.oid = g.objid JOIN pg_namespace n ON n.oid = f.pronamespace \
         UNION ALL SELECT format('TYPE %I.%I', n.nspname, t.typname), NULL, t.typacl, t.typowner, n.nspname \
         FROM granted g JOIN pg_type t ON g.classid = 'pg_type'::regclass AND t.oid = g.objid JOIN pg_namespace n ON n.oid = t.typnamespace \
         UNION ALL SELECT format('LARGE OBJECT %s', l.oid), NULL, l.lomacl, l.lomowner, NULL \
         FROM granted g JOIN pg_largeobject_metadata l ON g.classid = 'pg_largeobject'::regclass AND l.oid = g.objid \
         UNION ALL SELECT format('SCHEMA %I', n.nspname), NULL, n.nspacl, n.nspowner, n.nspname \
         FROM granted g JOIN pg_namespace n ON g.classid = 'pg_namespace'::regclass AND n.oid = g.objid \
         UNION ALL SELECT format('LANGUAGE %I', l.lanname), NULL, l.lanacl, l.lanowner, NULL \
         FROM granted g JOIN pg_language l ON g.classid = 'pg_language'::regclass AND l.oid = g.objid \
         UNION ALL SELECT format('FOREIGN DATA WRAPPER %I', w.fdwname), NULL, w.fdwacl, w.fdwowner, NULL \
         FROM granted g JOIN pg_foreign_data_wrapper w ON g.classid = 'pg_foreign_data_wrapper'::regclass AND w.oid = g.objid \
         UNION ALL SELECT format('FOREIGN SERVER %I', f.srvname), NULL, f.srvacl, f.srvowner, NULL \
         FROM granted g JOIN pg_foreign_server f ON g.classid = 'pg_foreign_server'::regclass AND f.oid = g.objid \
         UNION ALL SELECT format('DATABASE %I', d.datname), NULL, d.datacl, d.datdba, NULL \
         FROM granted g JOIN pg_database d ON g.classid = 'pg_database'::regclass AND d.oid = g.objid \
         UNION ALL SELECT format('TABLESPACE %I', t.spcname), NULL, t.spcacl, t.spcowner, NULL \
         FROM granted g JOIN pg_tablespace t ON g.classid = 'pg_tablespace'::regclass AND t.oid = g.objid",
        if version >= PG_15 {
            " UNION ALL SELECT 'PARAMETER ' || (SELECT string_agg(quote_ident(u.part), '.' ORDER BY u.at) \
             FROM unnest(string_to_array(p.parname, '.')) WITH ORDINALITY u (part, at)), NULL, p.paracl, NULL, NULL \
             FROM granted g JOIN pg_parameter_acl p ON g.classid = 'pg_parameter_acl'::regclass AND p.oid = g.objid"
        } else {
            ""
        },
        ") SELECT l.name, left(pg_get_userbyid(l.owner), 22) AS tenant, coalesce(l.schema ~ '^pg_temp_', false) AS temporary, \
         r.rolname AS grantor, v.rolname AS grantee, string_agg(e.privilege_type || coalesce(l.part, ''), ', ') AS privileges \
         FROM lists l CROSS JOIN LATERAL aclexplode(l.acl) e JOIN pg_roles r ON r.oid = e.grantor \
         JOIN pg_roles v ON v.oid = e.grantee WHERE v.rolname IN ("
    ])
    .join(names)
    .join(sql![") AND NOT (r.rolname = session_user AND e.grantor IS NOT DISTINCT FROM l.owner) GROUP BY 1, 2, 3, 4, 5"]);
    let body = sql!["DECLARE given record; waits boolean; revoked int := 0; BEGIN FOR attempt IN 1..20 LOOP waits := false; FOR given IN "]
        .join(lists)
        .join(sql![
            " LOOP BEGIN IF given.temporary THEN waits := true; \
             PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE attempt = 1 AND a.datname = current_database() \
             AND given.tenant ~ '^t_[0-9a-f]{20}$' AND a.usename IN (given.tenant || '_a', given.tenant || '_b'); \
             ELSE PERFORM set_config('role', given.grantor, true); \
             EXECUTE format('REVOKE %s ON %s FROM %I CASCADE', given.privileges, given.name, given.grantee); \
             PERFORM set_config('role', 'none', true); END IF; \
             EXCEPTION WHEN lock_not_available OR deadlock_detected THEN RAISE; WHEN OTHERS THEN NULL; END; \
             revoked := revoked + 1; IF revoked % 100 = 0 THEN COMMIT; END IF; END LOOP; \
             EXIT WHEN NOT waits; PERFORM pg_sleep(0.05); END LOOP; END"
        ]);
    sql!["DO ", Literal(body.reveal())]
}
