//! The Secret that opens a tenant's database, by the Service Binding convention (servicebinding.io/spec/core/1.1.0,
//! "Well-known Secret Entries"), with `DATABASE_URL` and libpq's variables besides. What it says of its credentials' age is in
//! its annotations.

use crate::api::{DatabaseTlsVersion, TlsMode};
use crate::cluster::{Identity, metadata};
use crate::names;
use crate::postgres::Names;
use crate::postgres::password::Password;
use crate::rotation::Published;
use crate::time;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

/// The Secret's type.
pub const TYPE: &str = "servicebinding.io/postgresql";

/// Address of a tenant's database for its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub database: String,
    /// None for tables of the platform.
    pub schema: Option<String>,
    pub tls: TlsMode,
    /// The oldest version of TLS. None: the client's default.
    pub oldest_tls: Option<DatabaseTlsVersion>,
    /// PEM.
    pub ca: Option<String>,
}

/// Credentials as they are published.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub published: Published,
    pub password: Password,
}

/// Revision of a Secret for pods: changes with each new password or address.
pub fn revision(secret: &Secret) -> String {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes
            .map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned())
            .unwrap_or_default()
    };
    let annotations = secret.metadata.annotations.as_ref();
    let issued = annotations
        .and_then(|all| all.get(names::ISSUED_AT))
        .cloned()
        .unwrap_or_default();
    let parts = ["host", "port", "database", "sslmode", "ca.crt", "username"]
        .map(text)
        .join("\n");
    // Empty in most Secrets, whose revision stays.
    let oldest_tls = text(names::MIN_TLS);
    names::digest(format!("{parts}\n{issued}{oldest_tls}").as_bytes())[..16].to_string()
}

/// Returns the desired Secret.
pub fn build(owner: &Identity, names: &Names, endpoint: &Endpoint, credentials: &Credentials) -> Secret {
    let Credentials { published, password } = credentials;
    let user = names.logins[published.login].as_str();
    let (host, port) = (&endpoint.host, endpoint.port.to_string());
    // A password needs no escape, nor does a role's name; a database's may.
    let database = escape(&endpoint.database);
    let bracketed = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let sslmode = endpoint.tls.sslmode();
    let uri = format!(
        "postgresql://{user}:{}@{bracketed}:{port}/{database}?sslmode={sslmode}",
        password.reveal()
    );
    let mut entries = vec![
        ("type", "postgresql"),
        ("provider", names::MANAGER),
        ("host", host),
        ("port", &port),
        ("database", &endpoint.database),
        ("username", user),
        ("password", password.reveal()),
        ("uri", &uri),
        ("sslmode", sslmode),
        ("DATABASE_URL", &uri),
        ("PGHOST", host),
        ("PGPORT", &port),
        ("PGDATABASE", &endpoint.database),
        ("PGUSER", user),
        ("PGPASSWORD", password.reveal()),
        ("PGSSLMODE", sslmode),
    ];
    // libpq would look for it in the home directory; `system` is known from 16 on.
    let authority = match &endpoint.ca {
        Some(_) => format!("{}/database/ca.crt", names::BINDINGS),
        None => "system".to_string(),
    };
    match endpoint.tls.is_verified() {
        true => entries.push(("PGSSLROOTCERT", &authority)),
        // Known from 16 on: clients send neither the password nor its MD5 digest.
        false => entries.push((names::REQUIRE_AUTH, "!password,!md5")),
    }
    if let Some(oldest) = endpoint.oldest_tls {
        // A parameter of the URI would make other clients than libpq refuse it.
        entries.push((names::MIN_TLS, oldest.as_str()));
    }
    if let Some(schema) = &endpoint.schema {
        entries.push(("schema", schema));
    }
    if let Some(ca) = &endpoint.ca {
        entries.push(("ca.crt", ca));
    }
    let data = entries
        .into_iter()
        .map(|(key, value)| (key.to_string(), ByteString(value.as_bytes().to_vec())));
    let mut metadata = metadata::meta(owner, &owner.tenant, names::DATABASE_SECRET);
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(names::ISSUED_AT.into(), published.issued_at.to_string());
    if let Some(until) = published.previous_until {
        annotations.insert(names::PREVIOUS_UNTIL.into(), until.to_string());
    }
    if let Some(request) = &published.rotated_for {
        annotations.insert(names::ROTATED_FOR.into(), request.clone());
    }
    Secret {
        metadata,
        type_: Some(TYPE.into()),
        data: Some(data.collect()),
        ..Secret::default()
    }
}

/// Returns the credentials in a Secret that are complete and name one of the tenant's logins.
pub fn parse(secret: &Secret, names: &Names) -> Option<Credentials> {
    let text = |key: &str| {
        let bytes = secret.data.as_ref()?.get(key)?;
        String::from_utf8(bytes.0.clone()).ok().filter(|text| !text.is_empty())
    };
    let annotations = secret.metadata.annotations.clone().unwrap_or_default();
    let time = |name: &str| time::parse(annotations.get(name)?);
    let user = text("username")?;
    let login = names.logins.iter().position(|login| login.as_str() == user)?;
    Some(Credentials {
        published: Published {
            login,
            issued_at: time(names::ISSUED_AT)?,
            previous_until: time(names::PREVIOUS_UNTIL),
            rotated_for: annotations.get(names::ROTATED_FOR).cloned(),
        },
        password: Password::from_secret(text("password")?),
    })
}

