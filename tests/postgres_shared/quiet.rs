//! When nothing changes nothing is written, and little is read.

use crate::on_every_server;
use crate::world::{World, violations};

on_every_server!(one_statement_that_reads);

async fn one_statement_that_reads(world: World) {
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
        let report = tenant_operator::postgres::shared::tend(&world.server, &world.spec, &world.rows, &catalog)
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
