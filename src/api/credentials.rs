//! Rotation of a tenant's credentials, and its keys besides those of its database and gateway.

use super::schema;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rotation of credentials, and keys of the tenant's own. Absent fields come from the tier.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(overlap_rule()).message("overlap must not exceed rotationInterval"))]
pub struct Credentials {
    /// Time between two rotations, as a duration such as `2160h`. Absent everywhere means 2160h, 90 days; at least 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new(schema::duration_rule(&["self"], "duration(self) >= duration('1m')")).message("must be at least 1m"))]
    pub rotation_interval: Option<String>,
    /// Time for which the former credentials keep working. Absent everywhere means 24h; at most the rotation interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub overlap: Option<String>,
    /// A key with which the tenant's workloads sign tokens, in the Secret `tenant-signing-key` of its first namespace. The public keys are in the
    /// ConfigMap `tenant-jwks`, and at `/.well-known/jwks.json` of the tenant's hosts. If you remove it, the operator deletes all of these at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<SigningKey>,
    /// A key with which the tenant's workloads encrypt data, in the Secret `tenant-encryption-key` of its first namespace. If you remove it, the Secret stays
    /// until the deletion of the tenant's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<EncryptionKey>,
}

fn overlap_rule() -> String {
    let rule = schema::duration_rule(
        &["self.rotationInterval", "self.overlap"],
        "duration(self.overlap) <= duration(self.rotationInterval)",
    );
    format!("!has(self.rotationInterval) || !has(self.overlap) || {rule}")
}

/// A key that signs tokens (RFC 7515).
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// Algorithm of the signature. Absent means ES256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<SigningAlgorithm>,
}

/// Algorithm of a signature (RFC 7518, section 3.1).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    #[default]
    ES256,
}

/// A key of 256 bits for AES.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionKey {}

/// State of a tenant's keys, without secrets.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsStatus {
    /// The key that signs tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<SigningKeyStatus>,
    /// The keys that encrypt data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<EncryptionKeyStatus>,
}

/// State of a signing key.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyStatus {
    /// The `kid` of the key that signs: its thumbprint (RFC 7638).
    pub key_id: String,
    /// Time since which it signs (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub issued_at: String,
    /// Time of the next rotation (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub next_rotation_at: String,
}

/// State of encryption keys.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionKeyStatus {
    /// The id of the current key.
    pub key_id: String,
    /// The ids of all keys, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub key_ids: Vec<String>,
    /// Creation time of the current key (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub issued_at: String,
    /// Time of the next rotation (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub next_rotation_at: String,
}
