//! Objects for Envoy Gateway 1.9: HTTPRoutes of Gateway API v1, and policies of `gateway.envoyproxy.io/v1alpha1` for further features
//! (<https://gateway.envoyproxy.io/docs/api/extension_types/>). Pure.

mod bandwidth;
mod client_policy;
mod error_responses;
mod fallbacks;
mod grants;
mod handover;
mod jwks_preload;
mod key_set;
mod listeners;
mod routes;
mod security;
mod tokens;
mod traffic;

pub use handover::transitional;
pub use jwks_preload::{is_jwks_preload, objects as jwks_preloads};
pub use listeners::LISTENERS;
pub use security::asked;

use super::config::{GatewayConfig, Unsupported};
use super::credential_class::OPEN;
use super::{Attachment, Written, certificates};
use crate::cluster::{Desired, Identity, Key, Kind, Live, metadata};
use serde_json::{Value, json};

/// The kinds of its objects.
pub const KINDS: [Kind; 5] = [
    Kind::ReferenceGrant,
    Kind::HttpRoute,
    Kind::HttpRouteFilter,
    Kind::SecurityPolicy,
    Kind::BackendTrafficPolicy,
];

/// The name of the one policy, and the beginning of all other names.
const NAME: &str = "tenant";
/// Label of a route: which credentials it asks for; its SecurityPolicy selects it by this.
const CREDENTIALS: &str = "tenant-operator.io/credentials";

/// The class of a route that admits nobody.
const CLOSED: &str = "closed";

const ROUTES: &str = "gateway.networking.k8s.io/v1";
const POLICIES: &str = "gateway.envoyproxy.io/v1alpha1";

/// A tenant's way in.
pub fn write(way: &GatewayConfig, to: &Attachment) -> Written {
    if way.has_fallback() && !to.fallbacks {
        let mut written = write(&way.without_fallbacks(), to);
        written.unsupported.extend(fallbacks::unwritten(way));
        return written;
    }
    let mut objects = certificates::requests(way);
    objects.extend(listeners::listeners(way, to));
    objects.extend(client_policy::policy(way, to));
    objects.extend(fallbacks::backends(way, to));
    objects.extend(routes::routes(way, to));
    let rules = objects.iter().map(|object| rules(&object.value).len()).sum();
    let places = bandwidth::places(&objects);
    objects.extend(grants::grants(way));
    objects.extend(security::policies(way));
    objects.extend(traffic::policy(way, rules, places));
    // Nothing behind it counts.
    objects.extend(key_set::objects(way, to));
    objects.extend(jwks_preload::objects(way, to));
    Written {
        objects,
        unsupported: unsupported(way, to, rules, places),
    }
}

/// Returns the policy that asks for a route's credentials.
pub fn guard(key: &Key, route: &Value) -> Option<Key> {
    let class = class_of(route)?;
    let asks = ![OPEN, CLOSED, key_set::CLASS].contains(&class) && !is_jwks_preload(route);
    (key.kind == Kind::HttpRoute && asks).then(|| Key {
        kind: Kind::SecurityPolicy,
        namespace: key.namespace.clone(),
        name: class_name(class),
    })
}

/// The same matches, all answered with 503.
pub fn blocked(mut route: Value) -> Value {
    let rules = route.pointer_mut("/spec/rules").and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten() {
        *rule = routes::refused(&rule["matches"]);
    }
    route
}

/// Closes an open route, as JSON: returns the objects to write, in this order.
pub fn blocked_with_reason(owner: &Identity, route: &Live, why: &str) -> Option<[Desired; 2]> {
    let blocked_objects = || [routes::answer(owner, why), route.with(blocked(route.value.clone()))];
    (!is_blocked(&route.value)).then(blocked_objects)
}

/// Returns true where a route has no way through.
pub fn is_blocked(route: &Value) -> bool {
    rules(route).iter().all(|rule| rule.get("backendRefs").is_none())
}

