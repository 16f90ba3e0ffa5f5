//! Checks of a server's certificate, in each mode.

use crate::site::{Admin, Site, run, superuser, text};
use std::path::Path;
use std::process::Command;
use tenant_operator::api::DatabaseTlsVersion;
use tenant_operator::database::connect::open;
use tenant_operator::postgres::plan::Place;
use tenant_operator::postgres::tls::{Authority, Trust};
use tenant_operator::term::Term;
use tokio::task::spawn_blocking;

pub async fn trusts_as_it_is_told(site: Site, _: Place) {
    let (pg, plain) = (site.pg.clone(), site);
    let data = pg.data();
    let (right, wrong) = spawn_blocking(move || certificates(&data)).await.expect("certificates");
    let reach = async |trust: Option<Trust>, host: &str, oldest: Option<DatabaseTlsVersion>| {
        let mut address = plain.address.clone();
        (address.trust, address.host, address.oldest_tls) = (trust, host.into(), oldest);
        Site::at(&pg, Admin::CreateRole, address)
            .server
            .observe(None)
            .await
            .map(drop)
    };
    let refused = reach(Some(Trust::Anyone), "127.0.0.1", None)
        .await
        .expect_err("it has no TLS yet");
    assert_eq!(refused.reason(), "ServerUnreachable", "{refused}");
    let root = superuser(&pg, "postgres").await;
    run(&root, "ALTER SYSTEM SET ssl = on").await;
    run(&root, "SELECT pg_reload_conf()").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(text(&root, "SHOW ssl").await, "on");

    let (right, wrong) = (Authority::Pem(right), Authority::Pem(wrong));
    // Under the longer of two names where the server answers to it, and its certificate does: that is made out to localhost.
    let named = |trust: &Option<Trust>, host: &str| {
        let mut address = plain.address.clone();
        (address.trust, address.host) = (trust.clone(), host.into());
        address
    };
    for (trust, whole, expected) in [
        (Some(Trust::Host(right.clone())), "127.0.0.1", Some("localhost")),
        (Some(Trust::Authority(right.clone())), "127.0.0.1", Some("127.0.0.1")),
        (Some(Trust::Anyone), "127.0.0.1", Some("127.0.0.1")),
        (None, "127.0.0.1", Some("127.0.0.1")),
        (None, "nothing.invalid", Some("localhost")),
        // Answering to neither, it is of neither yet.
        (Some(Trust::Host(wrong.clone())), "127.0.0.1", None),
    ] {
        let opened = open(
            named(&trust, "localhost"),
            Some(named(&trust, whole)),
            &Term::unlimited(),
        )
        .await;
        let host = opened.ok().map(|(_, address)| address.host);
        assert_eq!(host.as_deref(), expected, "{whole}");
    }
    // The certificate is made out to localhost, not to 127.0.0.1.
    let table = [
        (None, "127.0.0.1", true),
        (Some(Trust::Anyone), "127.0.0.1", true),
        (Some(Trust::Authority(right.clone())), "127.0.0.1", true),
        (Some(Trust::Authority(right.clone())), "localhost", true),
        (Some(Trust::Authority(wrong.clone())), "localhost", false),
        (Some(Trust::Authority(Authority::WellKnown)), "localhost", false),
        (Some(Trust::Host(right.clone())), "localhost", true),
        (Some(Trust::Host(right)), "127.0.0.1", false),
        (Some(Trust::Host(wrong)), "localhost", false),
        (Some(Trust::Host(Authority::WellKnown)), "localhost", false),
    ];
    for (trust, host, expected) in table {
        let what = format!("{trust:?} {host}").chars().take(60).collect::<String>();
        match reach(trust, host, None).await {
            Ok(()) => assert!(expected, "{what}: was believed"),
            Err(error) => {
                assert!(!expected, "{what}: {error}");
                assert_eq!(error.reason(), "ServerUnreachable", "{what}: {error}");
                assert!(
                    error.to_string().to_lowercase().contains("certificate"),
                    "{what}: {error}"
                );
            }
        }
    }
    // A server of the past: what is admitted is used, and a refusal says which setting is in the way.
    let max = async |version: &str| {
        run(
            &root,
            &format!("ALTER SYSTEM SET ssl_max_protocol_version = '{version}'"),
        )
        .await;
        run(&root, "SELECT pg_reload_conf()").await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    };
    for (highest, oldest, expected) in [
        ("TLSv1.2", None, true),
        ("TLSv1.2", Some(DatabaseTlsVersion::V1_2), true),
        ("TLSv1.2", Some(DatabaseTlsVersion::V1_3), false),
        ("TLSv1.3", Some(DatabaseTlsVersion::V1_3), true),
    ] {
        max(highest).await;
        match reach(Some(Trust::Anyone), "localhost", oldest).await {
            Ok(()) => assert!(expected, "{oldest:?}: {highest} was accepted"),
            Err(error) => {
                assert!(!expected, "{oldest:?} {highest}: {error}");
                assert_eq!(error.reason(), "ServerUnreachable", "{error}");
                assert!(error.to_string().contains("lower spec.tls.minVersion"), "{error}");
            }
        }
    }
    let nonsense = Site::new(&pg, Admin::CreateRole).await;
    let mut address = nonsense.address.clone();
    address.trust = Some(Trust::Host(Authority::Pem("nothing".into())));
    let error = tenant_operator::postgres::client::Server::new(address, tenant_operator::term::Term::unlimited())
        .err()
        .expect("no certificate");
    assert_eq!(error.reason(), "InvalidServer");
}

/// A server's certificate for localhost, the authority that signed it, and one that did not.
fn certificates(data: &Path) -> (String, String) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .current_dir(data)
            .args(arguments)
            .output()
            .expect("openssl");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    for name in ["right", "wrong"] {
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.pem"),
        ]);
    }
    openssl(&[
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
    ]);
    std::fs::write(
        data.join("names"),
        "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n",
    )
    .expect("names");
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "right.pem",
        "-CAkey",
        "right.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names",
        "-out",
        "server.crt",
    ]);
    let owner = format!("--reference={}", data.join("PG_VERSION").display());
    let files = ["server.key", "server.crt"].map(|name| data.join(name));
    assert!(
        Command::new("chown")
            .arg(owner)
            .args(&files)
            .status()
            .expect("chown")
            .success()
    );
    assert!(
        Command::new("chmod")
            .arg("600")
            .args(&files)
            .status()
            .expect("chmod")
            .success()
    );
    let pem = |name: &str| std::fs::read_to_string(data.join(name)).expect(name);
    (pem("right.pem"), pem("wrong.pem"))
}
