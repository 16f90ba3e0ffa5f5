//! A server of the tests' own asks for the password, or for a digest of it, and returns the client's answer.

use super::*;
use crate::api::DatabaseTlsVersion;
use crate::postgres::client::{Address, Error, Server};
use crate::postgres::password::Password;
use crate::postgres::tls::{Authority, Trust};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;

const SECRET: &str = "never-in-clear";
/// Authentication requests.
const CLEAR: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 3];
const MD5_SALTED: [u8; 13] = [b'R', 0, 0, 0, 12, 0, 0, 0, 5, 1, 2, 3, 4];

#[test]
fn a_request_is_seen_however_it_is_cut() {
    type Case<'a> = (Vec<&'a [u8]>, Result<bool, Asked>);
    let notice = [b"N".as_slice(), &9_u32.to_be_bytes(), b"hello"].concat();
    let ok: &[u8] = &[b'R', 0, 0, 0, 8, 0, 0, 0, 0];
    let sasl: &[u8] = &[b'R', 0, 0, 0, 10, 0, 0, 0, 10, 0, 0];
    let table: [Case; 8] = [
        (vec![&CLEAR], Err(Asked::Password)),
        (vec![&notice, &CLEAR], Err(Asked::Password)),
        (vec![sasl, &CLEAR], Err(Asked::Password)),
        (vec![&MD5_SALTED], Err(Asked::Digest)),
        (vec![sasl, &notice, &MD5_SALTED], Err(Asked::Digest)),
        (vec![sasl, ok], Ok(true)),
        // Afterwards the server may send anything.
        (vec![ok, &CLEAR, &MD5_SALTED], Ok(true)),
        (vec![&notice, &notice], Ok(false)),
    ];
    for (messages, expected) in table {
        let bytes = messages.concat();
        for size in 1..=bytes.len() {
            let mut watch = Watch::default();
            let mut seen = Ok(false);
            for part in bytes.chunks(size) {
                seen = watch.read(part);
                if !matches!(seen, Ok(false)) {
                    break;
                }
            }
            assert_eq!(seen, expected, "{bytes:?} in parts of {size}");
        }
    }
}

#[tokio::test]
async fn no_password_is_told_to_a_server_that_has_not_shown_who_it_is() {
    let pki = Pki::new();
    let authority = || Authority::Pem(pki.certificate.clone());
    let table = [
        (None, &CLEAR[..], false),
        (Some(Trust::Anyone), &CLEAR[..], false),
        (Some(Trust::Authority(authority())), &CLEAR[..], true),
        (Some(Trust::Host(authority())), &CLEAR[..], true),
        // A digest of the password and of four bytes of the server's choice.
        (None, &MD5_SALTED[..], false),
        (Some(Trust::Anyone), &MD5_SALTED[..], false),
        (Some(Trust::Authority(authority())), &MD5_SALTED[..], true),
        (Some(Trust::Host(authority())), &MD5_SALTED[..], true),
    ];
    for (trust, request, answered) in table {
        let what = format!("{trust:?} {}", request[8]);
        let what = what.get(..40).unwrap_or(&what);
        let (port, told) = pki.serve(trust.is_some(), request);
        let server = Server::new(address(port, trust), Term::unlimited());
        let server = server.expect("settings that can be tried");
        let error = server.pulse().await.expect_err("it lets nobody in");
        let told = told.join().expect("the server's end");
        assert_eq!(!told.is_empty(), answered, "{what}: {error}");
        assert_eq!(told.contains(SECRET), answered && request[8] == 3, "{what}: {error}");
        assert_eq!(matches!(error, Error::Asked(_)), !answered, "{what}: {error}");
        if !answered {
            let reason = if request[8] == 3 {
                "CleartextPassword"
            } else {
                "Md5Password"
            };
            assert_eq!(error.reason(), reason);
            // And not by the pool's connections either.
            let (port, told) = pki.serve(false, request);
            let pooled = Server::new(address(port, None), Term::unlimited());
            let error = pooled
                .expect("settings")
                .observe(None)
                .await
                .expect_err("it lets nobody in");
            assert_eq!(
                (told.join().expect("the server's end"), error.reason()),
                (String::new(), reason)
            );
        }
    }
}

