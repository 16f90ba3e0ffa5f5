//! Authentication at the gateway.

use crate::api::role::ROLE_NAME;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Authentication at the gateway, by keys or tokens.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayAuthentication {
    /// Keys that the operator creates, rotates as `credentials` defines and stores in the Secret `tenant-api-keys` of the tenant's first namespace. A client sends
    /// one as `X-API-Key`. If you remove a key from this list, it stops working at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub api_keys: Vec<ApiKey>,
    /// Issuer of accepted tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtAuthentication>,
}

/// A key for a program.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its name, which the workload gets as `X-Tenant-Client`.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Roles of the key, for routes that require roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63), regex(pattern = ROLE_NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub roles: Vec<String>,
    /// Time at which it expires (RFC 3339). Absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub expires_at: Option<String>,
}

/// Issuer of accepted tokens (RFC 7519). A token needs a signature by one of the keys, the issuer, one of the audiences, valid times, and a claim with
/// this tenant.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct JwtAuthentication {
    /// The claim `iss`.
    #[schemars(length(min = 1, max = 253))]
    pub issuer: String,
    /// Audiences, one of which must be in the claim `aud`. Absent or empty means no check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub audiences: Vec<String>,
    /// The issuer's keys.
    pub jwks: Jwks,
    /// The claim that must be the tenant's name or id, at the top level of the token. Absent means `tenant_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_:/-]+$')").message("must be one claim of the token, with letters, digits, _, :, / and -: nested claims such as realm_access.roles are not supported yet"))]
    pub tenant_claim: Option<String>,
    /// The claim with the roles, a list of strings, at the top level of the token. Absent means `roles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_:/-]+$')").message("must be one claim of the token, with letters, digits, _, :, / and -: nested claims such as realm_access.roles are not supported yet"))]
    pub roles_claim: Option<String>,
}

impl JwtAuthentication {
    /// Returns the claim with the tenant of a token.
    pub fn tenant_claim(&self) -> &str {
        self.tenant_claim.as_deref().unwrap_or("tenant_id")
    }

    /// Returns the claim with the roles.
    pub fn roles_claim(&self) -> &str {
        self.roles_claim.as_deref().unwrap_or("roles")
    }
}

/// Keys that sign tokens (RFC 7517).
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.uri), has(self.inline), has(self.signingKey) && self.signingKey].exists_one(one, one)").message("needs one of uri, inline and signingKey: true"))]
pub struct Jwks {
    /// The `https` URL from which the gateway fetches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = r"^https://[^\s/]+(/\S*)?$"))]
    pub uri: Option<String>,
    /// The key set itself, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 65536))]
    pub inline: Option<String>,
    /// The tenant's own key, from `credentials.signingKey`. Not every gateway supports this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<bool>,
}

impl Jwks {
    /// Returns true if the tenant signs its tokens itself.
    pub fn is_own(&self) -> bool {
        self.signing_key == Some(true)
    }
}

/// State of an API key, without the key itself.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyStatus {
    /// Its name.
    pub name: String,
    /// Creation time (RFC 3339); absent after expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub issued_at: Option<String>,
    /// Time of expiry (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub expires_at: Option<String>,
    /// Time of the next rotation (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub next_rotation_at: Option<String>,
}
