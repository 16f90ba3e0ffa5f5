//! Drift: the operator restores its objects, and closes access that it cannot restore.

use crate::shared::world::{A, B, DENIED, GROUP, World, allowed, ask, entry, of, one, refused, reports, violations};
use tenant_operator::api::database_server::TenantColumnType;
use tenant_operator::postgres::Names;
use tenant_operator::postgres::shared::{self, Severity};

/// Asserts that one call restores everything, and that another changes nothing. The first reports each loss in the operator's policies, and the roles that
/// could have caused it.
async fn heals(world: &World, what: &str) {
    let report = world.tend().await;
    assert!(report.changed, "{what} was not seen");
    let takes = [
        "DROP POLICY",
        "ALTER POLICY",
        "ROW LEVEL SECURITY",
        "SET qual",
        "the lock",
    ];
    let lost = of(&report, Severity::Violation)
        .into_iter()
        .filter(|finding| finding.contains("lost its protection"))
        .collect::<Vec<_>>();
    match takes.iter().any(|words| what.contains(words)) {
        true => {
            assert!(
                lost.iter().any(|finding| finding.contains("superusers postgres")),
                "{what}: {report:#?}"
            );
            if what.contains("app.calls") {
                let able = "its owner app_owner, its members ";
                assert!(
                    lost[0].contains(able) && lost[0].contains("migrator"),
                    "{what}: {lost:?}"
                );
            }
        }
        false => assert_eq!(lost, Vec::<String>::new(), "{what}"),
    }
    let again = world.tend().await;
    assert!(!again.changed, "{what}: {again:?}");
    assert_eq!(violations(&again), Vec::<String>::new(), "{what}");
    let a = world.tenant(A).await;
    let seen =
        "SELECT count(*), count(*) FILTER (WHERE tenant_id <> '3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11') FROM app.calls";
    assert_eq!(one(&a, seen).await, "2 0", "{what}");
}

pub async fn comes_back(world: World) {
    let drifts = [
        "ALTER TABLE app.calls DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE app.calls NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant_operator_tenant ON app.calls",
        "DROP POLICY tenant_operator_migration ON app.calls",
        "ALTER POLICY tenant_operator_tenant ON app.calls USING (true)",
        "ALTER POLICY tenant_operator_tenant ON app.calls WITH CHECK (true)",
        "ALTER POLICY tenant_operator_tenant ON app.calls TO tenant_operator_tenants_tenants",
        "ALTER POLICY tenant_operator_migration ON app.calls TO migrator, PUBLIC",
        "DROP POLICY tenant_operator_tenant ON app.calls; CREATE POLICY tenant_operator_tenant ON app.calls AS RESTRICTIVE USING (true)",
        "DROP POLICY tenant_operator_tenant ON app.calls; CREATE POLICY tenant_operator_tenant ON app.calls FOR SELECT TO tenant_operator_tenants_tenants USING (true)",
        "CREATE POLICY tenant_operator_more ON app.calls TO PUBLIC USING (true)",
        "DROP POLICY tenant_operator_tenant ON app.events_2_1",
        "ALTER TABLE app.events_2 DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenant_registry.tenant DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenant_registry.login NO FORCE ROW LEVEL SECURITY",
        "ALTER POLICY tenant_operator_tenant ON tenant_registry.login USING (true)",
        "GRANT ALL ON app.calls TO tenant_operator_tenants_tenants",
        "GRANT SELECT ON app.calls TO tenant_operator_tenants_tenants WITH GRANT OPTION",
        "GRANT UPDATE (text) ON app.calls TO tenant_operator_tenants_tenants",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA app TO tenant_operator_tenants_tenants",
        "GRANT CREATE ON SCHEMA app TO tenant_operator_tenants_tenants",
        "GRANT ALL ON ALL TABLES IN SCHEMA tenant_registry TO tenant_operator_tenants_tenants, app",
        "GRANT SELECT (tenant_id) ON tenant_registry.login TO app",
        "GRANT ALL ON SCHEMA tenant_registry TO PUBLIC",
        "GRANT SELECT ON tenant_registry.tenant TO PUBLIC",
        "GRANT INSERT (id), SELECT (name) ON tenant_registry.tenant TO PUBLIC",
        "GRANT ALL ON tenant_registry.login TO PUBLIC",
        "REVOKE ALL ON app.calls FROM tenant_operator_tenants_tenants",
        "REVOKE ALL ON SCHEMA app FROM tenant_operator_tenants_tenants",
        "REVOKE ALL ON SCHEMA tenant_registry FROM PUBLIC",
        "REVOKE ALL ON tenant_registry.login FROM PUBLIC",
        "REVOKE SELECT (number) ON tenant_registry.tenant FROM PUBLIC",
        "REVOKE ALL ON tenant_registry.tenant FROM tenant_operator_tenants_tenants",
        "TRUNCATE tenant_registry.login",
        "DELETE FROM tenant_registry.policy",
        "UPDATE tenant_registry.policy SET qual = 'true'",
    ];
    for drift in drifts {
        // As their owner, or as the operator's role: who else would.
        let owner = if drift.contains("tenant_registry") {
            if world.superuser { "postgres" } else { "operator" }
        } else {
            "app_owner"
        };
        world.sql(&format!("SET ROLE {owner}; {drift}; RESET ROLE")).await;
        heals(&world, drift).await;
    }
    // A grant to a single tenant by hand.
    let owner = Names::of(B).owner;
    world
        .sql(&format!(
            "SET ROLE app_owner; GRANT ALL ON app.calls TO {owner}; RESET ROLE"
        ))
        .await;
    heals(&world, "a tenant's own grant").await;
    refused(&world.tenant(B).await, "TRUNCATE app.calls", DENIED).await;
    // The whole registry.
    world.sql("DROP SCHEMA tenant_registry CASCADE").await;
    heals(&world, "the registry").await;
}

