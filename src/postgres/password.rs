//! Passwords, and their verifiers for PostgreSQL.

use std::fmt;

/// Characters of a password; none of them needs an escape in a URI, a shell, an env file or libpq's `key=value`.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// 32 characters of 62 have 190 bits.
const LENGTH: usize = 32;

/// A password. Neither printed nor compared by accident.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// One that was read from a Secret.
    pub fn from_secret(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A new one of 190 random bits from the system's generator.
    pub fn random() -> Self {
        let mut password = String::with_capacity(LENGTH);
        while password.len() < LENGTH {
            let mut bytes = [0_u8; 64];
            rustls::crypto::ring::default_provider()
                .secure_random
                .fill(&mut bytes)
                // Without randomness no credential may be made.
                .unwrap_or_else(|_| panic!("the system has no random numbers"));
            // 248 is the largest multiple of 62 that fits a byte: beyond it characters would not be equally likely.
            let fair = bytes.iter().filter(|byte| **byte < 248);
            password.extend(fair.map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
        }
        password.truncate(LENGTH);
        Self(password)
    }

    /// The password itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the SCRAM-SHA-256 verifier (RFC 5803), with a random salt. PostgreSQL gets nothing else.
    pub fn verifier(&self) -> Verifier {
        Verifier(postgres_protocol::password::scram_sha_256(self.0.as_bytes()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// PostgreSQL's verifier of a password. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(String);

impl Verifier {
    /// The verifier's text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_need_no_escape() {
        let (a, b) = (Password::random(), Password::random());
        assert_ne!(a.reveal(), b.reveal());
        assert_eq!(a.reveal().len(), 32);
        assert!(a.reveal().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn neither_is_printed() {
        let password = Password::random();
        let verifier = password.verifier();
        let shown = format!("{password:?} {verifier:?}");
        assert_eq!(shown, "Password(…) Verifier(…)");
        assert!(verifier.reveal().starts_with("SCRAM-SHA-256$4096:"));
        assert!(!verifier.reveal().contains(password.reveal()));
    }
}
