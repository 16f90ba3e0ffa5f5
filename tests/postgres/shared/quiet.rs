//! Quiet: without a change the operator writes nothing and reads little.

use crate::shared::world::{A, GROUP, World, one, violations};
use std::time::{Duration, Instant};
use tenant_operator::postgres::Names;
use tenant_operator::postgres::shared::{self, RegistryRow};

pub async fn one_statement_that_reads(world: World) {
    let mut last = world.tend().await;
    for _ in 0..2 {
        last = world.tend().await;
    }
    assert!(!last.changed && last.is_protected(), "{last:?}");
    assert_eq!(violations(&last), Vec::<String>::new());
    // calls, notes, draft_actions, events and its three partitions.
    assert_eq!((last.protected, last.closed), (7, 0));
    let catalog = world.catalog().await;
    let (statements, log) = (world.server.statements(), world.log().len());
    for _ in 0..3 {
        let report = tenant_operator::postgres::shared::reconcile(&world.server, &world.spec, &world.rows, &catalog)
            .await
            .unwrap();
        assert!(!report.changed);
    }
    assert_eq!(world.server.statements() - statements, 3);
    let log = world.log().split_off(log);
    let statements: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("statement: ") || line.contains("execute "))
        .collect();
    assert_eq!(statements.len(), 3, "{log}");
    for word in [
        "INSERT", "UPDATE ", "DELETE", "CREATE ", "ALTER ", "DROP ", "GRANT ", "REVOKE", "LOCK ", "BEGIN", "ERROR",
        "WARNING",
    ] {
        let written = log
            .lines()
            .filter(|line| !line.trim_start().starts_with("--") && line.contains(word));
        let written: Vec<&str> = written
            .filter(|line| {
                !line.contains("'SELECT, INSERT, UPDATE'")
                    && !line.contains("'CREATE'")
                    && !line.contains("'DELETE'")
                    && !line.contains("WITH GRANT OPTION")
            })
            .collect();
        assert_eq!(written, Vec::<&str>::new(), "{word}");
    }
}

pub async fn a_thousand_tenants(mut world: World) {
    let mut roles = String::new();
    for i in 0..1000 {
        let id = format!("00000000-0000-4000-8000-{i:012}");
        let names = Names::of(&id);
        let [owner, _, a, b] = names.roles().map(|role| role.as_str().to_string());
        roles += &format!(
            "CREATE ROLE {owner} IN ROLE {GROUP}; CREATE ROLE {a} IN ROLE {owner}; CREATE ROLE {b} IN ROLE {owner};"
        );
        world.rows.push(RegistryRow {
            name: format!("tenant {i}"),
            parent: Some(A.into()),
            root: None,
            members: Vec::new(),
            tier: "starter".into(),
            owner_role: names.owner,
            number: None,
            details: None,
            id,
        });
    }
    world.sql(&roles).await;
    let catalog = world.catalog().await;
    // Marked by nobody, they are not the operator's: nobody comes in as one of them.
    let statements = world.server.statements();
    let report = shared::reconcile(&world.server, &world.spec, &world.rows, &catalog)
        .await
        .unwrap();
    assert!(report.changed);
    assert_eq!(report.missing.len(), 1000);
    assert!(world.server.statements() - statements < 30);
    let count =
        "SELECT (SELECT count(*) FROM tenant_registry.tenant) || ' ' || (SELECT count(*) FROM tenant_registry.login)";
    assert_eq!(one(&world.root, count).await, "1002 2");
    let mut without = catalog.clone();
    without.roles.retain(|name, _| catalog.mark("role", name).is_some());
    assert!(
        shared::reconcile(&world.server, &world.spec, &world.rows, &without)
            .await
            .unwrap()
            .changed
    );
    assert_eq!(one(&world.root, count).await, "1002 1002");
    // A call with a short list and an older catalog takes nothing away.
    let report = shared::reconcile(&world.server, &world.spec, &world.rows[..1], &without)
        .await
        .unwrap();
    assert!(!report.changed && report.missing.is_empty());
    let (statements, begun) = (world.server.statements(), Instant::now());
    for _ in 0..3 {
        let report = shared::reconcile(&world.server, &world.spec, &world.rows, &without)
            .await
            .unwrap();
        assert!(!report.changed);
    }
    assert_eq!(world.server.statements() - statements, 3);
    println!("with 1002 tenants a quiet look takes {:?}", begun.elapsed() / 3);
    assert!(begun.elapsed() < Duration::from_secs(6));
}