/// Default privileges that are made for the group, by any member, or that give to it.
pub async fn defaults_are_taken_back(world: World) {
    let left = "SELECT count(*) FROM pg_default_acl a CROSS JOIN LATERAL aclexplode(a.defaclacl) e LEFT JOIN pg_roles g ON g.oid = e.grantee \
                WHERE (g.rolname = 'tenant_operator_tenants_tenants' OR a.defaclrole = 'tenant_operator_tenants_tenants'::regrole) AND e.grantee <> a.defaclrole \
                AND a.defaclrole <> 'postgres'::regrole AND (g.rolname IS NOT NULL OR a.defaclobjtype NOT IN ('f', 'T'))";
    let everywhere = ["TABLES", "SEQUENCES", "FUNCTIONS", "TYPES", "SCHEMAS", "LARGE OBJECTS"];
    let kinds = &everywhere[..if world.version < 18 { 5 } else { 6 }];
    let of_schemas = &everywhere[..4];
    let a = world.tenant(A).await;
    let (mut of_owner, mut of_group) = (Vec::new(), Vec::new());
    for kind in kinds {
        let grant = format!("GRANT ALL ON {kind} TO tenant_operator_tenants_tenants WITH GRANT OPTION");
        of_owner.push(format!("ALTER DEFAULT PRIVILEGES {grant}"));
        let group = "ALTER DEFAULT PRIVILEGES FOR ROLE tenant_operator_tenants_tenants";
        of_group.push(format!("{group} GRANT ALL ON {kind} TO PUBLIC, {}", Names::of(B).owner));
    }
    for kind in of_schemas {
        of_owner.push(format!(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT ALL ON {kind} TO tenant_operator_tenants_tenants"
        ));
    }
    world
        .sql(&format!("SET ROLE app_owner; {}; RESET ROLE", of_owner.join("; ")))
        .await;
    allowed(&a, &of_group.join("; ")).await;
    assert_ne!(one(&world.root, left).await, "0", "control");
    heals(&world, "default privileges").await;
    assert_eq!(one(&world.root, left).await, "0");
    // Only a superuser can revoke a superuser's grants.
    if !world.superuser {
        let given = "ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO tenant_operator_tenants_tenants";
        world.sql(given).await;
        let report = world.tend().await;
        reports(&report, Severity::Weakness, "default privileges of role postgres");
        world
            .sql("ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM tenant_operator_tenants_tenants")
            .await;
    }
    assert!(!world.tend().await.changed);
}

