//! How long a tenant's credentials live, and which keys it has besides those of its database and gateway.

use super::schema;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long credentials live, and which keys are made. What is left out is as the tier says.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.rotationInterval) || !has(self.overlap) || duration(self.overlap) <= duration(self.rotationInterval)").message("overlap must not exceed rotationInterval"))]
pub struct Credentials {
    /// How often credentials are renewed, as a duration such as `2160h`. Absent everywhere means 2160h, 90 days; at least 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m')").message("must be at least 1m"))]
    pub rotation_interval: Option<String>,
    /// How long the former credentials go on working. Absent everywhere means 24h; at most the rotation interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub overlap: Option<String>,
    /// A key that the tenant's workloads sign tokens with, in the Secret `tenant-signing-key` of its first namespace. The public keys are in the
    /// ConfigMap `tenant-jwks`, and at `/.well-known/jwks.json` of the tenant's hosts. Taken out, all of it is gone at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<SigningKey>,
    /// A key that the tenant's workloads encrypt data with, in the Secret `tenant-encryption-key` of its first namespace. Taken out, the Secret stays: it
    /// ends with the tenant's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<EncryptionKey>,
}

/// A key that tokens are signed with (RFC 7515).
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// How. Absent means ES256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<SigningAlgorithm>,
}

/// How tokens are signed (RFC 7518, section 3.1).
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

/// What is known of a tenant's keys besides what is secret.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsStatus {
    /// The key that tokens are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<SigningKeyStatus>,
    /// The keys that data is encrypted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<EncryptionKeyStatus>,
}

/// What is known of a signing key.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyStatus {
    /// The `kid` of the key that signs: its thumbprint (RFC 7638).
    pub key_id: String,
    /// Since when it signs (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub issued_at: String,
    /// When it is renewed next (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub next_rotation_at: String,
}

/// What is known of encryption keys.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionKeyStatus {
    /// The id of the key to encrypt with.
    pub key_id: String,
    /// The ids of all keys that there are, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub key_ids: Vec<String>,
    /// When the key to encrypt with was made (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub issued_at: String,
    /// When it is renewed next (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub next_rotation_at: String,
}
