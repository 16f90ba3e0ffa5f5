//! A server that is away, slow, full or read-only: the error names the fault, the operator waits within bounds, and recovers afterwards.

use crate::proxy::Proxy;
use crate::site::{Site, connect, run, superuser, text};
use std::process::Command;
use std::time::{Duration, Instant};
use tenant_operator::postgres::Statement;
use tenant_operator::postgres::catalog::Catalog;
use tenant_operator::postgres::client::Error;
use tenant_operator::postgres::operator_role::connection_risks;
use tenant_operator::postgres::plan::{Place, Step, Venue};
use tenant_operator::sql;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

/// A connection that sends no password. None where the server has no room for it.
async fn without_password(port: u16, user: &str, database: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the port");
    let parameters = format!("user\0{user}\0database\0{database}\0\0");
    let length = u32::try_from(8 + parameters.len()).expect("short");
    let packet = [
        &length.to_be_bytes()[..],
        &196_608_u32.to_be_bytes(),
        parameters.as_bytes(),
    ]
    .concat();
    stream.write_all(&packet).await.expect("sent");
    // `R` asks for the password, `E` refuses.
    (stream.read_u8().await.expect("an answer") == b'R').then_some(stream)
}

/// Tenants take every connection: the operator has its own where the server can keep some, and says where it has none.
pub async fn some_are_reserved(site: Site, place: Place) {
    let pg = site.pg.clone();
    let says = |catalog: &Catalog, what: &str| {
        let found = connection_risks(catalog);
        assert!(found.iter().any(|found| found.contains(what)), "{what}: {found:#?}");
    };
    let catalog = site.server.observe(None).await.expect("observe");
    let reserves = pg.major >= 16;
    says(
        &catalog,
        if reserves {
            "reserved_connections is 0"
        } else {
            "before PostgreSQL 16"
        },
    );
    says(
        &catalog,
        "by 1 a second that send no password, each for 60 s: set authentication_timeout to 5 s",
    );
    let root = superuser(&pg, "postgres").await;
    run(&root, "ALTER SYSTEM SET max_connections = 20").await;
    run(&root, "ALTER SYSTEM SET authentication_timeout = '2s'").await;
    if reserves {
        run(&root, "ALTER SYSTEM SET reserved_connections = 3").await;
    }
    drop(root);
    let restart = || {
        pg.stop();
        pg.start_again();
    };
    restart();
    let mut tenant = site.tenant(&place);
    tenant.wanted.connection_limit = 100;
    site.converge(&tenant.wanted).await;
    let (login, database) = (tenant.login(0).to_string(), site.database_of(&tenant.wanted));
    let take_all = async || {
        let mut all = Vec::new();
        while let Ok(client) = connect(pg.port, &login, tenant.passwords[0].reveal(), &database).await {
            all.push(client);
            assert!(all.len() < 100);
        }
        assert!(all.len() > 5);
        all
    };
    let fresh = || Site::at(&pg, site.admin, site.address.clone()).server;
    says(
        &site.server.observe(None).await.expect("observe"),
        "may have 100 of the 20 connections",
    );
    let all = take_all().await;
    let error = fresh().observe(None).await.expect_err("control: there is room");
    assert_eq!(error.reason(), "ServerBusy", "{error:?}");
    let catalog = site.server.observe(None).await.expect("a connection that it has");
    if reserves {
        says(&catalog, "is 3, but not for the operator");
        drop(all);
        let grant = format!("GRANT pg_use_reserved_connections TO {}", site.address.user);
        run(&superuser(&pg, "postgres").await, &grant).await;
        let _all = take_all().await;
        let catalog = fresh().observe(None).await.expect("its own");
        let found = connection_risks(&catalog);
        assert!(found.len() == 1 && found[0].contains("may have 100"), "{found:#?}");
    }

    // No setting prevents this: the sessions take the reserved connections too. The operator's own connection goes on.
    restart();
    let keeps = fresh();
    keeps.observe(None).await.expect("observe");
    let mut held = Vec::new();
    while let Some(stream) = without_password(pg.port, &login, &database).await {
        held.push(stream);
        assert!(held.len() < 100);
    }
    assert!(held.len() > 15, "{}", held.len());
    let begun = Instant::now();
    let error = fresh().observe(None).await.expect_err("there is room");
    assert_eq!(error.reason(), "ServerBusy", "{error:?}");
    keeps.observe(None).await.expect("a connection that it has");
    // Until the server ends them.
    while fresh().observe(None).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(held);
    tenant.settle();
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
                        let session = site.server.log_in(&login, &password, &database).await;
                        session.map(drop).map_err(|error| error.to_string())
                    }
                    2 => site.try_converge(&wanted).await.map(drop),
                    _ => {
                        let sleep = records(sql!["SELECT pg_sleep(0.02)"]);
                        site.server.execute(&[sleep]).await.map_err(|error| error.to_string())
                    }
                };
                // A client waits for a connection only for a time; on a slow machine that may be too short for the last in line.
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

/// Counts the connections to a port that nobody else dials, from the kernel: proc_pid_net(5), state 01 is ESTABLISHED.
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