pub async fn stays_closed(world: World) {
    let a = world.tenant(A).await;
    let count = "SELECT count(*) FROM app.calls";
    // Somebody else's policy opens everything to PUBLIC: the control, then closed, then open again.
    world
        .sql("SET ROLE app_owner; CREATE POLICY everyone ON app.calls USING (true); RESET ROLE")
        .await;
    assert_eq!(one(&a, count).await, "4");
    let report = world.tend().await;
    reports(
        &report,
        Severity::Violation,
        "platform/app.calls has a permissive policy everyone",
    );
    assert_eq!(report.closed, 1);
    refused(&a, count, DENIED).await;
    assert_eq!(one(&a, "SELECT count(*) FROM app.notes").await, "2");
    assert!(!world.tend().await.changed);
    for step in shared::script(&report)
        .iter()
        .filter(|step| step.statement.to_string().contains("everyone"))
    {
        world.sql(&step.statement.reveal()).await;
    }
    heals(&world, "the policy is gone").await;
    // One for applications only does not concern tenants, and is reported.
    world
        .sql("SET ROLE app_owner; CREATE POLICY all_apps ON app.calls TO app USING (true); RESET ROLE")
        .await;
    let app = world.connect("app", "platform").await;
    assert_eq!(one(&app, count).await, "4");
    reports(
        &world.tend().await,
        Severity::Violation,
        "all_apps of another role for an application role",
    );
    assert_eq!(one(&a, count).await, "2");
    world.sql("DROP POLICY all_apps ON app.calls").await;
    // The column's type changes, or it goes away: closed.
    world.sql("ALTER TABLE app.notes RENAME tenant_id TO customer").await;
    let report = world.tend().await;
    reports(
        &report,
        Severity::Violation,
        "platform/app.notes has no column tenant_id",
    );
    refused(&a, "SELECT * FROM app.notes", DENIED).await;
    world.sql("ALTER TABLE app.notes RENAME customer TO tenant_id").await;
    assert!(world.tend().await.changed);
    assert_eq!(one(&a, "SELECT count(*) FROM app.notes").await, "2");
    // The operator closes access that a lock keeps it from repairing.
    world
        .sql("SET ROLE app_owner; ALTER POLICY tenant_operator_tenant ON app.calls USING (true); RESET ROLE")
        .await;
    let other = world.connect("migrator", "platform").await;
    other
        .batch_execute("BEGIN; SELECT count(*) FROM app.calls")
        .await
        .unwrap();
    let report = world.tend().await;
    reports(&report, Severity::Violation, "platform/app.calls could not be changed");
    refused(&a, count, DENIED).await;
    other.batch_execute("COMMIT").await.unwrap();
    heals(&world, "the lock is gone").await;
}

