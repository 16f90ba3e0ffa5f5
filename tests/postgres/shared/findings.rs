//! Findings: obstacles and bypasses that the operator reports, each with a control.

use crate::shared::world::{A, B, DENIED, GROUP, World, allowed, entry, of, one, refused, reports, violations};
use tenant_operator::api::database_server::TenantColumnType;
use tenant_operator::postgres::plan::Venue;
use tenant_operator::postgres::shared::{self, Severity};

pub async fn tables(mut world: World) {
    world.sql(
        "SET ROLE app_owner;
         CREATE TABLE app.countries (code text PRIMARY KEY);
         CREATE TABLE app.wrong (tenant_id text);
         CREATE TABLE app.nullable (tenant_id uuid, id int PRIMARY KEY, mail text UNIQUE, during int4range, EXCLUDE USING gist (during WITH &&));
         CREATE TABLE app.fine (tenant_id uuid NOT NULL, id int, parent int, PRIMARY KEY (tenant_id, id),
           FOREIGN KEY (tenant_id, parent) REFERENCES app.fine (tenant_id, id));
         CREATE TABLE app.pointing (tenant_id uuid NOT NULL, id int, to_nullable int REFERENCES app.nullable (id), PRIMARY KEY (tenant_id, id));
         CREATE TABLE app.parent (tenant_id uuid NOT NULL, id int);
         CREATE TABLE app.child () INHERITS (app.parent);
         CREATE TABLE app.whole (tenant_id uuid NOT NULL) PARTITION BY LIST (tenant_id);
         CREATE TABLE app.piece PARTITION OF app.whole DEFAULT;
         RESET ROLE;
         CREATE TABLE app.of_root (tenant_id uuid NOT NULL);
         CREATE EXTENSION IF NOT EXISTS file_fdw;
         CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
         CREATE FOREIGN TABLE app.far (tenant_id uuid) SERVER files OPTIONS (filename '/dev/null');",
    )
    .await;
    world.spec = vec![entry(
        &[
            "countries",
            "wrong",
            "nullable",
            "fine",
            "pointing",
            "parent",
            "piece",
            "of_root",
            "far",
            "missing",
        ],
        TenantColumnType::Uuid,
    )];
    let report = world.tend().await;
    for text in [
        "app.countries has no column tenant_id",
        "app.wrong has a column tenant_id of type text",
        "app.piece is a partition or child of app.whole",
        "app.far is a foreign table",
    ] {
        reports(&report, Severity::Violation, text);
    }
    for text in [
        "app.nullable has a primary key nullable_pkey without tenant_id",
        "app.nullable has a unique key nullable_mail_key without tenant_id",
        "app.nullable has a exclusion constraint",
        "app.pointing has a foreign key pointing_to_nullable_fkey to app.nullable",
        "app.child inherits from app.parent",
    ] {
        reports(&report, Severity::Weakness, text);
    }
    for text in [
        "app.missing is in sharedTables and does not exist",
        "app.nullable has a column tenant_id that may be NULL",
        "app.nullable has no index that begins with tenant_id",
    ] {
        reports(&report, Severity::Hint, text);
    }
    // The controls: a table that has none of these, and those that are closed for them.
    assert!(
        !report
            .findings
            .iter()
            .any(|finding| finding.object.ends_with("app.fine")),
        "{report:#?}"
    );
    let a = world.tenant(A).await;
    allowed(&a, "SELECT * FROM app.fine").await;
    for table in ["countries", "wrong", "far"] {
        refused(&a, &format!("SELECT * FROM app.{table}"), DENIED).await;
    }
    if world.superuser {
        allowed(&a, "SELECT * FROM app.of_root").await;
    } else {
        reports(
            &report,
            Severity::Violation,
            "app.of_root belongs to role postgres, in which the operator's role operator is not a member",
        );
        refused(&a, "SELECT * FROM app.of_root", DENIED).await;
        // To be a member of a superuser is to be one: the remedy is another.
        let script = shared::script(&report);
        let script: Vec<String> = script.iter().map(|step| step.statement.to_string()).collect();
        assert!(
            script.contains(&"ALTER TABLE \"app\".\"of_root\" OWNER TO \"migrator\"".to_string()),
            "{script:?}"
        );
        assert!(!script.iter().any(|statement| statement.contains("GRANT \"postgres\"")));
    }
    assert!(!world.tend().await.changed);
}

