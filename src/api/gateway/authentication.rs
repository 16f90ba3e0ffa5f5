//! Who is let in at the gateway.

use crate::api::role::ROLE_NAME;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Who is let in at the gateway: whoever has a key, or a token.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayAuthentication {
    /// Keys that the operator makes, renews as `credentials` says and keeps in the Secret `tenant-api-keys` of the tenant's first namespace. A client sends
    /// one as `X-API-Key`. A key that is taken out of this list is dead at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub api_keys: Vec<ApiKey>,
    /// Whose tokens are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtAuthentication>,
}

/// A key for a program.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its name, which the workload is told as `X-Tenant-Client`.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What whoever has it is, for routes that ask for roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63), regex(pattern = ROLE_NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub roles: Vec<String>,
    /// When it is dead for good (RFC 3339). Absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub expires_at: Option<String>,
}

/// Whose tokens are taken (RFC 7519). A token must be signed by one of the keys, be of the issuer, for one of the audiences, in time, and say that it is
/// this tenant's.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct JwtAuthentication {
    /// The claim `iss`.
    #[schemars(length(min = 1, max = 253))]
    pub issuer: String,
    /// One of these must be in the claim `aud`. Absent or empty means that it is not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub audiences: Vec<String>,
    /// The issuer's keys.
    pub jwks: Jwks,
    /// The claim that must be the tenant's name or id. Absent means `tenant_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9_:/-]+$"))]
    pub tenant_claim: Option<String>,
    /// The claim with the roles, a list of strings. Absent means `roles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9_:/-]+$"))]
    pub roles_claim: Option<String>,
}

impl JwtAuthentication {
    /// The claim that says whose a token is.
    pub fn tenant_claim(&self) -> &str {
        self.tenant_claim.as_deref().unwrap_or("tenant_id")
    }

    /// The claim with the roles.
    pub fn roles_claim(&self) -> &str {
        self.roles_claim.as_deref().unwrap_or("roles")
    }
}

/// Keys that tokens are signed with (RFC 7517).
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.uri), has(self.inline), has(self.signingKey) && self.signingKey].exists_one(one, one)").message("needs one of uri, inline and signingKey: true"))]
pub struct Jwks {
    /// Where the gateway fetches them: an `https` URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = r"^https://[^\s/]+(/\S*)?$"))]
    pub uri: Option<String>,
    /// The key set itself, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 65536))]
    pub inline: Option<String>,
    /// The tenant's own, of `credentials.signingKey`. Not every gateway knows this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<bool>,
}

impl Jwks {
    /// Whether tokens are signed by the tenant itself.
    pub fn is_own(&self) -> bool {
        self.signing_key == Some(true)
    }
}

/// What is known of an API key besides what opens.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyStatus {
    /// Its name.
    pub name: String,
    /// When it was made (RFC 3339); absent where it has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub issued_at: Option<String>,
    /// When it is dead for good, or since when it has been (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub expires_at: Option<String>,
    /// When it is renewed next (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub next_rotation_at: Option<String>,
}
