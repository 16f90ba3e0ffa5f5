//! Preloads: routes that lead nowhere and make Envoy load a key set in advance. Envoy Gateway first updates Envoy's listeners with the key sets of all their
//! routes, and only then the routes that use them (envoyproxy/gateway#8313). So each listener gets a route that asks for such a set.

use super::routes::{of_rules, refused};
use super::{CREDENTIALS, POLICIES, class_name, class_of, object, security, tokens};
use crate::api::{Jwks, JwtAuthentication};
use crate::cluster::{Desired, Kind};
use crate::gateway::Attachment;
use crate::gateway::config::{ClientAccess, GatewayConfig};
use crate::gateway::credential_class::{self, Class};
use crate::names;
use serde_json::{Value, json};

/// The prefix of such routes' classes.
const CLASS: &str = "carried-";
/// The path of such routes; no workload answers below it.
const PATH: &str = "/.well-known/tenant-operator";

pub fn objects(way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
    let asks = credential_class::routes(way).any(|(class, _)| matches!(class, Class::Token { .. }));
    let jwt = way.gateway.jwt.as_ref();
    let jwt = jwt.filter(|_| asks && way.access == ClientAccess::Open);
    let sets = jwt.map(|jwt| way.preloaded.iter().map(move |set| (jwt, set)));
    sets.into_iter()
        .flatten()
        .flat_map(|(jwt, set)| jwks_preloads(way, to, jwt, set))
        .collect()
}

fn jwks_preloads(way: &GatewayConfig, to: &Attachment, jwt: &JwtAuthentication, set: &str) -> Vec<Desired> {
    // The same set is called the same, whether it comes or goes.
    let digest = &names::digest(set.as_bytes())[..16];
    let class = format!("{CLASS}{digest}");
    let jwt = JwtAuthentication {
        jwks: Jwks {
            inline: Some(set.into()),
            ..Jwks::default()
        },
        ..jwt.clone()
    };
    let spec = json!({
        "jwt": {"providers": [tokens::provider(&jwt)]},
        "authorization": {"defaultAction": "Deny"},
        "targetSelectors": security::selectors(way, &class),
    });
    let labels = [(CREDENTIALS, class.as_str())];
    let policy = object(way, Kind::SecurityPolicy, POLICIES, &class_name(&class), &labels, spec);
    let routes = way.entries.iter().flat_map(|entry| {
        let path = format!("{PATH}/{}/{digest}/{}", way.owner.id, entry.as_str());
        let rule = refused([json!({"path": {"type": "Exact", "value": path}})]);
        of_rules(way, to, entry, &class, &[rule])
    });
    std::iter::once(policy).chain(routes).collect()
}

/// Returns true for such a route, or for the policy of such routes.
pub fn is_jwks_preload(object: &Value) -> bool {
    class_of(object).is_some_and(|class| class.starts_with(CLASS))
}
