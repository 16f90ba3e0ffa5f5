//! Rate limits, as rules of the BackendTrafficPolicy, all of which count over all routes of the tenant. A rule of a limit that is for one route, client or key
//! selects its requests. Pure.

use crate::api::{HttpMethod, PathType, RateLimit, RateLimitPer, RateLimitUnit, RoutePath};
use crate::gateway::config::{Entry, GatewayConfig, Route, TENANT_CLIENT, Unsupported, ValidApiKey};
use crate::names;
use serde_json::{Value, json};

/// Envoy Gateway's own bounds: of rules in a policy, and of characters in an expression.
const RULES: usize = 256;
const EXPRESSION: usize = 1024;
/// The most requests that Envoy Gateway takes in a rule.
const REQUESTS: i64 = u32::MAX as i64;

/// A number of requests in one whole unit of time.
struct Window {
    requests: i64,
    unit: &'static str,
}

/// The rules, those of all requests first: counting restarts when a rule's position changes, and keys come and go.
pub fn rules(way: &GatewayConfig) -> Vec<Value> {
    let mut rules = all(way);
    rules.truncate(RULES);
    rules
}

/// Returns the limits that are not in force.
pub fn unsupported(way: &GatewayConfig) -> Vec<Unsupported> {
    let paths = Paths::of(way);
    let limited = way.gateway.routes.iter().filter(|route| !route.rate_limits.is_empty());
    let long = limited.filter(|route| selectors(way, route, &paths).is_none()).map(|route| {
        let message = format!(
            "{:.80}: Envoy Gateway counts by expressions of {EXPRESSION} characters, for which this path is too long: shorten it",
            route.path.value
        );
        Unsupported::feature("spec.gateway.routes[].rateLimits", message)
    });
    let number = all(way).len();
    let many = (number > RULES).then(|| {
        let message = format!(
            "Envoy Gateway counts by {RULES} rules at most, and the limits of the routes need {number}: set fewer limits of each key"
        );
        Unsupported::feature("spec.gateway.routes[].rateLimits", message)
    });
    long.chain(many).collect()
}

fn all(way: &GatewayConfig) -> Vec<Value> {
    let keys = &way.gateway.keys;
    let (by_key, together): (Vec<&RateLimit>, Vec<&RateLimit>) = way
        .gateway
        .rate_limits
        .iter()
        .partition(|limit| limit.per() == RateLimitPer::Key);
    let of_tenant = together.into_iter().chain(by_key);
    let mut rules: Vec<Value> = of_tenant
        .flat_map(|limit| counted(limit, &way.gateway.rate_limits, &json!({}), keys))
        .collect();
    let paths = Paths::of(way);
    for route in &way.gateway.routes {
        if let Some(selector) = selectors(way, route, &paths) {
            rules.extend(
                route
                    .rate_limits
                    .iter()
                    .flat_map(|limit| counted(limit, &route.rate_limits, &selector, keys)),
            );
        }
    }
    rules
}

/// Returns the windows of a limit. Envoy Gateway has no burst: one window admits it, and the rate holds in the next longer one, unless a limit beside it is
/// as strict there.
fn windows(limit: &RateLimit, beside: &[RateLimit]) -> Vec<Window> {
    let burst = |limit: &RateLimit| limit.burst.unwrap_or_default();
    let first = Window {
        requests: limit.requests + burst(limit),
        unit: limit.unit.as_str(),
    };
    let (times, unit) = next(limit.unit);
    let requests = (limit.requests * times).min(REQUESTS);
    let is_as_strict = |other: &RateLimit| {
        (other.unit.as_str(), other.per()) == (unit, limit.per()) && other.requests + burst(other) <= requests
    };
    let needs_second = limit.burst.is_some() && !beside.iter().any(is_as_strict);
    let second = needs_second.then_some(Window { requests, unit });
    [first].into_iter().chain(second).collect()
}

