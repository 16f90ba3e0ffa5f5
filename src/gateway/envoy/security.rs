//! SecurityPolicies, which decide on the clients of routes.

use super::{CREDENTIALS, POLICIES, class_name, object, tokens};
use crate::cluster::{Desired, Key, Kind};
use crate::gateway::config::{API_KEY, ClientAccess, GatewayConfig, TENANT_CLIENT, ValidApiKey, Whom};
use crate::gateway::credential_class::{self, Class};
use crate::names;
use serde_json::{Value, json};

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
        Class::Token { whom } => tokens::policy(way, whom)?,
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

/// The key set by which tokens are known, where a policy has it in itself.
pub fn asked(key: &Key, policy: &Value) -> Option<String> {
    let inline = policy.pointer("/spec/jwt/providers/0/localJWKS/inline")?;
    (key.kind == Kind::SecurityPolicy)
        .then(|| inline.as_str().map(String::from))
        .flatten()
}