/// The rules of an HTTPRoute, as JSON; nothing else has any.
fn rules(route: &Value) -> &[Value] {
    let rules = route.pointer("/spec/rules").and_then(Value::as_array);
    rules.map_or(&[], Vec::as_slice)
}

fn unsupported(way: &GatewayConfig, to: &Attachment, rules: usize, places: usize) -> Vec<Unsupported> {
    let bursts = way.gateway.rate_limits.iter().filter(|limit| limit.burst.is_some());
    let bursts = bursts.map(|limit| {
        let message = format!(
            "Envoy Gateway counts requests in whole units of time and has no burst: all {} requests of a {} may come at once",
            limit.requests,
            limit.unit.as_str()
        );
        Unsupported::feature("spec.gateway.rateLimits[].burst", message)
    });
    let crowd = way
        .gateway
        .concurrent_requests
        .filter(|most| usize::try_from(*most).is_ok_and(|most| most < rules));
    let crowd = crowd.map(|most| {
        let message = format!("Envoy counts them for each rule of a route, and the tenant has {rules} rules: {most} is less than one for each");
        Unsupported::feature("spec.gateway.concurrentRequests", message)
    });
    let unsent = tokens::unsent(way).into_iter().map(|(_, why)| why);
    let too_low = bandwidth::too_low(way, places);
    let unwritten = client_policy::unwritten(way, to);
    bursts
        .chain(crowd)
        .chain(too_low)
        .chain(unwritten)
        .chain(fallbacks::cannot_choose(way))
        .chain(unsent)
        .collect()
}

/// An object in the tenant's first namespace.
fn object(way: &GatewayConfig, kind: Kind, version: &str, name: &str, labels: &[(&str, &str)], spec: Value) -> Desired {
    object_of(&way.owner, kind, version, name, labels, spec)
}

fn object_of(owner: &Identity, kind: Kind, version: &str, name: &str, labels: &[(&str, &str)], spec: Value) -> Desired {
    let mut meta = metadata::meta(owner, &owner.tenant, name);
    let own = meta.labels.get_or_insert_default();
    own.extend(labels.iter().map(|(key, value)| (key.to_string(), value.to_string())));
    let object = json!({"apiVersion": version, "kind": kind.as_str(), "metadata": meta, "spec": spec});
    metadata::desired(kind, &meta, &object)
}

/// The class of credentials that an object, as JSON, says that it belongs to.
fn class_of(object: &Value) -> Option<&str> {
    object.pointer("/metadata/labels")?.get(CREDENTIALS)?.as_str()
}

/// The name of something that belongs to one class of credentials.
fn class_name(class: &str) -> String {
    format!("{NAME}-{class}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::fixtures::{acme, attachment, gateway_config};

    #[test]
    fn a_bound_is_shared_out_among_rules_and_what_cannot_be_is_said() {
        let with = |most: i64| {
            let spec = json!({
                "network": {"ingress": {"gateway": "Allow"}},
                "workloads": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}],
                "gateway": {"hosts": ["acme.example.com"], "concurrentRequests": most, "routes": [
                    {"backend": {"workload": "web"}},
                    {"path": {"type": "Exact", "value": "/a"}, "backend": {"workload": "web"}},
                    {"path": {"type": "Exact", "value": "/b"}, "backend": {"workload": "web"}},
                ]},
            });
            let to = attachment();
            let way = gateway_config(&acme(spec, json!({})), &to.shared_hosts);
            let written = write(&way, &to);
            let policy = written
                .objects
                .iter()
                .find(|object| object.key.kind == Kind::BackendTrafficPolicy);
            let most = policy
                .expect("a policy")
                .value
                .pointer("/spec/circuitBreaker/maxParallelRequests")
                .cloned();
            (most, written.unsupported.len())
        };
        assert_eq!(with(10), (Some(json!(3)), 0));
        assert_eq!(with(3), (Some(json!(1)), 0));
        assert_eq!(with(2), (Some(json!(1)), 1));
    }
}