#[tokio::test]
async fn an_older_version_of_tls_is_refused_with_the_remedy() {
    let pki = Pki::with(&[&rustls::version::TLS12]);
    for (oldest_tls, reason) in [
        (None, "CleartextPassword"),
        (Some(DatabaseTlsVersion::V1_2), "CleartextPassword"),
        (Some(DatabaseTlsVersion::V1_3), "ServerUnreachable"),
    ] {
        let (port, told) = pki.serve(true, &CLEAR);
        let address = Address {
            oldest_tls,
            ..address(port, Some(Trust::Anyone))
        };
        let server = Server::new(address, Term::unlimited()).expect("settings that can be tried");
        let error = server.pulse().await.expect_err("it lets nobody in");
        told.join().expect("the server's end");
        assert_eq!(error.reason(), reason, "{oldest_tls:?}: {error}");
        let is_told = error.to_string().contains("lower spec.tls.minVersion");
        assert_eq!(is_told, reason == "ServerUnreachable", "{error}");
    }
}

fn address(port: u16, trust: Option<Trust>) -> Address {
    Address {
        host: "localhost".into(),
        port,
        trust,
        oldest_tls: None,
        user: "tenant_operator".into(),
        password: Password::from_secret(SECRET),
        database: "tenants".into(),
        connections: 3,
    }
}

/// A client that writes as soon as it may, and the bytes that the other end hears.
#[tokio::test]
async fn nothing_is_sent_after_the_end_of_a_term() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let term = Term::unlimited();
    let (ours, mut theirs) = tokio::io::duplex(64);
    let mut guarded = Guarded::new(ours, true, term.clone());
    guarded.write_all(b"BEGIN").await.expect("within the term");
    term.end();
    let refused = guarded.write_all(b"COMMIT").await.expect_err("after its end");
    assert!(refused.to_string().contains("does not hold the lease"), "{refused}");
    drop(guarded);
    let mut heard = String::new();
    theirs.read_to_string(&mut heard).await.expect("text");
    assert_eq!(heard, "BEGIN");
}

struct Pki {
    certificate: String,
    config: Arc<rustls::ServerConfig>,
}

impl Pki {
    fn new() -> Self {
        Self::with(rustls::DEFAULT_VERSIONS)
    }

    /// With a server of these versions of TLS.
    fn with(versions: &[&'static rustls::SupportedProtocolVersion]) -> Self {
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args([
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-keyout",
                "-",
                "-out",
                "-",
            ])
            .output()
            .expect("openssl");
        let pem = String::from_utf8(output.stdout).expect("PEM");
        let at = pem.find("-----BEGIN CERTIFICATE").expect("a certificate");
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        Self {
            certificate: pem[at..].to_string(),
            config: Arc::new(config.expect("a server's side")),
        }
    }

    /// Serves one connection with this request; returns the client's answer.
    fn serve(&self, tls: bool, request: &[u8]) -> (u16, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (config, request) = (self.config.clone(), request.to_vec());
        let serving = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client");
            if !tls {
                return converse(&mut socket, &request);
            }
            let mut asked = [0; 8];
            socket.read_exact(&mut asked).expect("a request for TLS");
            socket.write_all(b"S").expect("yes");
            let session = rustls::ServerConnection::new(config).expect("a session");
            converse(&mut rustls::StreamOwned::new(session, socket), &request)
        });
        (port, serving)
    }
}

/// Sends a request, and returns the answer; empty where the client ends the handshake.
fn converse(stream: &mut (impl Read + Write), request: &[u8]) -> String {
    let mut length = [0; 4];
    if stream.read_exact(&mut length).is_err() {
        return String::new();
    }
    let mut rest = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("a length") - 4];
    stream.read_exact(&mut rest).expect("the client's first message");
    assert!(rest.windows(15).any(|part| part == b"tenant_operator"));
    stream.write_all(request).expect("a request");
    stream.flush().expect("a request");
    let mut answer = vec![0; 200];
    let read = stream.read(&mut answer).unwrap_or_default();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}
