//! Verification of a server's certificate: libpq's `sslmode`, with rustls.

use crate::api::DatabaseTlsVersion;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, PeerIncompatible};
use rustls::{DEFAULT_VERSIONS, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use std::sync::Arc;

/// Verification mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// No verification: the connection is encrypted, to any server.
    Anyone,
    /// The certificate is signed by an authority.
    Authority(Authority),
    /// It is also made out to the host.
    Host(Authority),
}

/// Certificate authorities of the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Mozilla's authorities, and those of the machine.
    WellKnown,
    /// Those of this PEM text.
    Pem(String),
}

/// Errors in the setup of TLS.
#[derive(thiserror::Error, Debug)]
pub enum TlsError {
    /// The authority's PEM text holds no certificate, or one that is broken.
    #[error("the CA is not a PEM certificate: {0}")]
    Pem(String),
    /// rustls refuses the settings.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    /// The authorities make no verifier.
    #[error(transparent)]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

/// The client side of a TLS connection, with no older version than the given one.
///
/// # Errors
/// An authority that cannot be read.
pub fn config(trust: &Trust, oldest: Option<DatabaseTlsVersion>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Anyone => Arc::new(Believe(provider.clone())),
        Trust::Host(authority) => verifier(authority, &provider)?,
        Trust::Authority(authority) => Arc::new(AnyName(verifier(authority, &provider)?)),
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(oldest))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn versions(oldest: Option<DatabaseTlsVersion>) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_1_3: [&SupportedProtocolVersion; 1] = [&TLS13];
    match oldest {
        None | Some(DatabaseTlsVersion::V1_2) => DEFAULT_VERSIONS,
        Some(DatabaseTlsVersion::V1_3) => &FROM_1_3,
    }
}

/// Returns true where a handshake failed because the two sides have no version of TLS in common.
pub fn is_version_refused(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
            | rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                    | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            )
    )
}

fn verifier(authority: &Authority, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let pem = match authority {
        Authority::WellKnown => {
            // The operator's image has no store of its own.
            let mozillas = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
            let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(mozillas, provider.clone())?;
            return Ok(Arc::new(verifier));
        }
        Authority::Pem(pem) => pem,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|error| TlsError::Pem(error.to_string()))?)?;
    }
    if roots.is_empty() {
        return Err(TlsError::Pem("it contains no certificate".into()));
    }
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?)
}

/// Verifies the signature, for any name.
#[derive(Debug)]
struct AnyName(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The verifier checks the name last: everything else is valid.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Accepts any server, as `sslmode=require` does.
#[derive(Debug)]
struct Believe(Arc<CryptoProvider>);

impl ServerCertVerifier for Believe {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Duration;

    /// The certificates of a public server in February 2023, whose root Mozilla has. Go's `crypto/x509` tests with them too.
    const CHAIN: &str = include_str!("testdata/public_chain.pem");
    const IN_ITS_TIME: Duration = Duration::from_secs(1_677_615_892);
    const WITHOUT_A_STORE: &str = "TEST_WITHOUT_A_STORE";

    fn a_public_chain_is_believed_for_its_host_in_its_time() {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(CHAIN.as_bytes())
            .collect::<Result<_, _>>()
            .expect("PEM");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = verifier(&Authority::WellKnown, &provider).expect("a verifier without the machine's store");
        let verify = |intermediates: &[CertificateDer<'_>], host: &'static str, at: Duration| {
            let name = ServerName::try_from(host).expect("a name");
            let at = UnixTime::since_unix_epoch(at);
            verifier.verify_server_cert(&chain[0], intermediates, &name, &[], at)
        };
        let rest = &chain[1..];
        verify(rest, "www.google.com", IN_ITS_TIME).expect("it is believed");
        let later = IN_ITS_TIME + Duration::from_secs(60 * 86_400);
        for (what, refused) in [
            ("another host", verify(rest, "db.example.com", IN_ITS_TIME)),
            ("expired", verify(rest, "www.google.com", later)),
            ("no intermediate", verify(&[], "www.google.com", IN_ITS_TIME)),
        ] {
            assert!(refused.is_err(), "{what}");
        }
    }

    #[test]
    fn well_known_authorities_need_no_store_of_the_machine() {
        if std::env::var_os(WITHOUT_A_STORE).is_some() {
            a_public_chain_is_believed_for_its_host_in_its_time();
            return;
        }
        // The variables are the process' own.
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "postgres::tls::tests::well_known_authorities_need_no_store_of_the_machine",
            ])
            .envs([
                (WITHOUT_A_STORE, "1"),
                ("SSL_CERT_FILE", "/nonexistent"),
                ("SSL_CERT_DIR", "/nonexistent"),
            ])
            .output()
            .expect("run");
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
    }
}
