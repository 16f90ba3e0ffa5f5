//! Plugins that decide on the clients of a route.

use super::{consumers, plugin, routes};
use crate::gateway::config::{API_KEY, GatewayConfig, TENANT_CLIENT, Whom};
use crate::gateway::credential_class::Class;
use serde_json::{Value, json};

pub fn plugins(way: &GatewayConfig, class: &Class, tokens: Option<&Value>) -> Vec<Value> {
    match class {
        Class::Open => Vec::new(),
        Class::Key { whom, .. } => key(way, whom),
        Class::Token { whom } => tokens.map_or_else(Vec::new, |tokens| token(way, whom, tokens)),
    }
}

fn token(way: &GatewayConfig, whom: &Whom, tokens: &Value) -> Vec<Value> {
    let asked = plugin("openid-connect", super::tokens::of(way, tokens, whom));
    match whom {
        Whom::All | Whom::AnyOf(_) | Whom::Holding { .. } => vec![asked],
        Whom::Nobody => vec![asked, routes::refusal(403, "no role has the required permissions")],
    }
}

/// Returns the plugins for a key. A key is valid wherever APISIX asks for one; a list of names limits it to this tenant's.
fn key(way: &GatewayConfig, whom: &Whom) -> Vec<Value> {
    let asked = plugin("key-auth", json!({"header": API_KEY, "hide_credentials": true}));
    let keys = way.gateway.keys.iter();
    let fitting = keys.filter(|key| whom.includes(&key.roles));
    let users: Vec<String> = fitting.flat_map(|key| consumers::users(way, key)).collect();
    if users.is_empty() {
        return vec![asked, routes::refusal(403, "no API key has a required role")];
    }
    vec![
        asked,
        plugin(
            "consumer-restriction",
            json!({"type": "consumer_name", "whitelist": users, "rejected_code": 403}),
        ),
        // The ingress controller labels a consumer with the name of its ApisixConsumer.
        plugin(
            "attach-consumer-label",
            json!({"headers": {(TENANT_CLIENT): "$k8s/name"}}),
        ),
    ]
}
