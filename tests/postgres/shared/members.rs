//! Rights of a tenant as a member of the role that holds the grants on the tables.

use crate::members::try_all;
use crate::shared::world::{A, B, GROUP, World, allowed, ask, of, one, reports, violations};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tenant_operator::postgres::Names;
use tenant_operator::postgres::shared::{Severity, remove_tenant};

const COUNT: &str = "SELECT count(*) FROM app.calls";

fn operator(world: &World) -> &'static str {
    if world.superuser { "postgres" } else { "operator" }
}

/// With a sequence that tenants may only use, PostgreSQL refuses `DROP OWNED BY` their group as a whole.
async fn without_sequences(world: &World) {
    world
        .sql(
            "ALTER TABLE app.calls ALTER id DROP DEFAULT; ALTER TABLE app.draft_actions ALTER id DROP DEFAULT; \
             ALTER TABLE app.notes ALTER id DROP IDENTITY; DROP SEQUENCE app.calls_id_seq, app.draft_actions_id_seq",
        )
        .await;
}

fn as_application(id: &str) -> String {
    format!("BEGIN; SET LOCAL app.current_tenant_id = '{id}'; {COUNT}; COMMIT")
}

pub async fn harm_nobody(mut world: World) {
    without_sequences(&world).await;
    let (a, b, app) = (
        world.tenant(A).await,
        world.tenant(B).await,
        world.connect("app", "platform").await,
    );
    let others = [GROUP, operator(&world), "app", "app_owner", "migrator"];
    let roles = try_all(&a, &world.root, &Names::of(A), &Names::of(B), &others).await;
    assert!(roles.contains(&GROUP.to_string()) && roles.len() == 3, "{roles:?}");
    for (client, count) in [
        (&b, COUNT.to_string()),
        (&app, as_application(B)),
        (&app, as_application(A)),
    ] {
        assert_eq!(one(client, &count).await, "2");
    }
    // The operator reverts the tenant's changes to itself, and nothing remains.
    world.tenants().await;
    world.tend().await;
    let report = world.tend().await;
    assert!(!report.changed && report.is_protected(), "{report:#?}");
    assert_eq!(one(&world.tenant(A).await, COUNT).await, "2");
    drop(a);
    let left = remove_tenant(&world.server, &world.spec, A, &Names::of(A), &world.catalog().await)
        .await
        .unwrap();
    assert!(left.is_nothing(), "{left:?}");
    world.rows.remove(0);
    world.remove_roles(A).await;
    assert_eq!(one(&b, COUNT).await, "2");
}

/// Policies of the platform's own that a tenant can drop are reported; as the report says they are out of its reach.
pub async fn others_policies(world: World) {
    without_sequences(&world).await;
    let (a, app) = (world.tenant(A).await, world.connect("app", "platform").await);
    let drop_owned = format!("DROP OWNED BY {GROUP}");
    world
        .sql(&format!(
            "SET ROLE app_owner; CREATE POLICY hide ON app.calls AS RESTRICTIVE TO {GROUP} USING (text <> 'two'); \
             CREATE TABLE app.outside (tenant_id uuid); CREATE POLICY see ON app.outside TO {} USING (true); RESET ROLE",
            Names::of(B).owner.as_str()
        ))
        .await;
    assert_eq!(one(&a, COUNT).await, "1");
    let report = world.tend().await;
    let what = format!("platform/app.calls has a restrictive policy hide of another role TO {GROUP}: every tenant");
    reports(&report, Severity::Violation, &what);
    let what = format!(
        "platform/app.outside has a permissive policy see of another role TO {}",
        Names::of(B).owner.as_str()
    );
    reports(&report, Severity::Weakness, &what);
    // The control: it is so, and of the operator's own none is lost.
    allowed(&a, &drop_owned).await;
    assert_eq!(one(&a, COUNT).await, "2");
    assert_eq!(violations(&world.tend().await), Vec::<String>::new());
    world
        .sql(&format!(
            "SET ROLE app_owner; CREATE POLICY hide ON app.calls AS RESTRICTIVE TO PUBLIC \
             USING (NOT pg_has_role('{GROUP}', 'USAGE') OR text <> 'two'); RESET ROLE"
        ))
        .await;
    allowed(&a, &drop_owned).await;
    assert_eq!(one(&a, COUNT).await, "1");
    assert_eq!(one(&app, &as_application(A)).await, "2", "the application is no tenant");
    assert_eq!(violations(&world.tend().await), Vec::<String>::new());
}