pub async fn roles(mut world: World) {
    for entry in &mut world.spec {
        entry
            .application_roles
            .extend(["strong", "fast", "friend", "nobody", "owner_too"].map(String::from));
    }
    world.sql(
        "CREATE ROLE strong SUPERUSER; CREATE ROLE fast BYPASSRLS LOGIN PASSWORD 'platform'; CREATE ROLE friend LOGIN PASSWORD 'platform' IN ROLE migrator; CREATE ROLE owner_too;
         GRANT USAGE ON SCHEMA app TO fast, friend; GRANT SELECT, TRUNCATE ON app.calls TO fast, friend; GRANT TRUNCATE, TRIGGER, REFERENCES ON app.notes TO app, PUBLIC; GRANT SELECT ON app.notes TO PUBLIC;
         GRANT owner_too TO app_owner; GRANT CREATE ON SCHEMA app TO owner_too;
         ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA app GRANT SELECT ON TABLES TO app;
         ALTER DEFAULT PRIVILEGES FOR ROLE app_owner GRANT SELECT ON TABLES TO PUBLIC;
         ALTER TABLE app.draft_actions OWNER TO owner_too;",
    )
    .await;
    let report = world.tend().await;
    for text in [
        "role strong is an application role and a superuser",
        "role fast is an application role and has BYPASSRLS",
        "role friend is an application role and can act as role migrator",
        "role friend is an application role and can act as role app_owner",
        "app.draft_actions belongs to application role owner_too",
        "app.calls lets role fast truncate it",
        "app.notes lets role app truncate it",
        "app.notes lets PUBLIC truncate it",
    ] {
        reports(&report, Severity::Violation, text);
    }
    for text in [
        "app.notes lets role app create triggers",
        "app.notes lets PUBLIC reference it",
        "app.notes is granted to PUBLIC",
        "platform/app has default privileges that open every table that role app_owner creates to role app,",
        "platform/all schemas has default privileges that open every table that role app_owner creates to PUBLIC",
    ] {
        reports(&report, Severity::Weakness, text);
    }
    reports(
        &report,
        Severity::Hint,
        "role nobody is in applicationRoles and does not exist",
    );
    assert!(
        !of(&report, Severity::Violation)
            .iter()
            .any(|text| text.starts_with("role app ")),
        "{report:#?}"
    );
    // The controls: what is reported is so.
    let count = "SELECT count(*) FROM app.calls";
    assert_eq!(one(&world.connect("fast", "platform").await, count).await, "4");
    assert_eq!(one(&world.connect("friend", "platform").await, count).await, "4");
    allowed(
        &world.connect("app", "platform").await,
        "BEGIN; TRUNCATE app.notes; ROLLBACK",
    )
    .await;
    // The remedies help.
    for step in shared::script(&report) {
        assert!(matches!(step.venue, Venue::Inside(_) | Venue::Alone));
        world.sql(&step.statement.reveal()).await;
    }
    let report = world.tend().await;
    let notes = |text: &String| text.contains("app.notes") || text.contains("open every table");
    assert!(
        !violations(&report).iter().any(notes) && !of(&report, Severity::Weakness).iter().any(notes),
        "{report:#?}"
    );
    refused(&world.connect("app", "platform").await, "TRUNCATE app.notes", DENIED).await;
    // A tenant that got BYPASSRLS loses it, by its own plan.
    if world.superuser {
        let owner = tenant_operator::postgres::Names::of(B).owner;
        world.sql(&format!("ALTER ROLE {owner} BYPASSRLS")).await;
        let b = world.tenant(B).await;
        assert_eq!(one(&b, count).await, "4");
        world.tenants().await;
        assert_eq!(one(&world.tenant(B).await, count).await, "2");
    }
}