/// Returns the unit of Envoy Gateway that is next to a unit, and how many of the shorter ones it has.
fn next(unit: RateLimitUnit) -> (i64, &'static str) {
    match unit {
        RateLimitUnit::Second => (60, "Minute"),
        RateLimitUnit::Minute => (60, "Hour"),
        RateLimitUnit::Hour => (24, "Day"),
        RateLimitUnit::Day => (7, "Week"),
    }
}

/// Returns the rules of a limit, in all its windows.
fn counted(limit: &RateLimit, beside: &[RateLimit], selector: &Value, keys: &[ValidApiKey]) -> Vec<Value> {
    let windows = windows(limit, beside);
    windows
        .iter()
        .flat_map(|window| in_window(window, limit.per(), selector, keys))
        .collect()
}

/// Returns the rules of a window for the requests of a selector. A client is known by its address, of either family; a key by the name that the gateway sends to
/// workloads, under which the former and the next one count too.
fn in_window(window: &Window, per: RateLimitPer, selector: &Value, keys: &[ValidApiKey]) -> Vec<Value> {
    let rule = |selector: Value| {
        let mut rule = json!({
            "limit": {"requests": window.requests, "unit": window.unit},
            "shared": true,
        });
        if selector.as_object().is_some_and(|fields| !fields.is_empty()) {
            rule["clientSelectors"] = json!([selector]);
        }
        rule
    };
    let of_addresses = |addresses: &&str| {
        let mut selector = selector.clone();
        selector["sourceCIDR"] = json!({"type": "Distinct", "value": addresses, "invert": false});
        rule(selector)
    };
    let of_key = |key: &ValidApiKey| {
        let [own, former] = names::api_key_clients(&key.name);
        let clients = [own, former, names::api_key_next(&key.name)].map(|name| escaped(&name));
        let mut selector = selector.clone();
        let mut headers = selector["headers"].as_array().cloned().unwrap_or_default();
        headers.insert(0, header(TENANT_CLIENT, &format!("^({})$", clients.join("|")), false));
        selector["headers"] = json!(headers);
        rule(selector)
    };
    match per {
        RateLimitPer::Tenant => vec![rule(selector.clone())],
        RateLimitPer::Client => ["0.0.0.0/0", "::/0"].iter().map(of_addresses).collect(),
        RateLimitPer::Key => keys.iter().map(of_key).collect(),
    }
}

/// Where the routes' paths begin for clients: after the prefix of the tenant, at once, or both.
struct Paths {
    prefix: Option<String>,
    is_plain: bool,
}

impl Paths {
    fn of(way: &GatewayConfig) -> Self {
        let prefix = way.entries.iter().find_map(|entry| match entry {
            Entry::Path { prefix, .. } => Some(escaped(prefix)),
            _ => None,
        });
        let is_plain = way.entries.iter().any(|entry| !matches!(entry, Entry::Path { .. }));
        Self { prefix, is_plain }
    }

    /// Returns an expression for the requests at a path, as clients send them.
    fn expression(&self, path: &RoutePath) -> String {
        let begin = match (&self.prefix, self.is_plain) {
            (None, _) => String::new(),
            (Some(prefix), false) => prefix.clone(),
            (Some(prefix), true) => format!("({prefix})?"),
        };
        let value = match (path.type_, path.value.as_str()) {
            (PathType::PathPrefix, "/") => String::new(),
            (_, value) => escaped(value),
        };
        let end = match path.type_ {
            PathType::PathPrefix => "[/?].*",
            PathType::Exact => "[?].*",
        };
        format!("^{begin}{value}({end})?$")
    }
}

