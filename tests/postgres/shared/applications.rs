//! An application that serves all tenants through one pool: the policy follows the tenant that each transaction names.

use crate::shared::world::{A, B, DENIED, World, allowed, ask, one, refused};

pub async fn the_tenant_that_it_names(world: World) {
    let app = world.connect("app", "platform").await;
    let (a, b) = (world.number(A).await.to_string(), world.number(B).await.to_string());
    for table in ["calls", "notes", "draft_actions", "events"] {
        let integer = table == "draft_actions";
        let (own, other) = if integer { (a.as_str(), b.as_str()) } else { (A, B) };
        let count = format!("SELECT count(*) FROM app.{table}");
        let as_tenant =
            |value: &str, text: &str| format!("BEGIN; SET LOCAL app.current_tenant_id = '{value}'; {text}; COMMIT");
        // Unset, and empty as it is left by SET LOCAL: no tenant.
        let fresh = world.connect("app", "platform").await;
        assert_eq!(
            one(
                &fresh,
                "SELECT coalesce(current_setting('app.current_tenant_id', true), 'unset')"
            )
            .await,
            "unset"
        );
        assert_eq!(one(&fresh, &count).await, "0", "{table}");
        let insert = |tenant: &str| match table {
            "events" => format!("INSERT INTO app.events (tenant_id, day) VALUES ('{tenant}', 3)"),
            _ => format!("INSERT INTO app.{table} (tenant_id, text) VALUES ('{tenant}', 'new')"),
        };
        refused(&fresh, &insert(own), DENIED).await;
        assert_eq!(one(&app, &as_tenant("", &count)).await, "0");
        // The control.
        assert_eq!(one(&app, &as_tenant(own, &count)).await, "2");
        assert_eq!(one(&app, &as_tenant(other, &count)).await, "2");
        assert_eq!(one(&app, &count).await, "0");
        // hotdash's test.
        assert_eq!(
            ask(
                &app,
                &as_tenant(own, &format!("SELECT * FROM app.{table} WHERE tenant_id = '{other}'"))
            )
            .await,
            Ok(vec![])
        );
        // Values that name no tenant: an error, or no rows; never rows.
        let malformed: &[&str] = if integer {
            &["x", "1 OR true", "1.5", "''", A, "99999999999999999999"]
        } else {
            &["x", "1", "' OR true", "%", "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d1"]
        };
        for value in malformed {
            let value = value.replace('\'', "''");
            match ask(&app, &as_tenant(&value, &format!("SELECT * FROM app.{table}"))).await {
                Err(error) if error.starts_with("22P02") || error.starts_with("22003") => {}
                other => panic!("{table} {value}: {other:?}"),
            }
            allowed(&app, "ROLLBACK").await;
        }
        let nobody = if integer {
            "-7"
        } else {
            "00000000-0000-0000-0000-000000000000"
        };
        assert_eq!(one(&app, &as_tenant(nobody, &count)).await, "0");
        if !integer {
            // One way of writing a UUID is as good as another.
            assert_eq!(one(&app, &as_tenant(&own.to_uppercase(), &count)).await, "2");
        }
        // Writing for another.
        refused(&app, &as_tenant(own, &insert(other)), DENIED).await;
        allowed(&app, "ROLLBACK").await;
        refused(
            &app,
            &as_tenant(own, &format!("UPDATE app.{table} SET tenant_id = '{other}'")),
            DENIED,
        )
        .await;
        allowed(&app, "ROLLBACK").await;
        allowed(
            &app,
            &as_tenant(own, &format!("DELETE FROM app.{table} WHERE tenant_id = '{other}'")),
        )
        .await;
        assert_eq!(
            ask(&app, &as_tenant(own, &format!("{} RETURNING text", insert(own))))
                .await
                .unwrap()
                .len(),
            1
        );
        allowed(
            &app,
            &as_tenant(
                own,
                &format!("DELETE FROM app.{table} WHERE text = 'new' OR text IS NULL"),
            ),
        )
        .await;
        assert_eq!(one(&world.root, &count).await, "4");
        refused(&app, &format!("TRUNCATE app.{table}"), DENIED).await;
        refused(
            &app,
            &format!("ALTER TABLE app.{table} DISABLE ROW LEVEL SECURITY"),
            DENIED,
        )
        .await;
    }
}

pub async fn one_backend_serves_two(world: World) {
    let app = world.connect("app", "platform").await;
    let pid = one(&app, "SELECT pg_backend_pid()").await;
    let seen = "SELECT DISTINCT tenant_id FROM app.calls";
    // The same statement, its plan kept: prepared once, executed for each.
    let statement = app
        .prepare("SELECT DISTINCT tenant_id::text, pg_backend_pid()::text FROM app.calls")
        .await
        .unwrap();
    for round in 0..12 {
        let tenant = if round % 2 == 0 { A } else { B };
        allowed(&app, &format!("BEGIN; SET LOCAL app.current_tenant_id = '{tenant}'")).await;
        assert_eq!(one(&app, seen).await, tenant);
        let rows = app.query(&statement, &[]).await.unwrap();
        let rows: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(rows, [(tenant.to_string(), pid.clone())]);
        allowed(&app, if round % 3 == 0 { "ROLLBACK" } else { "COMMIT" }).await;
        // In between it serves nobody.
        assert_eq!(ask(&app, seen).await, Ok(vec![]));
        assert!(app.query(&statement, &[]).await.unwrap().is_empty());
    }
    // The index on the tenant column serves tenants and applications alike, in order.
    for client in [&app, &world.tenant(A).await] {
        let plan = "SET enable_seqscan = off; SET enable_sort = off; EXPLAIN (COSTS off) SELECT * FROM app.calls ORDER BY id LIMIT 1";
        let plan = ask(client, plan).await.unwrap().join("\n");
        assert!(
            plan.contains("Index Cond: (tenant_id = ") && !plan.contains("Sort"),
            "{plan}"
        );
    }
    // A cursor goes on as it began.
    allowed(&app, &format!("BEGIN; SET LOCAL app.current_tenant_id = '{A}'; DECLARE c CURSOR FOR {seen}; SET LOCAL app.current_tenant_id = '{B}'")).await;
    assert!(ask(&app, "FETCH ALL FROM c").await.unwrap().len() <= 1);
    allowed(&app, "ROLLBACK").await;
}

pub async fn one_of_several_applications(mut world: World) {
    world.sql("CREATE ROLE reports LOGIN PASSWORD 'platform'; CREATE ROLE stranger LOGIN PASSWORD 'platform'; \
               GRANT USAGE ON SCHEMA app TO reports, stranger; GRANT SELECT ON ALL TABLES IN SCHEMA app TO reports, stranger")
        .await;
    for entry in &mut world.spec {
        entry.application_roles.push("reports".into());
    }
    assert!(world.tend().await.changed);
    let count = format!("SET app.current_tenant_id = '{A}'; SELECT count(*) FROM app.calls");
    let (reports, stranger) = (
        world.connect("reports", "platform").await,
        world.connect("stranger", "platform").await,
    );
    assert_eq!(one(&reports, &count).await, "2");
    // A role that the spec does not name sees nothing, whatever its grants.
    assert_eq!(one(&stranger, &count).await, "0");
    // The operator revokes the roles that the spec drops.
    for entry in &mut world.spec {
        entry.application_roles.pop();
    }
    assert!(world.tend().await.changed);
    assert_eq!(one(&reports, &count).await, "0");
    refused(&reports, "SELECT * FROM tenant_registry.tenant", DENIED).await;
    assert!(!world.tend().await.changed);
}
