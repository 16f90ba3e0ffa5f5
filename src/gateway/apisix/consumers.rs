//! ApisixConsumers: one for each API key, and one for the key before it, each with a Secret that holds nothing else.

use super::object;
use crate::cluster::{Desired, Kind};
use crate::gateway::Attachment;
use crate::gateway::class::{self, Class};
use crate::gateway::config::{GatewayConfig, Key};
use crate::names;
use serde_json::json;

/// The ApisixConsumers of a key: its own name, and that of the key before it, which no key can have: it is longer than a key's name may be.
fn consumers_of(key: &Key) -> [String; 2] {
    let former = format!("former-{}", &names::digest(key.name.as_bytes())[..36]);
    [key.name.clone(), former]
}

/// How APISIX calls them. No namespace has an underscore in its name, so that no two tenants' are the same.
pub fn users(way: &GatewayConfig, key: &Key) -> [String; 2] {
    consumers_of(key).map(|name| format!("{}_{name}", way.owner.tenant))
}

/// Both are always there: the ingress controller forgets a consumer when it is deleted, not when its Secret is. Where no key opens, the Secret
/// holds what nobody was told.
pub fn consumers(way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
    let asks = class::routes(way).any(|(class, _)| matches!(class, Class::Key { .. }));
    let keys = way.gateway.keys.iter().filter(|_| asks);
    keys.flat_map(|key| consumers_of(key).into_iter().zip(names::api_key_secrets(key.slot)))
        .map(|(name, secret)| {
            let spec = json!({"authParameter": {"keyAuth": {"secretRef": {"name": secret}}}});
            object(way, to, Kind::ApisixConsumer, &name, spec)
        })
        .collect()
}
