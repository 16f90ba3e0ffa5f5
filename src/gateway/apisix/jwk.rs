//! A public key as APISIX takes it: not from a set of keys (RFC 7517), but alone and in PEM (RFC 7468, RFC 5280's SubjectPublicKeyInfo).

use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::json;

/// A public key, and the algorithm of its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub pem: String,
    pub algorithm: &'static str,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    use_: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Object identifiers, encoded: rsaEncryption with its NULL, and ecPublicKey with P-256.
const RSA: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// The one key of a set that signatures are checked with.
///
/// # Errors
/// The reason why APISIX does not support the set.
pub fn only_key(set: &str) -> Result<PublicKey, String> {
    let set: Set = serde_json::from_str(set).map_err(|_| "this is not a set of keys".to_string())?;
    let signing = |key: &&Jwk| key.use_.as_deref().is_none_or(|use_| use_ == "sig");
    let keys: Vec<&Jwk> = set.keys.iter().filter(signing).collect();
    match keys.as_slice() {
        [key] => {
            public(key).ok_or_else(|| "APISIX takes an RSA key (RS256 or RS512) or one of P-256 (ES256) only".into())
        }
        keys => Err(format!("APISIX takes one key, not {}", keys.len())),
    }
}

fn public(key: &Jwk) -> Option<PublicKey> {
    let part = |part: &Option<String>| bytes(part.as_deref()?);
    let (algorithm, identifier, point) = match (key.kty.as_str(), key.alg.as_deref()) {
        ("RSA", alg @ (None | Some("RS256" | "RS512"))) => {
            let algorithm = if alg == Some("RS512") { "RS512" } else { "RS256" };
            let numbers = [integer(&part(&key.n)?), integer(&part(&key.e)?)].concat();
            (algorithm, RSA, tagged(SEQUENCE, &numbers))
        }
        ("EC", None | Some("ES256")) if key.crv.as_deref() == Some("P-256") => {
            let (x, y) = (part(&key.x)?, part(&key.y)?);
            // Not compressed.
            let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
            (point.len() == 65).then_some(("ES256", P256, point))?
        }
        _ => return None,
    };
    // No bits of the last byte are unused.
    let point = tagged(BIT_STRING, &[&[0], point.as_slice()].concat());
    Some(PublicKey {
        pem: pem(tagged(SEQUENCE, &[identifier, &point].concat()))?,
        algorithm,
    })
}

/// Decodes base64url without padding (RFC 7515).
fn bytes(text: &str) -> Option<Vec<u8>> {
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    let text = text.replace('-', "+").replace('_', "/") + &padding;
    let bytes: ByteString = serde_json::from_value(json!(text)).ok()?;
    (!bytes.0.is_empty()).then_some(bytes.0)
}

/// A value of this kind (X.690, DER).
fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let length: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut all = vec![tag];
    match length.as_slice() {
        [] => all.push(0),
        [short] if *short < 0x80 => all.push(*short),
        long => {
            all.push(0x80 | u8::try_from(long.len()).unwrap_or(u8::MAX));
            all.extend(long);
        }
    }
    all.extend(value);
    all
}

/// A number that is not negative.
fn integer(number: &[u8]) -> Vec<u8> {
    let significant: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
    match significant.first() {
        Some(first) if *first < 0x80 => tagged(INTEGER, &significant),
        _ => tagged(INTEGER, &[&[0], significant.as_slice()].concat()),
    }
}

fn pem(key: Vec<u8>) -> Option<String> {
    let text = serde_json::to_value(ByteString(key)).ok()?;
    let lines: Vec<&str> = text
        .as_str()?
        .as_bytes()
        .chunks(64)
        .filter_map(|line| str::from_utf8(line).ok())
        .collect();
    Some(format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    ))
}

#[cfg(test)]
#[path = "jwk_test.rs"]
mod tests;
