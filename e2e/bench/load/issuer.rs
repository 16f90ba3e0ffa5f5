//! An issuer of tokens (RS256).

use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::process::Command;

const NAME: &str = "https://id.bench.example.com";
const AUDIENCE: &str = "bench";
/// Longer than a run.
const LIFETIME: i64 = 6 * 3600;

pub struct Issuer {
    key: RsaKeyPair,
}

impl Issuer {
    /// Makes a key, which ring only reads.
    pub fn new() -> Result<Self> {
        let arguments = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
        let made = Command::new("openssl").args(arguments).output().context("openssl")?;
        ensure!(
            made.status.success(),
            "openssl: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let key = RsaKeyPair::from_pkcs8(pem::parse(made.stdout)?.contents())
            .map_err(|error| anyhow!("openssl's key: {error}"))?;
        Ok(Self { key })
    }

    /// Returns a Tenant's `jwt`.
    pub fn spec(&self) -> Value {
        let public: PublicKeyComponents<Vec<u8>> = self.key.public_key().into();
        let [n, e] = [public.n, public.e].map(|number| URL_SAFE_NO_PAD.encode(number));
        let keys = json!({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": n, "e": e}]});
        json!({"issuer": NAME, "audiences": [AUDIENCE], "jwks": {"inline": keys.to_string()}})
    }

    /// Returns a token of this tenant with the usual claims.
    pub fn token(&self, tenant: &str) -> Result<String> {
        let now = Timestamp::now().as_second();
        let head = json!({"alg": "RS256", "typ": "JWT", "kid": "1"});
        let claims = json!({"iss": NAME, "aud": AUDIENCE, "sub": "somebody", "tenant_id": tenant, "iat": now, "exp": now + LIFETIME});
        let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = format!("{head}.{claims}");
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|error| anyhow!("sign a token: {error}"))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
