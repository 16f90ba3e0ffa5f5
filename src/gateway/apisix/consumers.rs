//! ApisixConsumers: one for each API key, and one for the key before it, each with a Secret that holds nothing else.

use super::object;
use crate::cluster::{Desired, Kind};
use crate::gateway::Attachment;
use crate::gateway::config::{GatewayConfig, ValidApiKey};
use crate::gateway::credential_class::{self, Class};
use crate::names;
use serde_json::json;

/// Returns the names of a key's ApisixConsumers: its own, and one for its former value. The latter is longer than a key's name may be, so no key has it.
fn consumers_of(key: &ValidApiKey) -> [String; 2] {
    let former = format!("former-{}", &names::digest(key.name.as_bytes())[..36]);
    [key.name.clone(), former]
}

/// Returns the names that APISIX gives to a key's consumers. No namespace has an underscore in its name, so two tenants' names never collide.
pub fn users(way: &GatewayConfig, key: &ValidApiKey) -> [String; 2] {
    consumers_of(key).map(|name| format!("{}_{name}", way.owner.tenant))
}

/// Returns both consumers of each key at all times: the ingress controller forgets a consumer when it is deleted, not when its Secret is. Without a valid key
/// the Secret holds a value that nobody knows.
pub fn consumers(way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
    let asks = credential_class::routes(way).any(|(class, _)| matches!(class, Class::Key { .. }));
    let keys = way.gateway.keys.iter().filter(|_| asks);
    keys.flat_map(|key| consumers_of(key).into_iter().zip(names::api_key_secrets(key.slot)))
        .map(|(name, secret)| {
            let spec = json!({"authParameter": {"keyAuth": {"secretRef": {"name": secret}}}});
            object(way, to, Kind::ApisixConsumer, &name, spec)
        })
        .collect()
}