/// Returns the selector of a route's requests; None where its path is too long. Requests that a more specific route takes are left out, unless that route may
/// take only some of them by their method, or the same path means another route by another identification: these count for both.
fn selectors(way: &GatewayConfig, route: &Route, paths: &Paths) -> Option<Value> {
    let mut selector = json!({});
    let is_all = route.path.type_ == PathType::PathPrefix && route.path.value == "/" && paths.is_plain;
    if !is_all {
        let value = paths.expression(&route.path);
        if value.len() > EXPRESSION {
            return None;
        }
        selector["path"] = json!({"type": "RegularExpression", "value": value, "invert": false});
    }
    if !route.methods.is_empty() {
        let method = |method: &HttpMethod| json!({"value": method.as_str(), "invert": false});
        selector["methods"] = json!(route.methods.iter().map(method).collect::<Vec<_>>());
    }
    if !(paths.is_plain && paths.prefix.is_some()) {
        let others = way.gateway.routes.iter().take_while(|other| *other != route);
        let others = others
            .filter(|other| takes(other, route))
            .map(|other| paths.expression(&other.path));
        let others: Vec<Value> = others
            .filter(|value| value.len() <= EXPRESSION)
            .map(|value| header(":path", &value, true))
            .collect();
        if !others.is_empty() {
            selector["headers"] = json!(others);
        }
    }
    Some(selector)
}

/// Returns true where a route that precedes another takes all requests of the other at its path.
fn takes(route: &Route, from: &Route) -> bool {
    let below = match from.path.value.as_str() {
        "/" => "/".into(),
        value => format!("{value}/"),
    };
    let (same, within) = (
        route.path.value == from.path.value,
        route.path.value.starts_with(&below),
    );
    let is_at = match from.path.type_ {
        PathType::PathPrefix => same || within,
        PathType::Exact => same && route.path.type_ == PathType::Exact,
    };
    let all_methods = route.methods.is_empty()
        || (!from.methods.is_empty() && from.methods.iter().all(|method| route.methods.contains(method)));
    is_at && all_methods
}

fn header(name: &str, value: &str, invert: bool) -> Value {
    json!({"type": "RegularExpression", "name": name, "value": value, "invert": invert})
}

