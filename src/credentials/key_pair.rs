//! A key pair that tokens are signed with: ECDSA with P-256. The private key in PKCS#8 (RFC 5958) and PEM, the public one as a JWK (RFC 7517).

use crate::capability::jwks::Jwk;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use std::fmt;

/// The label of PKCS#8 in PEM (RFC 7468, section 10).
const PRIVATE_KEY: &str = "PRIVATE KEY";
/// Bytes of a coordinate.
const COORDINATE: usize = 32;

/// A private key and its public one. The private one is not printed.
#[derive(Clone)]
pub struct KeyPair {
    pem: String,
    pub public: Jwk,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({}, …)", self.public.kid)
    }
}

impl KeyPair {
    /// A new one, of the system's randomness.
    pub fn random() -> Self {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .ok()
            .and_then(|document| Self::of(document.as_ref()));
        // Without randomness no key may be made.
        pair.unwrap_or_else(|| panic!("the system has no random numbers"))
    }

    /// One that was read from a Secret, where it is whole.
    pub fn from_pem(text: &str) -> Option<Self> {
        let parsed = pem::parse(text).ok()?;
        (parsed.tag() == PRIVATE_KEY)
            .then(|| Self::of(parsed.contents()))
            .flatten()
    }

    fn of(document: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document, &SystemRandom::new()).ok()?;
        // Not compressed: a byte that says so, and two coordinates.
        let point = pair.public_key().as_ref().get(1..)?;
        let (x, y) = point.split_at_checked(COORDINATE)?;
        let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        Some(Self {
            pem: pem::encode_config(&pem::Pem::new(PRIVATE_KEY, document), lines),
            public: Jwk::p256(x, y),
        })
    }

    /// The private key.
    pub fn reveal(&self) -> &str {
        &self.pem
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::jwks::JwkSet;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    #[test]
    fn what_is_kept_of_a_key_signs_and_what_is_published_verifies() {
        let made = KeyPair::random();
        let kept = KeyPair::from_pem(made.reveal()).expect("whole");
        assert_eq!(kept.public, made.public);
        assert_ne!(KeyPair::random().public, made.public);
        assert!(made.reveal().starts_with("-----BEGIN PRIVATE KEY-----\n"), "PKCS#8");
        assert!(!made.reveal().contains('\r'));

        let parsed = pem::parse(kept.reveal()).expect("PEM");
        let random = SystemRandom::new();
        let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, parsed.contents(), &random);
        let signature = signer.expect("PKCS#8").sign(&random, b"a token").expect("signed");
        let public = serde_json::to_value(&made.public).expect("JSON");
        let part = |name: &str| {
            URL_SAFE_NO_PAD
                .decode(public[name].as_str().expect("text"))
                .expect("base64url")
        };
        let point = [part("x"), part("y")];
        let point = [vec![4], point.concat()].concat();
        let verifier = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        assert!(verifier.verify(b"a token", signature.as_ref()).is_ok());
        assert!(verifier.verify(b"another", signature.as_ref()).is_err());
    }

    #[test]
    fn a_private_key_is_neither_printed_nor_published() {
        let pair = KeyPair::random();
        let kid = &pair.public.kid;
        assert_eq!(format!("{pair:?}"), format!("KeyPair({kid}, …)"));
        let set = JwkSet {
            keys: vec![pair.public.clone()],
        };
        let shown: serde_json::Value = serde_json::from_str(&set.text()).expect("JSON");
        let members: Vec<&String> = shown["keys"][0].as_object().expect("a key").keys().collect();
        assert!(!members.iter().any(|member| *member == "d"), "{members:?}");
        assert_eq!(JwkSet::parse(&set.text()), Some(set));
    }

    #[test]
    fn what_is_no_key_of_this_kind_is_not_read() {
        let pair = KeyPair::random();
        let other = pair.reveal().replace("PRIVATE KEY", "EC PRIVATE KEY");
        for bad in ["", "x", &other, &pair.reveal()[..80]] {
            assert!(KeyPair::from_pem(bad).is_none(), "{bad}");
        }
    }
}
