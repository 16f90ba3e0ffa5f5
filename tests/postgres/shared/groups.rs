//! The role that shared tables are granted to: one for each database of the operator's records.

use crate::shared::world::{A, B, GROUP, World, admit, allowed, one, refused, violations};
use tenant_operator::postgres::shared::{self, RegistryRow};
use tenant_operator::postgres::{Names, password::Password};

const C: &str = "0b0f6f60-6a0e-4f6e-9a55-0f6a4f1c2d33";
const COUNT: &str = "SELECT count(*) FROM app.calls";

/// Two DatabaseServers on one server have shared tables, and tenants of each see nothing of the other's.
pub async fn of_two_records(world: World) {
    // More than fits into the name of a role.
    let records = "records_of_another_operator_with_a_name_of_some_length";
    let (server, spec) = world.neighbour(records, "second").await;
    let rows = [RegistryRow {
        id: C.into(),
        name: "tenant C".into(),
        owner_role: Names::of(C).owner,
        ..world.rows[0].clone()
    }];
    let mut report = shared::SharedReport::default();
    for _ in 0..2 {
        let catalog = server.observe(None).await.unwrap();
        report = shared::reconcile(&server, &spec, &rows, &catalog).await.unwrap();
        assert_eq!(violations(&report), Vec::<String>::new());
    }
    assert!(!report.changed && report.is_protected(), "{report:?}");
    let password = Password::random();
    admit(&server, &spec, C, Some(&password)).await;
    let group = shared::group::of(&server.observe(None).await.unwrap());
    assert_ne!(group.as_str(), GROUP);
    let member = |id: &str, group: &str| {
        let owner = Names::of(id).owner;
        format!("SELECT pg_has_role('{}', '{group}', 'MEMBER')", owner.as_str())
    };
    for (id, own, other) in [(A, GROUP, group.as_str()), (C, group.as_str(), GROUP)] {
        assert_eq!(one(&world.root, &member(id, own)).await, "t");
        assert_eq!(one(&world.root, &member(id, other)).await, "f");
    }
    let login = Names::of(C).logins[0].clone();
    let c = world.log_in(login.as_str(), &password, "second").await;
    assert_eq!(one(&c, COUNT).await, "0");
    allowed(
        &c,
        &format!("INSERT INTO app.calls (tenant_id, text) VALUES ('{C}', 'own')"),
    )
    .await;
    refused(
        &c,
        &format!("INSERT INTO app.calls (tenant_id, text) VALUES ('{A}', 'x')"),
        "42501",
    )
    .await;
    assert_eq!(one(&c, COUNT).await, "1");
    assert_eq!(one(&world.tenant(A).await, COUNT).await, "2");
    // Neither undoes what the other does.
    let last = world.tend().await;
    assert!(!last.changed && last.is_protected(), "{last:?}");
    assert_eq!(admit(&world.server, &world.spec, A, None).await, 0);
    assert_eq!(admit(&server, &spec, C, None).await, 0);
}

/// The group of a former release stays: tenants keep their rights, and the platform's own policies, which name it, their meaning.
pub async fn of_a_former_release(world: World) {
    let former = "tenant_operator_tenants";
    world.sql(&format!("ALTER ROLE {GROUP} RENAME TO {former}")).await;
    let records = world.records().await;
    let rename = format!("UPDATE tenant_operator.object SET name = '{former}' WHERE name = '{GROUP}'");
    allowed(&records, &rename).await;
    world
        .sql(&format!(
            "SET ROLE app_owner; CREATE POLICY hide ON app.calls AS RESTRICTIVE \
             USING (NOT pg_has_role('{former}', 'USAGE') OR text <> 'two'); RESET ROLE"
        ))
        .await;
    let report = world.tend().await;
    assert!(!report.changed && report.is_protected(), "{report:?}");
    for id in [A, B] {
        assert_eq!(admit(&world.server, &world.spec, id, None).await, 0);
        assert_eq!(one(&world.tenant(id).await, COUNT).await, "1");
    }
    let exists = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{GROUP}'");
    assert_eq!(one(&world.root, &exists).await, "0");
    // Another operator on the server makes one of its own, beside it.
    let (server, spec) = world.neighbour("others", "second").await;
    let catalog = server.observe(None).await.unwrap();
    let report = shared::reconcile(&server, &spec, &[], &catalog).await.unwrap();
    assert_eq!(violations(&report), Vec::<String>::new());
    let group = shared::group::of(&server.observe(None).await.unwrap());
    assert_eq!(group.as_str(), "tenant_operator_tenants_others");
    // Once it is gone, the next has the new name.
    world
        .sql(&format!(
            "DROP POLICY hide ON app.calls; REASSIGN OWNED BY {former} TO postgres; DROP OWNED BY {former} CASCADE"
        ))
        .await;
    allowed(&records, &format!("DROP OWNED BY {former} CASCADE; DROP ROLE {former}")).await;
    let mut report = world.tend().await;
    for _ in 0..2 {
        report = world.tend().await;
    }
    assert!(!report.changed && report.is_protected(), "{report:?}");
    for id in [A, B] {
        admit(&world.server, &world.spec, id, None).await;
        assert_eq!(one(&world.tenant(id).await, COUNT).await, "2");
    }
    assert_eq!(one(&world.root, &exists).await, "1");
}