/// A database with the policies of former releases: while they are replaced nobody sees more or less than before.
pub async fn former_policies(world: World) {
    let own = r#""tenant_id" = (SELECT l.tenant_id FROM tenant_registry.login l WHERE l.role = current_user)"#;
    let current = r#""tenant_id" = nullif(current_setting('app.current_tenant_id', true), '')::uuid"#;
    let (tenant, application) = ("tenant_operator_tenant", "tenant_operator_application");
    let (calls, login, registry) = (
        r#""app"."calls""#,
        r#""tenant_registry"."login""#,
        r#""tenant_registry"."tenant""#,
    );
    let to_group = |rest: &str| format!(r#"TO "{GROUP}" USING ({rest})"#);
    let formerly = [
        (calls, tenant, format!("ALL {} WITH CHECK ({own})", to_group(own))),
        (
            calls,
            application,
            format!(r#"ALL TO "app" USING ({current}) WITH CHECK ({current})"#),
        ),
        (login, tenant, format!("SELECT {}", to_group("role = current_user"))),
        (
            registry,
            tenant,
            format!("SELECT {}", to_group(&own.replace(r#""tenant_id""#, "id"))),
        ),
    ];
    let mut former = String::new();
    for (table, name, rest) in &formerly {
        let create = format!(r#"CREATE POLICY "{name}" ON {table} FOR {rest}"#);
        let this = format!("relation = '{table}'::regclass AND name = '{name}'");
        former += &format!(
            "DROP POLICY IF EXISTS {name} ON {table}; {create}; DELETE FROM tenant_registry.policy WHERE {this}; \
             INSERT INTO tenant_registry.policy SELECT polrelid, polname, $${create}$$, pg_get_expr(polqual, polrelid), \
             pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE polrelid = '{table}'::regclass AND polname = '{name}';"
        );
    }
    world
        .sql(&format!(
            "SET ROLE {}; {former} REVOKE ALL ON SCHEMA tenant_registry FROM PUBLIC; REVOKE ALL ON ALL TABLES IN SCHEMA tenant_registry FROM PUBLIC; \
             GRANT USAGE ON SCHEMA tenant_registry TO {GROUP}, app, migrator; GRANT SELECT ON tenant_registry.login TO {GROUP}; RESET ROLE",
            operator(&world)
        ))
        .await;
    let named = format!("SELECT count(*) FROM pg_policy WHERE '{GROUP}'::regrole = ANY (polroles)");
    assert_eq!(one(&world.root, &named).await, "3");
    let ended = Arc::new(AtomicBool::new(false));
    let mut lookers = Vec::new();
    for (client, count) in [
        (world.tenant(A).await, COUNT.to_string()),
        (world.tenant(B).await, format!("{COUNT} WHERE tenant_id = '{B}'")),
        (world.connect("app", "platform").await, as_application(B)),
        (
            world.connect("migrator", "platform").await,
            "SELECT count(*) / 2 FROM app.calls".to_string(),
        ),
    ] {
        let ended = ended.clone();
        lookers.push(tokio::spawn(async move {
            let mut looks = 0;
            while !ended.load(Ordering::Relaxed) {
                assert_eq!(ask(&client, &count).await, Ok(vec!["2".into()]), "{count}");
                looks += 1;
            }
            looks
        }));
    }
    // While somebody keeps a table from being changed, it goes on as it is.
    let holder = world.holder().await;
    allowed(&holder, "BEGIN; LOCK TABLE app.calls IN ACCESS SHARE MODE").await;
    let report = world.tend().await;
    reports(&report, Severity::Violation, "platform/app.calls could not be changed");
    assert_eq!(of(&report, Severity::Violation).len(), 1, "{report:#?}");
    allowed(&holder, "COMMIT").await;
    let report = world.tend().await;
    assert!(report.changed);
    assert_eq!(of(&report, Severity::Violation), Vec::<String>::new());
    ended.store(true, Ordering::Relaxed);
    for looker in lookers {
        assert!(looker.await.unwrap() > 3);
    }
    assert_eq!(one(&world.root, &named).await, "0");
    let report = world.tend().await;
    assert!(!report.changed && report.is_protected(), "{report:#?}");
}