/// Returns a text as an expression for itself.
fn escaped(text: &str) -> String {
    let each = text.chars().map(|char| match char {
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => format!("\\{char}"),
        char => char.to_string(),
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::fixtures::{acme, attachment, gateway_config};

    fn way(routes: Value, identification: &[&str]) -> GatewayConfig {
        let port = json!([{"name": "http", "containerPort": 8080}]);
        let spec = json!({
            "network": {"ingress": {"gateway": "Allow"}},
            "workloads": [{"name": "web", "image": "web:1", "ports": port}],
            "gateway": {"hosts": ["acme.example.com"], "identification": identification, "routes": routes},
        });
        gateway_config(&acme(spec, json!({})), &attachment().shared_hosts)
    }

    fn route(type_: &str, path: &str, methods: &[&str], limited: bool) -> Value {
        let limits = match limited {
            true => json!([{"requests": 5, "unit": "Minute"}]),
            false => json!([]),
        };
        json!({"path": {"type": type_, "value": path}, "methods": methods, "backend": {"workload": "web"}, "rateLimits": limits})
    }

    /// The path, the methods, and the paths that do not count.
    fn selected(way: &GatewayConfig) -> (String, usize, Vec<String>) {
        let rules = rules(way);
        assert_eq!(rules.len(), 1, "{rules:?}");
        let selector = rules[0].pointer("/clientSelectors/0").cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let others = selector["headers"].as_array().into_iter().flatten();
        (
            text(&selector["path"]["value"]),
            selector["methods"].as_array().map_or(0, Vec::len),
            others.map(|header| text(&header["value"])).collect(),
        )
    }

    #[test]
    fn a_routes_limit_counts_what_no_more_specific_route_takes() {
        let routes = |limited: &str| {
            let of = |type_: &str, path: &str, methods: &[&str]| {
                let is_it = limited == format!("{path}{}", methods.join(","));
                route(type_, path, methods, is_it)
            };
            json!([
                of("PathPrefix", "/", &[]),
                of("PathPrefix", "/a.b", &[]),
                of("PathPrefix", "/a.b/c", &["GET"]),
                of("Exact", "/x", &[]),
            ])
        };
        let of = |limited: &str| selected(&way(routes(limited), &["Host"]));
        let (at, exact) = ("^/a\\.b([/?].*)?$".to_owned(), "^/x([?].*)?$".to_owned());
        // The route for GET alone takes only some requests.
        assert_eq!(of("/"), (String::new(), 0, vec![exact.clone(), at.clone()]));
        assert_eq!(of("/a.b"), (at, 0, vec![]));
        assert_eq!(of("/a.b/cGET"), ("^/a\\.b/c([/?].*)?$".into(), 1, vec![]));
        assert_eq!(of("/x"), (exact, 0, vec![]));
    }

    #[test]
    fn a_path_is_what_clients_send_by_any_identification() {
        let of = |by: &[&str]| {
            let routes = json!([
                route("PathPrefix", "/", &[], true),
                route("PathPrefix", "/api", &[], false)
            ]);
            selected(&way(routes, by))
        };
        let api = "^/tenants/acme/api([/?].*)?$".to_owned();
        assert_eq!(of(&["Path"]), ("^/tenants/acme([/?].*)?$".into(), 0, vec![api]));
        // By its host the same path is another route's.
        assert_eq!(of(&["Host", "Path"]), (String::new(), 0, vec![]));
    }

    #[test]
    fn a_burst_passes_in_one_window_and_the_rate_holds_in_the_next() {
        let windows_of = |limits: Value| {
            let limits: Vec<RateLimit> = serde_json::from_value(limits).expect("limits");
            let of = |limit: &RateLimit| windows(limit, &limits);
            let all = limits.iter().flat_map(of);
            all.map(|window| format!("{} {}", window.requests, window.unit))
                .collect::<Vec<_>>()
        };
        let cases: [(&str, Value, &[&str]); 9] = [
            ("none", json!([{"requests": 500, "unit": "Second"}]), &["500 Second"]),
            (
                "a second",
                json!([{"requests": 500, "unit": "Second", "burst": 50}]),
                &["550 Second", "30000 Minute"],
            ),
            (
                "a minute",
                json!([{"requests": 10, "unit": "Minute", "burst": 5}]),
                &["15 Minute", "600 Hour"],
            ),
            (
                "an hour",
                json!([{"requests": 10, "unit": "Hour", "burst": 5}]),
                &["15 Hour", "240 Day"],
            ),
            (
                "a day",
                json!([{"requests": 10, "unit": "Day", "burst": 5}]),
                &["15 Day", "70 Week"],
            ),
            (
                "a stricter minute",
                json!([{"requests": 10, "unit": "Second", "burst": 5}, {"requests": 600, "unit": "Minute"}]),
                &["15 Second", "600 Minute"],
            ),
            (
                "a minute that admits more",
                json!([{"requests": 10, "unit": "Second", "burst": 5}, {"requests": 599, "unit": "Minute", "burst": 2}]),
                &["15 Second", "600 Minute", "601 Minute", "35940 Hour"],
            ),
            (
                "a minute of others",
                json!([{"requests": 10, "unit": "Second", "burst": 5}, {"requests": 10, "unit": "Minute", "per": "Client"}]),
                &["15 Second", "600 Minute", "10 Minute"],
            ),
            (
                "more than Envoy Gateway takes",
                json!([{"requests": 1_000_000_000, "unit": "Second", "burst": 1_000_000_000}]),
                &["2000000000 Second", "4294967295 Minute"],
            ),
        ];
        for (name, limits, expected) in cases {
            assert_eq!(windows_of(limits), expected, "{name}");
        }
    }

    #[test]
    fn limits_that_do_not_fit_are_said_not_to_be_in_force() {
        let path = format!("/{}", ".".repeat(511));
        let long = way(json!([route("Exact", &path, &[], true)]), &["Host"]);
        assert_eq!((rules(&long).len(), unsupported(&long).len()), (0, 1));
    }
}
