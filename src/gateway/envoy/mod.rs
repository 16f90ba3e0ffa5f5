//! Objects for Envoy Gateway 1.9: HTTPRoutes of Gateway API v1, and policies of `gateway.envoyproxy.io/v1alpha1` for further features
//! (<https://gateway.envoyproxy.io/docs/api/extension_types/>). Pure.

mod bandwidth;
mod client_policy;
mod error_responses;
mod fallbacks;
mod grants;
mod groups;
mod handover;
mod jwks_preload;
mod key_set;
mod listeners;
mod matches;
mod rate_limits;
mod routes;
mod security;
mod tokens;
mod traffic;

pub use handover::transitional;
pub use jwks_preload::{is_jwks_preload, objects as jwks_preloads};
pub use listeners::LISTENERS;
pub use security::asked;

use super::config::{ClientAccess, GatewayConfig, Unsupported, divided};
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
    let counters = Counters {
        rules: objects.iter().map(|object| leading(&object.value).count()).sum(),
        proxies: to.proxies,
    };
    let places = bandwidth::places(&objects);
    objects.extend(grants::grants(way));
    objects.extend(security::policies(way));
    objects.extend(traffic::policy(way, &counters, places));
    // Nothing behind it counts.
    objects.extend(key_set::objects(way, to));
    objects.extend(jwks_preload::objects(way, to));
    Written {
        objects,
        unsupported: unsupported(way, to, &counters, places),
        remarks: counters.remark(way).into_iter().collect(),
    }
}

/// Counters of concurrent requests: Envoy has one for each rule that leads to a workload, on each proxy.
pub struct Counters {
    rules: usize,
    proxies: usize,
}

impl Counters {
    pub fn number(&self) -> usize {
        self.rules * self.proxies
    }

    /// The counters in words.
    fn words(&self) -> String {
        let proxies = match self.proxies {
            1 => String::new(),
            many => format!(" on each of {many} proxies"),
        };
        let rules = match self.rules {
            1 => "the one rule".into(),
            many => format!("each of the {many} rules"),
        };
        format!("{rules} of the tenant's routes{proxies}")
    }

    /// Returns what the gateway counts in the place of the tenant's concurrent requests in all.
    fn remark(&self, way: &GatewayConfig) -> Option<String> {
        let most = way.gateway.concurrent_requests?;
        let is_divided = way.access == ClientAccess::Open && self.number() > 1 && !self.exceeds(most);
        is_divided.then(|| {
            let each = divided(most, self.number());
            format!(
                "spec.gateway.concurrentRequests: Envoy counts them for {}, {each} for each, so that all together stay within {most}",
                self.words()
            )
        })
    }

    /// Returns true where the counters, one request each, admit more.
    fn exceeds(&self, most: i64) -> bool {
        usize::try_from(most).is_ok_and(|most| most < self.number())
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
    leading(route).next().is_none()
}

/// The rules of an HTTPRoute, as JSON; nothing else has any.
fn rules(route: &Value) -> &[Value] {
    let rules = route.pointer("/spec/rules").and_then(Value::as_array);
    rules.map_or(&[], Vec::as_slice)
}

/// The rules of an HTTPRoute that lead to workloads.
fn leading(route: &Value) -> impl Iterator<Item = &Value> {
    rules(route).iter().filter(|rule| rule.get("backendRefs").is_some())
}

fn unsupported(way: &GatewayConfig, to: &Attachment, counters: &Counters, places: usize) -> Vec<Unsupported> {
    let crowd = way.gateway.concurrent_requests.filter(|most| counters.exceeds(*most));
    let crowd = crowd.map(|most| {
        let message = format!(
            "Envoy counts them for {}: {most} is less than one for each, so they admit {} at once; lead the routes to one workload, or set a greater number",
            counters.words(),
            counters.number()
        );
        Unsupported::feature("spec.gateway.concurrentRequests", message)
    });
    let unsent = tokens::unsent(way).into_iter().map(|(_, why)| why);
    let too_low = bandwidth::too_low(way, places);
    let unwritten = client_policy::unwritten(way, to);
    crowd
        .into_iter()
        .chain(rate_limits::unsupported(way))
        .chain(too_low)
        .chain(unwritten)
        .chain(fallbacks::cannot_choose(way))
        .chain(unsent)
        .chain(any_body(way))
        .collect()
}

/// Tells that the bodies of requests are not checked.
fn any_body(way: &GatewayConfig) -> Option<Unsupported> {
    let message = "Envoy Gateway cannot check bodies, so it admits all: let the workload check them";
    let mut routes = way.gateway.routes.iter();
    routes
        .any(|route| route.request_schema.is_some())
        .then(|| Unsupported::feature("spec.gateway.routes[].requestSchema", message))
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
    fn concurrent_requests_are_the_tenants_in_all_wherever_one_rule_can_have_them() {
        let route = |path: &str, workload: &str, admits: Value| {
            let mut route = json!({"path": {"type": "Exact", "value": path}, "backend": {"workload": workload}});
            crate::testing::lay_over(&mut route, admits);
            route
        };
        let roles = |role: &str| json!({"roles": [role]});
        let jwt = json!({"issuer": "i", "jwks": {"uri": "https://login.example.com/keys"}});
        let several = [
            route("/", "web", json!({})),
            route("/a", "web", roles("a")),
            route("/b", "web", roles("b")),
        ];
        let two = [route("/", "web", json!({})), route("/a", "api", roles("a"))];
        let tokens = json!({"authentication": {"jwt": jwt}});
        let both = json!({"authentication": {"jwt": jwt, "apiKeys": [{"name": "ci", "roles": ["a"]}]}});
        let by_path = json!({"identification": ["Host", "Path"], "authentication": {"jwt": jwt}});
        let of = |routes: &[Value], over: &Value, most: i64, proxies: usize| {
            let port = json!([{"name": "http", "containerPort": 8080}]);
            let mut gateway = json!({"hosts": ["acme.example.com"], "concurrentRequests": most, "routes": routes});
            crate::testing::lay_over(&mut gateway, over.clone());
            let spec = json!({
                "network": {"ingress": {"gateway": "Allow"}},
                "workloads": [{"name": "web", "image": "web:1", "ports": port}, {"name": "api", "image": "api:1", "ports": port}],
                "gateway": gateway,
            });
            let to = Attachment {
                proxies,
                ..attachment()
            };
            let written = write(&gateway_config(&acme(spec, json!({})), &to.shared_hosts), &to);
            let mut policies = written
                .objects
                .iter()
                .filter(|object| object.key.kind == Kind::BackendTrafficPolicy);
            let policy = policies.next().expect("a policy");
            let most = policy
                .value
                .pointer("/spec/circuitBreaker/maxParallelRequests")
                .and_then(Value::as_i64);
            (
                most.expect("a number"),
                written.remarks.len(),
                written.unsupported.len(),
            )
        };
        // Three routes with three kinds of clients, one workload.
        assert_eq!(of(&several, &tokens, 50, 1), (50, 0, 0));
        assert_eq!(of(&several, &tokens, 50, 2), (25, 1, 0));
        // Another workload, another kind of credentials, and each route by its path, is another counter.
        assert_eq!(of(&two, &tokens, 50, 1), (25, 1, 0));
        assert_eq!(of(&several, &both, 50, 1), (25, 1, 0));
        assert_eq!(of(&several, &by_path, 50, 1), (12, 1, 0));
        assert_eq!(of(&two, &tokens, 1, 1), (1, 0, 1));
    }
}
