//! Tables that families share: a parent sees the rows of its subtenants, and nobody sees more.

use crate::shared::world::{A, B, DENIED, World, admit, allowed, ask, entry, one, refused, violations};
use tenant_operator::api::database_server::{SharedTables, TenantColumnType};
use tenant_operator::postgres::Names;
use tenant_operator::postgres::shared::{RegistryRow, remove_tenant};

/// A subtenant of B, which is one of A.
const C: &str = "5b8f1a0e-7a53-4f0e-8d51-0c7f0e1d3333";
/// A stranger to them.
const D: &str = "6c8f1a0e-7a53-4f0e-8d51-0c7f0e1d4444";

fn row(id: &str, parent: Option<&str>, members: &[&str]) -> RegistryRow {
    RegistryRow {
        id: id.into(),
        number: None,
        name: format!("tenant {id}"),
        parent: parent.map(String::from),
        root: parent.map(|_| A.into()),
        members: members.iter().map(ToString::to_string).collect(),
        tier: "starter".into(),
        owner_role: Names::of(id).owner,
        details: None,
    }
}

const TABLES: &str = "
SET ROLE app_owner;
CREATE TABLE app.cases (tenant_id uuid NOT NULL, subtenant_id uuid, text text);
CREATE INDEX ON app.cases (tenant_id, subtenant_id);
CREATE TABLE app.memos (tenant_id text NOT NULL, subtenant_id text, text text);
CREATE INDEX ON app.memos (tenant_id, subtenant_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON app.cases, app.memos TO app;
RESET ROLE;
";

/// Protects the tables, and fills them with one row of each tenant.
async fn share(world: &mut World) {
    world.sql(TABLES).await;
    world.rows = vec![
        row(A, None, &[]),
        row(B, Some(A), &[B, C]),
        row(C, Some(B), &[C]),
        row(D, None, &[]),
    ];
    for (table, type_) in [("cases", TenantColumnType::Uuid), ("memos", TenantColumnType::Text)] {
        world.spec.push(SharedTables {
            subtenant_column: Some("subtenant_id".into()),
            ..entry(&[table], type_)
        });
    }
    for id in [C, D] {
        admit(&world.server, &world.spec, id, Some(&world.password)).await;
    }
    let report = world.tend().await;
    assert_eq!(violations(&report), Vec::<String>::new());
    assert!(!world.tend().await.changed, "an unchanged family writes nothing");
    for table in ["cases", "memos"] {
        let rows = format!("('{A}', NULL, 'a'), ('{A}', '{B}', 'b'), ('{A}', '{C}', 'c'), ('{D}', NULL, 'd')");
        world.sql(&format!("INSERT INTO app.{table} VALUES {rows}")).await;
    }
}

pub async fn each_sees_what_is_below_it(mut world: World) {
    share(&mut world).await;
    let app = world.connect("app", "platform").await;
    for table in ["cases", "memos"] {
        let seen = format!("SELECT string_agg(text, '' ORDER BY text) FROM app.{table}");
        let insert = |tenant: &str, subtenant: &str| {
            let subtenant = if subtenant.is_empty() {
                "NULL".into()
            } else {
                format!("'{subtenant}'")
            };
            format!("INSERT INTO app.{table} VALUES ('{tenant}', {subtenant}, 'new')")
        };
        for (id, rows) in [(A, "abc"), (B, "bc"), (C, "c"), (D, "d")] {
            let own = world.tenant(id).await;
            assert_eq!(one(&own, &seen).await, rows, "{id} in {table}");
            let by_app = format!("BEGIN; SET LOCAL app.current_tenant_id = '{id}'; {seen}; COMMIT");
            assert_eq!(one(&app, &by_app).await, rows, "{id} in {table} by the application");
        }
        assert_eq!(one(&app, &seen).await, "NULL", "without a tenant");
        for (id, tenant, subtenant, is_allowed) in [
            (A, A, "", true),
            (A, A, C, true),
            (A, D, "", false),
            (A, B, B, false),
            (B, A, B, true),
            (B, A, C, true),
            (B, A, "", false),
            (B, A, A, false),
            (B, A, D, false),
            (B, B, B, false),
            (B, B, "", false),
            (C, A, C, true),
            (C, A, B, false),
            (D, D, "", true),
            (D, A, D, false),
            (D, A, "", false),
        ] {
            let own = world.tenant(id).await;
            let insert = insert(tenant, subtenant);
            match is_allowed {
                true => allowed(&own, &format!("BEGIN; {insert}; ROLLBACK")).await,
                false => refused(&own, &insert, DENIED).await,
            }
            let by_app = format!("BEGIN; SET LOCAL app.current_tenant_id = '{id}'; {insert}; ROLLBACK");
            let outcome = ask(&app, &by_app).await;
            assert_eq!(outcome.is_ok(), is_allowed, "{by_app}: {outcome:?}");
            allowed(&app, "ROLLBACK").await;
        }
        let b = world.tenant(B).await;
        for stolen in [
            "subtenant_id = NULL".to_string(),
            format!("tenant_id = '{D}'"),
            format!("subtenant_id = '{A}'"),
        ] {
            refused(&b, &format!("UPDATE app.{table} SET {stolen}"), DENIED).await;
        }
        let of_others = format!("DELETE FROM app.{table} WHERE text IN ('a', 'd') RETURNING text");
        assert_eq!(ask(&b, &of_others).await, Ok(vec![]));
    }
    // A login learns its own place, and nobody's name.
    let b = world.tenant(B).await;
    assert_eq!(
        one(
            &b,
            "SELECT root || ' ' || cardinality(members) FROM tenant_registry.tenant"
        )
        .await,
        format!("{A} 2")
    );
}

pub async fn a_subtenants_rows_go_with_it(mut world: World) {
    share(&mut world).await;
    let catalog = world.catalog().await;
    let left = remove_tenant(&world.server, &world.spec, C, &Names::of(C), &catalog)
        .await
        .unwrap();
    assert!(left.is_nothing() && left.deleted == 2, "{left:?}");
    for table in ["cases", "memos"] {
        let seen = format!("SELECT string_agg(text, '' ORDER BY text) FROM app.{table}");
        assert_eq!(one(&world.root, &seen).await, "abd");
    }
}
