//! A server that is away, slow, full or read-only: said for what it is, waited for within bounds, and well again afterwards.

use crate::proxy::Proxy;
use crate::site::{Site, connect, run, superuser, text};
use std::process::Command;
use std::time::{Duration, Instant};
use tenant_operator::postgres::Statement;
use tenant_operator::postgres::client::Error;
use tenant_operator::postgres::plan::{Place, Step, Venue};
use tenant_operator::sql;

pub async fn are_said_and_survived(site: Site, place: Place) {
    let pg = site.pg.clone();
    let tenant = site.new_tenant(&place).await;

    // Gone in the middle of a transaction, and then not there at all.
    let (slow, busy) = (site.server.clone(), Instant::now());
    let half = tokio::spawn(async move {
        slow.execute(&[records(leftover()), records(sql!["SELECT pg_sleep(20)"])])
            .await
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    pg.stop();
    let error = half.await.expect("task").expect_err("the server went away");
    assert!(
        ["ServerBusy", "ServerUnreachable"].contains(&error.reason()),
        "{error:?}"
    );
    let error = site.server.observe(None).await.expect_err("there is no server");
    assert_eq!(error.reason(), "ServerUnreachable", "{error:?}");
    assert!(
        error.concerns_server() && busy.elapsed() < Duration::from_secs(10),
        "{:?}",
        busy.elapsed()
    );
    pg.start_again();
    site.is_quiet(&tenant.wanted).await;
    assert_eq!(marked(&site).await, "0", "half a transaction stayed");

    // Given up in the middle: nobody meets that connection again.
    let work = [records(leftover()), records(sql!["SELECT pg_sleep(3)"])];
    assert!(
        tokio::time::timeout(Duration::from_millis(500), site.server.execute(&work))
            .await
            .is_err()
    );
    site.server
        .execute(&[records(sql!["SELECT 1"])])
        .await
        .expect("another connection");
    assert_eq!(marked(&site).await, "0", "another's transaction was committed");

    // It takes connections and says nothing.
    let signal = |name: &str| Command::new("kill").args([name, &pg.pid()]).status().expect("kill");
    assert!(signal("-STOP").success());
    let fresh = Site::at(&pg, site.admin, site.address.clone());
    let begun = Instant::now();
    let error = fresh.server.observe(None).await.expect_err("it says nothing");
    assert!(signal("-CONT").success());
    assert_eq!(error.reason(), "ServerTimeout", "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    fresh.server.observe(None).await.expect("it speaks again");

    // It has no connection left.
    let mut all = Vec::new();
    while let Ok(client) = connect(pg.port, "postgres", &pg.password, "postgres").await {
        all.push(client);
        assert!(all.len() < 200);
    }
    let fresh = Site::at(&pg, site.admin, site.address.clone());
    let error = fresh.server.observe(None).await.expect_err("it is full");
    assert_eq!(error.reason(), "ServerBusy", "{error:?}");
    drop(all);
    tokio::time::sleep(Duration::from_millis(500)).await;
    fresh.server.observe(None).await.expect("there is room again");

    // It only reads.
    let root = superuser(&pg, "postgres").await;
    let only_reads = async |value: &str| {
        run(&root, "SET default_transaction_read_only = off").await;
        run(
            &root,
            &format!("ALTER SYSTEM SET default_transaction_read_only = {value}"),
        )
        .await;
        run(&root, "SELECT pg_reload_conf()").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    only_reads("on").await;
    assert!(site.server.observe(None).await.expect("observe").read_only);
    let error = site
        .server
        .execute(&[records(leftover())])
        .await
        .expect_err("it only reads");
    assert_eq!(error.reason(), "ServerReadOnly", "{error:?}");
    only_reads("off").await;
    site.is_quiet(&tenant.wanted).await;
    let wrong = site
        .server
        .log_in(tenant.login(0), &tenant.passwords[1], &site.database_of(&tenant.wanted))
        .await;
    assert!(matches!(&wrong, Err(Error::Authentication(_))), "{wrong:?}");
    drop(wrong);
    site.remove(&tenant).await;
}

/// Much at once, through few connections.
pub async fn connections_are_bounded(site: Site, place: Place) {
    for most in [3, 4, 6] {
        let site = Site::with(&site.pg, site.admin, most).await;
        let tenants = [site.new_tenant(&place).await, site.new_tenant(&place).await];
        // A port of its own, by which its sockets are told from the other tests'.
        let proxy = Proxy::start(site.pg.port, usize::MAX).await;
        let mut address = site.address.clone();
        address.port = proxy.port;
        let through = Site::at(&site.pg, site.admin, address);
        through.server.pulse().await.expect("pulse");
        let mut work = tokio::task::JoinSet::new();
        for i in 0..16 {
            let (site, tenant) = (through.clone(), &tenants[i % 2]);
            let (login, password) = (tenant.login(0).to_string(), tenant.passwords[0].clone());
            let (wanted, database) = (tenant.wanted.clone(), site.database_of(&tenant.wanted));
            work.spawn(async move {
                let done = match i % 4 {
                    0 => site
                        .server
                        .observe(None)
                        .await
                        .map(drop)
                        .map_err(|error| error.to_string()),
                    1 => {
                        let visit = site.server.log_in(&login, &password, &database).await;
                        visit.map(drop).map_err(|error| error.to_string())
                    }
                    2 => site.try_converge(&wanted).await.map(drop),
                    _ => {
                        let sleep = records(sql!["SELECT pg_sleep(0.02)"]);
                        site.server.execute(&[sleep]).await.map_err(|error| error.to_string())
                    }
                };
                // Whoever waits for a connection waits for a time; on a slow machine that may not be enough for the last in line.
                (i % 4, done)
            });
        }
        let (mut peak, mut failed) = (0, Vec::new());
        loop {
            // The table is not read in one instant: what is too many is there at a second look too.
            peak = peak.max(open_to(proxy.port).min(open_to(proxy.port)));
            match tokio::time::timeout(Duration::from_millis(5), work.join_next()).await {
                Ok(None) => break,
                Ok(Some(done)) => match done.expect("done") {
                    (_, Ok(())) => {}
                    (kind, Err(why)) => failed.push((kind, why)),
                },
                Err(_) => {}
            }
        }
        for kind in 0..4 {
            let of_it = failed.iter().filter(|(failed, _)| *failed == kind).count();
            assert!(of_it < 4, "none of these came through: {failed:?}");
        }
        assert!((2..=most).contains(&peak), "{peak} of {most}");
        assert!(through.server.connections() <= most);
        for tenant in &tenants {
            site.remove(tenant).await;
        }
    }
}

/// How many connections are open to a port, which nobody else dials, as the kernel says: proc_pid_net(5), state 01 is ESTABLISHED.
fn open_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    let peer = format!(":{port:04X}");
    let is_open = |line: &&str| {
        let mut columns = line.split_whitespace().skip(2);
        columns.next().is_some_and(|remote| remote.ends_with(&peer)) && columns.next() == Some("01")
    };
    table.lines().filter(is_open).count()
}

fn records(statement: Statement) -> Step {
    Step {
        venue: Venue::Records,
        statement,
    }
}

fn leftover() -> Statement {
    sql!["INSERT INTO tenant_operator.object (kind, oid, name, tenant_id) VALUES ('role', 1, 'leftover', 'leftover')"]
}

async fn marked(site: &Site) -> String {
    text(
        &site.root().await,
        "SELECT count(*)::text FROM tenant_operator.object WHERE name = 'leftover'",
    )
    .await
}