pub async fn around(world: World) {
    world.sql(
        "GRANT USAGE ON SCHEMA public TO PUBLIC;
         CREATE VIEW app.v AS SELECT * FROM app.calls; GRANT SELECT ON app.v TO app;
         CREATE VIEW public.v_of_v AS SELECT text FROM app.v; GRANT SELECT (text) ON public.v_of_v TO PUBLIC;
         CREATE VIEW app.unused AS SELECT * FROM app.calls;
         CREATE VIEW app.for_migrations AS SELECT * FROM app.calls; GRANT SELECT ON app.for_migrations TO migrator;
         CREATE MATERIALIZED VIEW app.m AS SELECT * FROM app.notes; GRANT SELECT ON app.m TO tenant_operator_tenants_tenants;
         CREATE FUNCTION app.all_calls() RETURNS SETOF app.calls SECURITY DEFINER LANGUAGE sql AS 'SELECT * FROM app.calls';
         CREATE FUNCTION app.for_app() RETURNS SETOF app.calls SECURITY DEFINER LANGUAGE sql AS 'SELECT * FROM app.calls';
         REVOKE EXECUTE ON FUNCTION app.for_app() FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.for_app() TO app;
         CREATE FUNCTION app.invoker() RETURNS SETOF app.calls LANGUAGE sql AS 'SELECT * FROM app.calls';
         GRANT CREATE ON SCHEMA app TO PUBLIC;",
    )
    .await;
    let a = world.tenant(A).await;
    assert_eq!(one(&a, "SELECT count(*) FROM app.m").await, "4");
    assert_eq!(one(&a, "SELECT count(*) FROM public.v_of_v").await, "4");
    assert_eq!(one(&a, "SELECT count(*) FROM app.all_calls()").await, "4");
    assert_eq!(one(&a, "SELECT count(*) FROM app.invoker()").await, "2");
    let report = world.tend().await;
    let view = if world.version >= 15 {
        "is a view without security_invoker"
    } else {
        "is a view, which before PostgreSQL 15"
    };
    for text in [
        &format!("platform/app.v {view}"),
        &format!("platform/public.v_of_v {view}"),
        "platform/app.all_calls() is SECURITY DEFINER and lets app, tenant_operator_tenants_tenants call it",
        "platform/app lets PUBLIC create objects",
    ] {
        reports(&report, Severity::Violation, text);
    }
    reports(
        &report,
        Severity::Weakness,
        "platform/app.for_app() is SECURITY DEFINER and lets app call it",
    );
    let all: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    for text in ["unused", "for_migrations", "invoker()"] {
        assert!(!all.iter().any(|finding| finding.contains(text)), "{text}: {all:#?}");
    }
    // The operator revokes the group's grants by hand where it may: the materialized view is the superuser's.
    if world.superuser {
        refused(&a, "SELECT count(*) FROM app.m", DENIED).await;
    } else {
        reports(
            &report,
            Severity::Violation,
            "platform/app.m is a materialized view: it shows tenant_operator_tenants_tenants",
        );
    }
    world
        .sql(&format!(
            "REVOKE ALL ON app.m FROM {GROUP}; DROP FUNCTION app.all_calls(); DROP FUNCTION app.for_app()"
        ))
        .await;
    for step in shared::script(&world.tend().await) {
        if !step.statement.to_string().contains("CREATE INDEX") {
            world.sql(&step.statement.reveal()).await;
        }
    }
    if world.version >= 15 {
        assert_eq!(violations(&world.tend().await), Vec::<String>::new());
        // Now it asks with the tenant's rights all the way, and was never granted the view in between.
        refused(&a, "SELECT count(*) FROM public.v_of_v", DENIED).await;
    }
}

/// An operator without rights names those that it needs; these are enough.
pub async fn the_script(world: World) {
    let mut executed = Vec::new();
    for _ in 0..5 {
        let report = world.tend().await;
        let script = shared::script(&report);
        let needed: Vec<_> = script.into_iter().filter(|step| !executed.contains(step)).collect();
        if needed.is_empty() {
            break;
        }
        for step in needed {
            world.sql(&step.statement.reveal()).await;
            executed.push(step);
        }
    }
    let report = world.tend().await;
    assert!(report.is_protected() && report.protected == 7, "{report:#?}");
    let text: Vec<String> = executed.iter().map(|step| step.statement.to_string()).collect();
    assert!(
        !text
            .iter()
            .any(|statement| statement.contains("SUPERUSER") || statement.contains("BYPASSRLS"))
    );
    world.tenants().await;
    assert_eq!(one(&world.tenant(A).await, "SELECT count(*) FROM app.calls").await, "0");
}
