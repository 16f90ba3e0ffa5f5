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
    /// The claim that must be the tenant's name or id. Dots lead into nested claims (`realm_access.tenant`); a URI (`https://example.com/tenant`) is one
    /// name. Absent means `tenant_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    #[x_kube(validation = Rule::new(CLAIM).message(CLAIM_MESSAGE))]
    pub tenant_claim: Option<String>,
    /// The claim with the roles: a string, or a list of strings. Dots and URIs as in `tenantClaim`. Absent means `roles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    #[x_kube(validation = Rule::new(CLAIM).message(CLAIM_MESSAGE))]
    pub roles_claim: Option<String>,
    /// The claim with the token's own permissions, a list of strings. A route that requires permissions admits tokens with all of these, besides those with
    /// a fitting role. Dots and URIs as in `tenantClaim`. Absent means that only roles count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    #[x_kube(validation = Rule::new(CLAIM).message(CLAIM_MESSAGE))]
    pub permissions_claim: Option<String>,
    /// Claims that workloads get as headers. The gateway drops a client's own headers of these names. Not every gateway supports this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["header".into()]))]
    pub claim_headers: Vec<ClaimHeader>,
}

/// The form of a claim, and its meaning.
const CLAIM: &str = "self.matches('^([A-Za-z0-9_:/-]+([.][A-Za-z0-9_:/-]+){0,2}|[a-z]+://[A-Za-z0-9_:/.-]+)$')";
const CLAIM_MESSAGE: &str = "must be a claim such as roles, realm_access.roles or https://example.com/roles: letters, digits, _, :, / and -, and up to two dots that lead into nested claims";

/// A claim that workloads get as a header.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimHeader {
    /// The claim. Dots lead into nested claims; a URI is one name.
    #[schemars(length(min = 1, max = 80))]
    #[x_kube(validation = Rule::new(CLAIM).message(CLAIM_MESSAGE))]
    pub claim: String,
    /// The header, such as `X-User-ID`. It cannot be one that the gateway or HTTP itself sets.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$")
    )]
    #[x_kube(validation = Rule::new(not_reserved()).message(RESERVED_MESSAGE))]
    pub header: String,
}

/// Headers that a claim cannot set, in lower case: those of the operator, of credentials, and of HTTP itself.
pub const RESERVED_HEADERS: [&str; 25] = [
    "authorization",
    "connection",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-api-key",
    "x-real-ip",
    "x-request-id",
    "x-tenant-client",
    "x-tenant-features",
    "x-tenant-id",
    "x-tenant-name",
    "x-tenant-number",
    "x-tenant-parent-id",
    "x-tenant-root-id",
    "x-tenant-tier",
];
/// The beginnings of further ones.
pub const RESERVED_PREFIXES: [&str; 4] = ["content-", "proxy-", "x-envoy-", "x-forwarded-"];
/// The fault of such a header.
pub const RESERVED_MESSAGE: &str = "must not be a header that the gateway or HTTP itself sets: choose another name";

/// Returns true where no claim can set this header.
pub fn is_reserved_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED_HEADERS.contains(&name.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The same for the API server, as CEL.
fn not_reserved() -> String {
    let (names, prefixes) = (RESERVED_HEADERS.join("|"), RESERVED_PREFIXES.join("|"));
    format!("!self.matches('(?i)^({names}|({prefixes}).*)$')")
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

    /// Returns the parts of the path to a claim. A URI is one name, whatever dots it has.
    pub fn claim_path(claim: &str) -> Vec<&str> {
        match claim.contains("://") {
            true => vec![claim],
            false => claim.split('.').collect(),
        }
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
