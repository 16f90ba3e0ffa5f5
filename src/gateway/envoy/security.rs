//! SecurityPolicies, which decide on the clients of routes.

use super::{CREDENTIALS, POLICIES, class_name, object};
use crate::api::JwtAuthentication;
use crate::cluster::{Desired, Key, Kind};
use crate::gateway::config::{API_KEY, ClientAccess, GatewayConfig, TENANT_CLIENT, ValidApiKey, Whom};
use crate::gateway::credential_class::{self, Class};
use crate::names;
use serde_json::{Value, json};

/// The name of the one provider of tokens.
const PROVIDER: &str = "tenant";

/// That a token ends: Envoy's own setting for it (`require_expiration`) is none of Envoy Gateway's. Without the claim the expression is an error, and
/// the rule does not apply; an end at 0 is none to Envoy.
const ENDS: &str = "metadata.filter_metadata['envoy.filters.http.jwt_authn']['tenant']['exp'] >= 1.0";

pub fn policies(way: &GatewayConfig) -> Vec<Desired> {
    if way.access != ClientAccess::Open {
        return Vec::new();
    }
    let mut all: Vec<Class> = credential_class::routes(way).map(|(class, _)| class).collect();
    all.sort();
    all.dedup();
    all.iter().filter_map(|class| policy(way, class)).collect()
}

fn policy(way: &GatewayConfig, class: &Class) -> Option<Desired> {
    let mut spec = match class {
        Class::Open => return None,
        Class::Key { whom, .. } => key(way, whom),
        Class::Token { whom } => token(way, whom)?,
    };
    let name = class.name();
    spec["targetSelectors"] = selectors(way, &name);
    Some(object(
        way,
        Kind::SecurityPolicy,
        POLICIES,
        &class_name(&name),
        &[],
        spec,
    ))
}

/// The tenant's routes that are called so.
pub fn selectors(way: &GatewayConfig, class: &str) -> Value {
    json!([{
        "group": "gateway.networking.k8s.io",
        "kind": "HTTPRoute",
        "matchLabels": {(CREDENTIALS): class, (names::TENANT_ID): way.owner.id},
    }])
}

fn key(way: &GatewayConfig, whom: &Whom) -> Value {
    let mut spec = json!({"apiKeyAuth": {
        "credentialRefs": [{"group": "", "kind": "Secret", "name": names::API_KEYS_SECRET}],
        "extractFrom": [{"headers": [API_KEY]}],
        "forwardClientIDHeader": TENANT_CLIENT,
        "sanitize": true,
    }});
    if *whom != Whom::All {
        let fitting = way.gateway.keys.iter().filter(|key| whom.includes(&key.roles));
        // The key before it opens too, and the one that will take its place.
        let clients = |key: &ValidApiKey| {
            let [own, former] = names::api_key_clients(&key.name);
            [own, former, names::api_key_next(&key.name)]
        };
        let clients: Vec<String> = fitting.flat_map(clients).collect();
        let rules = match clients.is_empty() {
            true => json!([]),
            false => {
                json!([{"action": "Allow", "principal": {"headers": [{"name": TENANT_CLIENT, "values": clients}]}}])
            }
        };
        spec["authorization"] = json!({"defaultAction": "Deny", "rules": rules});
    }
    spec
}

/// Returns the issuer of tokens and its keys. Its name in Envoy depends on nothing else, so all routes with the same provider share it.
pub fn provider(jwt: &JwtAuthentication) -> Value {
    // In an address it would be written into every log.
    let bearer = json!({"headers": [{"name": "Authorization", "valuePrefix": "Bearer "}]});
    let mut provider = json!({"name": PROVIDER, "issuer": jwt.issuer, "extractFrom": bearer});
    if !jwt.audiences.is_empty() {
        provider["audiences"] = json!(jwt.audiences);
    }
    match (&jwt.jwks.inline, &jwt.jwks.uri) {
        (Some(inline), _) => provider["localJWKS"] = json!({"type": "Inline", "inline": inline}),
        (None, uri) => provider["remoteJWKS"] = json!({"uri": uri, "cacheDuration": "300s"}),
    }
    provider
}

/// The key set by which tokens are known, where a policy has it in itself.
pub fn asked(key: &Key, policy: &Value) -> Option<String> {
    let inline = policy.pointer("/spec/jwt/providers/0/localJWKS/inline")?;
    (key.kind == Kind::SecurityPolicy)
        .then(|| inline.as_str().map(String::from))
        .flatten()
}

fn token(way: &GatewayConfig, whom: &Whom) -> Option<Value> {
    let jwt = way.gateway.jwt.as_ref()?;
    let claim =
        |name: &str, type_: &str, values: &[String]| json!({"name": name, "valueType": type_, "values": values});
    let whose = [way.owner.tenant.clone(), way.owner.id.clone()];
    let mut claims = vec![claim(jwt.tenant_claim(), "String", &whose)];
    if let Whom::AnyOf(roles) = whom {
        claims.push(claim(jwt.roles_claim(), "StringArray", roles));
    }
    let rules = match whom {
        Whom::Nobody => json!([]),
        Whom::All | Whom::AnyOf(_) => {
            json!([{"action": "Allow", "principal": {"jwt": {"provider": PROVIDER, "claims": claims}}, "cel": ENDS}])
        }
    };
    Some(json!({
        "jwt": {"providers": [provider(jwt)]},
        "authorization": {"defaultAction": "Deny", "rules": rules},
    }))
}
