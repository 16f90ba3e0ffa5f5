//! The openid-connect plugin, which checks tokens. It gets no client secret, which it needs for nothing here. An APISIX that asks for one does not check the
//! claims of such a token either, and so refuses the route as a whole.

use super::jwk;
use crate::gateway::config::{GatewayConfig, Unsupported, Whom};
use serde_json::{Value, json};

/// Returns the plugin that all routes share; None where the tenant has no tokens, or none that this gateway can check.
pub fn plugin(way: &GatewayConfig, unsupported: &mut Vec<Unsupported>) -> Option<Value> {
    let jwt = way.gateway.jwt.as_ref()?;
    let is_url = jwt.issuer.starts_with("https://");
    let issuer = jwt.issuer.trim_end_matches('/');
    let mut plugin = json!({
        "client_id": way.owner.id,
        // Needed by the plugin's schema; read only where the issuer's keys come from it.
        "discovery": format!("{issuer}/.well-known/openid-configuration"),
        "bearer_only": true,
        "realm": way.owner.tenant,
        "ssl_verify": true,
        "accept_unsupported_alg": false,
        // Another tenant's route must not decide on a token here.
        "jwt_verification_cache_ignore": true,
        "cache_segment": way.owner.id,
        "set_access_token_header": false,
        "set_id_token_header": false,
        "set_userinfo_header": false,
        "claim_validator": {"issuer": {"valid_issuers": [jwt.issuer]}},
    });
    let keys = match &jwt.jwks.inline {
        // One before, one that signs and one to come.
        _ if jwt.jwks.is_own() => Err("APISIX accepts one key, and a signing key in rotation has more than one".into()),
        Some(inline) => jwk::only_key(inline).map(|key| {
            plugin["public_key"] = json!(key.pem);
            plugin["token_signing_alg_values_expected"] = json!(key.algorithm);
        }),
        None if is_url => {
            plugin["use_jwks"] = json!(true);
            plugin["jwk_expires_in"] = json!(300);
            // Any other would be a guess, and one that is signed with a secret a forgery.
            plugin["token_signing_alg_values_expected"] = json!("RS256");
            Ok(())
        }
        None => {
            Err("APISIX finds an issuer's keys by its discovery document, so the issuer must be an https URL".into())
        }
    };
    match keys {
        Ok(()) => Some(plugin),
        Err(message) => {
            let message = format!("{message}; APISIX answers routes that require tokens with 503");
            unsupported.push(Unsupported::feature("spec.gateway.authentication.jwt.jwks", message));
            None
        }
    }
}

/// Returns the plugin for one route: a token must name this tenant and, where the route asks for roles, have one of them.
pub fn of(way: &GatewayConfig, plugin: &Value, whom: &Whom) -> Value {
    let Some(jwt) = &way.gateway.jwt else {
        return plugin.clone();
    };
    let mut all = vec![
        claim("iss", json!({"enum": [jwt.issuer]})),
        claim(jwt.tenant_claim(), json!({"enum": [way.owner.tenant, way.owner.id]})),
        // APISIX looks at when a token ends, and takes one that does not say.
        claim("exp", json!({"type": "number", "minimum": 1})),
    ];
    if !jwt.audiences.is_empty() {
        let one = json!({"enum": jwt.audiences});
        all.push(claim("aud", json!({"anyOf": [one, any_of(&jwt.audiences)]})));
    }
    if let Whom::AnyOf(roles) = whom {
        all.push(claim(jwt.roles_claim(), any_of(roles)));
    }
    let mut plugin = plugin.clone();
    plugin["claim_schema"] = json!({"type": "object", "allOf": all});
    plugin
}

/// A claim that must be there and be like this.
fn claim(name: &str, schema: Value) -> Value {
    json!({"required": [name], "properties": {(name): schema}})
}

/// A list with at least one of these in it.
fn any_of(values: &[String]) -> Value {
    json!({"type": "array", "not": {"items": {"not": {"enum": values}}}})
}
