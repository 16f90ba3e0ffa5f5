//! The openid-connect plugin, which checks tokens. It gets no client secret, which it needs for nothing here. An APISIX that asks for one does not check the
//! claims of such a token either, and so refuses the route as a whole.

use super::jwk;
use crate::api::JwtAuthentication;
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
    let with_role = |roles: &[String]| claim(jwt.roles_claim(), json!({"anyOf": [{"enum": roles}, any_of(roles)]}));
    match whom {
        Whom::All | Whom::Nobody => {}
        Whom::AnyOf(roles) => all.push(with_role(roles)),
        Whom::Holding { roles, permissions } => {
            let role = (!roles.is_empty()).then(|| with_role(roles));
            let each: Vec<Value> = permissions
                .iter()
                .map(|one| any_of(std::slice::from_ref(one)))
                .collect();
            let own = jwt.permissions_claim.as_deref();
            let own = own.map(|own| claim(own, json!({"allOf": each})));
            all.push(json!({"anyOf": role.into_iter().chain(own).collect::<Vec<_>>()}));
        }
    }
    let mut plugin = plugin.clone();
    plugin["claim_schema"] = json!({"type": "object", "allOf": all});
    plugin
}

/// A claim that must be there and be like this. What leads to a nested one must be an object.
fn claim(name: &str, schema: Value) -> Value {
    let mut path = JwtAuthentication::claim_path(name);
    let first = path.remove(0);
    let nested = path.iter().rev().fold(
        schema,
        |schema, part| json!({"type": "object", "required": [part], "properties": {(*part): schema}}),
    );
    json!({"required": [first], "properties": {(first): nested}})
}

/// Tells that workloads get no claims.
pub fn unsent(way: &GatewayConfig) -> Option<Unsupported> {
    let message = "APISIX sends no claims of a token as headers: the workload reads them from the token itself; APISIX drops the clients' headers of these names";
    (!way.claim_headers().is_empty())
        .then(|| Unsupported::feature("spec.gateway.authentication.jwt.claimHeaders", message))
}

/// A list with at least one of these in it.
fn any_of(values: &[String]) -> Value {
    json!({"type": "array", "not": {"items": {"not": {"enum": values}}}})
}

#[cfg(test)]
#[path = "tokens_test.rs"]
mod tests;