pub async fn new_tables(mut world: World) {
    for entry in &mut world.spec {
        if entry.type_ == Some(TenantColumnType::Uuid) {
            entry.tables = vec!["[a-z]".into(), "*s".into(), "événement*".into()];
        }
    }
    world.spec.remove(1);
    world.spec[0].tables = vec!["calls".into(), "new*".into(), "événement*".into()];
    world.tend().await;
    let a = world.tenant(A).await;
    let create = "SET ROLE app_owner; CREATE TABLE app.newest (tenant_id uuid, text text); INSERT INTO app.newest VALUES ('90c1b9be-51a6-4c6f-8a40-3dd6a5b0c222', 'x'); \
                  CREATE TABLE app.\"événement \"\"x\"\"\" (tenant_id uuid, text text); CREATE TABLE app.other (tenant_id uuid); RESET ROLE";
    world.sql(create).await;
    // Closed until they are seen.
    refused(&a, "SELECT * FROM app.newest", DENIED).await;
    assert!(world.tend().await.changed);
    assert_eq!(one(&a, "SELECT count(*) FROM app.newest").await, "0");
    let mine = format!("INSERT INTO app.\"événement \"\"x\"\"\" VALUES ('{A}', 'x') RETURNING text");
    assert_eq!(ask(&a, &mine).await, Ok(vec!["x".into()]));
    refused(&a, "SELECT * FROM app.other", DENIED).await;
    // One of the same name is another.
    world.sql("DROP TABLE app.newest; SET ROLE app_owner; CREATE TABLE app.newest (tenant_id uuid, text text); RESET ROLE").await;
    refused(&a, "SELECT * FROM app.newest", DENIED).await;
    assert!(world.tend().await.changed);
    assert!(!world.tend().await.changed);
    assert_eq!(one(&a, "SELECT count(*) FROM app.newest").await, "0");
    assert_eq!(
        one(
            &world.root,
            "SELECT count(*) FROM tenant_registry.policy p WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = relation)"
        )
        .await,
        "0"
    );
    // A new partition.
    world.spec.push(entry(&["events"], TenantColumnType::Uuid));
    world.tend().await;
    world.sql("SET ROLE app_owner; CREATE TABLE app.late PARTITION OF app.events FOR VALUES FROM (20) TO (30); RESET ROLE").await;
    let late = "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = 'app.late'::regclass";
    assert_eq!(one(&world.root, late).await, "f");
    assert!(world.tend().await.changed);
    assert_eq!(one(&world.root, late).await, "t");
}

pub async fn the_group(world: World) {
    world.sql(&format!("ALTER ROLE {GROUP} LOGIN CREATEROLE; CREATE ROLE other NOLOGIN; GRANT other TO {GROUP}; CREATE ROLE visitor LOGIN PASSWORD 'platform'; GRANT {GROUP} TO visitor")).await;
    let query = format!(
        "SELECT rolcanlogin::int + rolcreaterole::int + pg_has_role('visitor', '{GROUP}', 'MEMBER')::int + pg_has_role('{GROUP}', 'other', 'MEMBER')::int FROM pg_roles WHERE rolname = '{GROUP}'"
    );
    assert_eq!(one(&world.root, &query).await, "4");
    let report = world.tend().await;
    assert!(report.changed);
    // Memberships that a superuser granted are the superuser's to revoke from 16 on.
    let rest = if world.superuser || world.version < 16 {
        "0"
    } else {
        "2"
    };
    assert_eq!(one(&world.root, &query).await, rest);
    if rest == "2" {
        reports(&report, Severity::Violation, GROUP);
        world
            .sql(&format!("REVOKE {GROUP} FROM visitor; REVOKE other FROM {GROUP}"))
            .await;
        // Through a role that the group is in, tenants could be more than they are: it was all closed.
        assert_eq!(report.protected, 0);
        assert!(world.tend().await.changed);
    }
    // BYPASSRLS is the superuser's to take away: the control shows what it does. From 16 on a tenant cannot become the group.
    let a = world.tenant(A).await;
    world.sql(&format!("ALTER ROLE {GROUP} BYPASSRLS")).await;
    let become_it = format!("SET ROLE {GROUP}");
    if world.version >= 16 {
        refused(&a, &become_it, DENIED).await;
        world
            .sql(&format!("GRANT {GROUP} TO {} WITH SET TRUE", Names::of(A).owner))
            .await;
    }
    assert_eq!(
        one(&a, &format!("{become_it}; SELECT count(*) FROM app.calls")).await,
        "4"
    );
    let report = world.tend().await;
    match world.superuser {
        true => assert_eq!(violations(&world.tend().await), Vec::<String>::new()),
        false => reports(&report, Severity::Violation, GROUP),
    }
    let seen = ask(&a, "SELECT count(*) FROM app.calls").await;
    match world.superuser {
        true => assert_eq!(seen, Ok(vec!["0".into()])),
        false => assert!(seen.is_err(), "{seen:?}"),
    }
    world.sql(&format!("ALTER ROLE {GROUP} NOBYPASSRLS")).await;
    if world.version >= 16 {
        let owner = Names::of(A).owner;
        world.sql(&format!("REVOKE SET OPTION FOR {GROUP} FROM {owner}")).await;
    }
    world.tend().await;
    heals_group(&world).await;
    // Dropped, it comes back, and with it everything that it may do.
    world
        .sql(&format!(
            "REASSIGN OWNED BY {GROUP} TO postgres; DROP OWNED BY {GROUP} CASCADE; DROP ROLE {GROUP}"
        ))
        .await;
    assert!(world.tend().await.changed);
    world.tenants().await;
    heals_group(&world).await;
    // One that the operator did not make is left alone, and nothing is granted to it.
    world
        .sql(&format!(
            "DROP OWNED BY {GROUP} CASCADE; DROP ROLE {GROUP}; CREATE ROLE {GROUP}"
        ))
        .await;
    let report = world.tend().await;
    reports(
        &report,
        Severity::Violation,
        "is not the role that the operator created",
    );
    assert_eq!(report.protected, 0);
    let granted = format!("SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = '{GROUP}'");
    assert_eq!(one(&world.root, &granted).await, "0");
}

