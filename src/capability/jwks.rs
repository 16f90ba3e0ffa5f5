//! Public keys that tokens are verified with, as a JSON Web Key Set (RFC 7517).

use super::ValidTenant;
use crate::cluster::{Desired, Kind, Live};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A public key.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    kty: String,
    crv: String,
    alg: String,
    #[serde(rename = "use")]
    use_: String,
    pub kid: String,
    x: String,
    y: String,
}

impl Jwk {
    /// A key on the curve P-256, by its coordinates in big-endian bytes.
    pub fn p256(x: &[u8], y: &[u8]) -> Self {
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        // RFC 7638: these members, in this order, without spaces.
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Self {
            kty: "EC".into(),
            crv: "P-256".into(),
            alg: "ES256".into(),
            use_: "sig".into(),
            kid: URL_SAFE_NO_PAD.encode(Sha256::digest(thumbprint.as_bytes())),
            x,
            y,
        }
    }
}

/// Public keys as they are published (RFC 7517, section 5).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct JwkSet {
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// As JSON.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// One that was published, where it is whole.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The ids of the keys.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.kid.as_str())
    }
}

/// A tenant's public keys, by who learns of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys {
    /// The keys that everybody may know.
    pub published: JwkSet,
    /// The keys that the tenant's own gateway verifies tokens with.
    pub trusted: JwkSet,
    /// Further key sets that the gateway keeps loaded although no route uses them.
    pub preloaded: Vec<JwkSet>,
}

/// The gateway's use of a tenant's public keys.
pub trait KeySets: Send + Sync {
    /// The kinds of objects that name them.
    fn kinds(&self) -> &[Kind];

    /// True where an object leads nowhere and only makes a key set known.
    fn is_jwks_preload(&self, live: &Live) -> bool;

    /// The key set, as JSON, by which an object makes the gateway verify tokens.
    fn asked(&self, live: &Live) -> Option<String>;

    /// The objects that make the tenant's key sets known although nothing asks for them.
    fn jwks_preloads(&self, tenant: &ValidTenant) -> Vec<Desired>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_keys_thumbprint() {
        // The key of RFC 7517, appendix A.1; its thumbprint by `jose jwk thp`'s rule, computed apart from this code.
        let parts = [
            "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        ];
        let [x, y] = parts.map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"));
        let key = Jwk::p256(&x, &y);
        assert_eq!(key.kid, "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
        let shown = serde_json::to_value(&key).expect("JSON");
        assert_eq!(
            (shown["x"].as_str(), shown["use"].as_str()),
            (Some(parts[0]), Some("sig"))
        );
    }
}