/// Percent-encodes what a URI's path must not have (RFC 3986).
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::secret::is_as;

    fn parts() -> (Identity, Names, Endpoint, Credentials) {
        let owner = Identity {
            tenant: "acme".into(),
            id: "id-1".into(),
        };
        let endpoint = Endpoint {
            host: "2001:db8::5".into(),
            port: 5433,
            database: "my tenants".into(),
            schema: Some("t_1".into()),
            tls: TlsMode::VerifyFull,
            oldest_tls: None,
            ca: Some("PEM".into()),
        };
        let credentials = Credentials {
            published: Published {
                login: 1,
                issued_at: "2026-01-01T00:00:00Z".parse().expect("a time"),
                previous_until: Some("2026-01-02T00:00:00Z".parse().expect("a time")),
                rotated_for: Some("x".into()),
            },
            password: Password::from_secret("hunter2"),
        };
        (owner, Names::of("id-1"), endpoint, credentials)
    }

    #[test]
    fn what_is_published_can_be_read_again() {
        let (owner, names, endpoint, credentials) = parts();
        let secret = build(&owner, &names, &endpoint, &credentials);
        let read = parse(&secret, &names).expect("whole");
        assert_eq!(read.published, credentials.published);
        assert_eq!(read.password.reveal(), "hunter2");
        let moved = Endpoint {
            port: 5434,
            ..endpoint.clone()
        };
        assert_eq!(
            revision(&secret),
            revision(&build(&owner, &names, &endpoint, &credentials))
        );
        assert_ne!(
            revision(&secret),
            revision(&build(&owner, &names, &moved, &credentials))
        );
        assert!(parse(&secret, &Names::of("id-2")).is_none(), "another tenant's login");
    }

    #[test]
    fn clients_of_every_kind_find_what_they_know() {
        let (owner, names, endpoint, credentials) = parts();
        let secret = build(&owner, &names, &endpoint, &credentials);
        let data = secret.data.expect("data");
        let text = |key: &str| String::from_utf8(data[key].0.clone()).expect("text");
        let user = names.logins[1].as_str();
        let url = format!("postgresql://{user}:hunter2@[2001:db8::5]:5433/my%20tenants?sslmode=verify-full");
        assert_eq!((text("uri"), text("DATABASE_URL")), (url.clone(), url));
        for (ours, libpq) in [
            ("host", "PGHOST"),
            ("port", "PGPORT"),
            ("database", "PGDATABASE"),
            ("username", "PGUSER"),
            ("password", "PGPASSWORD"),
            ("sslmode", "PGSSLMODE"),
        ] {
            assert_eq!(text(ours), text(libpq));
        }
        assert_eq!((text("type").as_str(), text("ca.crt").as_str()), ("postgresql", "PEM"));
    }

    #[test]
    fn nobody_is_told_a_password_in_clear_whom_no_certificate_shows() {
        let (owner, names, endpoint, credentials) = parts();
        for (tls, clear) in [
            (TlsMode::Disable, false),
            (TlsMode::Require, false),
            (TlsMode::VerifyCA, true),
            (TlsMode::VerifyFull, true),
        ] {
            let endpoint = Endpoint {
                tls,
                ..endpoint.clone()
            };
            let data = build(&owner, &names, &endpoint, &credentials).data.expect("data");
            let require = data.get("PGREQUIREAUTH").map(|bytes| bytes.0.as_slice());
            assert_eq!(require, (!clear).then_some(b"!password,!md5".as_slice()), "{tls:?}");
        }
    }

    #[test]
    fn clients_with_libpq_refuse_older_versions_of_tls() {
        let (owner, names, endpoint, credentials) = parts();
        let versions = [None, Some(DatabaseTlsVersion::V1_2), Some(DatabaseTlsVersion::V1_3)];
        let secrets = versions.map(|oldest_tls| {
            let endpoint = Endpoint {
                oldest_tls,
                ..endpoint.clone()
            };
            build(&owner, &names, &endpoint, &credentials)
        });
        let told = |secret: &Secret| secret.data.as_ref()?.get("PGSSLMINPROTOCOLVERSION").cloned();
        let texts = secrets.each_ref().map(|secret| told(secret).map(|bytes| bytes.0));
        assert_eq!(texts, [None, Some(b"TLSv1.2".to_vec()), Some(b"TLSv1.3".to_vec())]);
        let [none, older, newer] = secrets.each_ref().map(revision);
        assert!(none != older && older != newer, "pods keep the former version");
    }

    #[test]
    fn a_difference_is_seen() {
        let (owner, names, endpoint, credentials) = parts();
        let wanted = build(&owner, &names, &endpoint, &credentials);
        assert!(is_as(&wanted, &wanted));
        let mut other = wanted.clone();
        other
            .data
            .get_or_insert_default()
            .insert("extra".into(), ByteString(vec![]));
        assert!(!is_as(&other, &wanted));
        let mut other = wanted.clone();
        other.metadata.labels = None;
        assert!(!is_as(&other, &wanted));
        let mut other = wanted.clone();
        let annotations = other.metadata.annotations.get_or_insert_default();
        annotations.insert("kubectl.kubernetes.io/x".into(), "y".into());
        assert!(is_as(&other, &wanted), "others' annotations are theirs");
    }
}