async fn heals_group(world: &World) {
    let report = world.tend().await;
    assert!(!report.changed && report.is_protected(), "{report:?}");
    assert_eq!(one(&world.tenant(A).await, "SELECT count(*) FROM app.calls").await, "2");
}

pub async fn what_the_spec_drops(mut world: World) {
    let a = world.tenant(A).await;
    let notes = world.spec.remove(1);
    assert!(world.tend().await.changed);
    refused(&a, "SELECT * FROM app.notes", DENIED).await;
    assert_eq!(one(&a, "SELECT count(*) FROM app.calls").await, "2");
    world.spec.push(notes);
    assert!(world.tend().await.changed);
    assert_eq!(one(&a, "SELECT count(*) FROM app.notes").await, "2");
    // The whole database.
    let spec = std::mem::take(&mut world.spec);
    for _ in 0..3 {
        world.tend().await;
    }
    for table in ["calls", "notes", "draft_actions", "events"] {
        refused(&a, &format!("SELECT * FROM app.{table}"), DENIED).await;
    }
    assert!(!world.tend().await.changed);
    world.spec = spec;
    world.tend().await;
    heals_group(&world).await;
    // A database that is not there is said so, and keeps nothing else up.
    let mut missing = entry(&["*"], TenantColumnType::Uuid);
    missing.database = "nowhere".into();
    world.spec.push(missing);
    let report = world.tend().await;
    assert_eq!(violations(&report), ["nowhere is in sharedTables and does not exist"]);
    assert_eq!(of(&report, Severity::Violation).len(), 1);
}

pub async fn not_ours(world: World) {
    // A registry of somebody else's, with a trap in it.
    world
        .sql(&format!(
            "DROP SCHEMA tenant_registry CASCADE; REVOKE ALL ON ALL TABLES IN SCHEMA app FROM {GROUP}"
        ))
        .await;
    world.sql("CREATE SCHEMA tenant_registry AUTHORIZATION app_owner; SET ROLE app_owner; CREATE TABLE tenant_registry.tenant (id uuid); \
               CREATE FUNCTION tenant_registry.trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''sprung''; END'; \
               CREATE TRIGGER trap BEFORE INSERT ON tenant_registry.tenant EXECUTE FUNCTION tenant_registry.trap(); RESET ROLE")
        .await;
    let report = world.tend().await;
    reports(
        &report,
        Severity::Violation,
        "belongs to role app_owner, not to the operator's role",
    );
    assert_eq!(report.protected, 0);
    assert!(!world.log().contains("ERROR:  sprung"));
    refused(&world.tenant(A).await, "SELECT * FROM app.calls", DENIED).await;
    world.sql("DROP SCHEMA tenant_registry CASCADE").await;
    world.tend().await;
    heals_group(&world).await;
}
