//! Rate and connection limits. APISIX allows each limiting plugin once on a route, and counts each route separately. `limit-count` with a `group` is the
//! exception: it counts one window over several routes.

use super::routes::Rule;
use super::{NAME, object, plugin};
use crate::api::{RateLimit, RateLimitPer, RateLimitUnit};
use crate::cluster::{Desired, Kind};
use crate::gateway::config::{GatewayConfig, Target, Unsupported, divided};
use crate::gateway::{Attachment, Redis};
use crate::names;
use serde_json::{Value, json};

/// The variable with a route's name, which is the same for all its requests: limits by it count all clients together.
const TOGETHER: &str = "route_id";
/// The variable with a client's address.
const CLIENT: &str = "remote_addr";
/// The variable with the consumer of a request's API key; without a key APISIX takes the address instead.
const KEY: &str = "consumer_name";

/// The limits on a tenant's requests.
pub struct Limits {
    /// Plugins that all routes share.
    plugins: Vec<Value>,
    /// The concurrent requests that each route admits, from the total and from its Service's bound.
    connections: Vec<(Rule, i64)>,
    /// True where routes count by themselves: a rule has one `limit-count`, of the tenant or of its route.
    counts_routes: bool,
    /// The number of rules that count apart.
    rules: usize,
    redis: Option<Redis>,
}

pub fn of(way: &GatewayConfig, to: &Attachment, rules: &[Rule], unsupported: &mut Vec<Unsupported>) -> Limits {
    let open: Vec<&Rule> = rules.iter().filter(|rule| rule.blocked.is_none()).collect();
    let redis = to.redis.clone();
    let connections = connections(way, &open);
    unsupported.extend(too_few(way, open.len()));
    let mut plugins = Vec::new();
    let (bucket, windows) = split(way, &open, unsupported);
    unsupported.extend(of_routes(&open, !windows.is_empty()));
    let counts_routes = windows.is_empty() && open.iter().any(|rule| window(rule).is_some());
    let retry_after = match windows.as_slice() {
        [] if !counts_routes => "1".to_string(),
        [] | [_] => "${sent_http_x_ratelimit_reset ?? 1}".into(),
        // Which window is used up is not told; none is shorter.
        [first, ..] => first.unit.seconds().to_string(),
    };
    plugins.extend(count(way, &windows, redis.as_ref()));
    plugins.extend(bucket.map(|limit| leaky(limit, redis.as_ref())));
    if !plugins.is_empty() || !connections.is_empty() || counts_routes {
        plugins.push(plugin(
            "response-rewrite",
            json!({"vars": [["status", "==", 429]], "headers": {"set": {"Retry-After": retry_after}}}),
        ));
    }
    Limits {
        plugins,
        connections,
        counts_routes,
        rules: open.len(),
        redis,
    }
}

impl Limits {
    /// Returns true where all routes share plugins.
    pub fn has_config(&self) -> bool {
        !self.plugins.is_empty()
    }

    /// Returns the object with the plugins that all routes share.
    pub fn config(&self, way: &GatewayConfig, to: &Attachment) -> Option<Desired> {
        let spec = json!({"plugins": self.plugins});
        self.has_config()
            .then(|| object(way, to, Kind::ApisixPluginConfig, NAME, spec))
    }

    /// Returns the plugin that counts the requests of one route, over all its rules.
    pub fn of_route(&self, way: &GatewayConfig, rule: &Rule) -> Option<Value> {
        let (digest, limit) = window(rule).filter(|_| self.counts_routes)?;
        Some(one_window(way, limit, digest, self.redis.as_ref()))
    }

    /// Returns what APISIX counts in the place of the tenant's concurrent requests in all: `limit-conn` adds the route's version to its key.
    pub fn remark(&self, way: &GatewayConfig) -> Option<String> {
        let most = way.gateway.concurrent_requests?;
        let instances = match self.redis {
            Some(_) => "",
            None => " on each instance",
        };
        let is_divided = self.rules > 1 && usize::try_from(most).is_ok_and(|most| most >= self.rules);
        is_divided.then(|| {
            format!(
                "spec.gateway.concurrentRequests: APISIX counts them for each of the {} rules of the tenant's routes{instances}, {} for each, \
                 so that all together stay within {most}",
                self.rules,
                divided(most, self.rules)
            )
        })
    }

    /// Returns the plugin that bounds the concurrent requests of one route.
    pub fn connections(&self, rule: &Rule) -> Option<Value> {
        let (_, most) = self.connections.iter().find(|(known, _)| known == rule)?;
        let mut config = json!({
            "conn": most,
            "burst": 0,
            // Nobody is made to wait, but the plugin asks for it.
            "default_conn_delay": 0.1,
            "key_type": "var",
            "key": TOGETHER,
            "rejected_code": 429,
        });
        counted_by(&mut config, self.redis.as_ref());
        Some(plugin("limit-conn", config))
    }
}

/// Returns the limit of a rule's route that APISIX counts, and a digest of the route.
fn window(rule: &Rule) -> Option<(&str, &RateLimit)> {
    let (digest, limits) = rule.limited.as_ref()?;
    let limit = limits.iter().find(|limit| has_client(rule, limit))?;
    Some((digest, limit))
}

/// Returns true where a rule's requests have what the limit counts by.
fn has_client(rule: &Rule, limit: &RateLimit) -> bool {
    limit.per() != RateLimitPer::Key || rule.class.has_client()
}

/// Returns the limits of routes that are not in force.
fn of_routes(open: &[&Rule], counts_tenant: bool) -> Vec<Unsupported> {
    let mut unsupported: Vec<Unsupported> = Vec::new();
    for rule in open {
        let counted = window(rule).map(|(_, limit)| limit).filter(|_| !counts_tenant);
        let limits = rule.limited.iter().flat_map(|(_, limits)| limits);
        for limit in limits.filter(|limit| Some(*limit) != counted && has_client(rule, limit)) {
            let message = format!(
                "APISIX counts each route in one window, which is the tenant's if it has a limit, else the route's shortest: it does not enforce {}",
                limit.words()
            );
            let one = Unsupported::feature("spec.gateway.routes[].rateLimits", message);
            if !unsupported.contains(&one) {
                unsupported.push(one);
            }
        }
    }
    unsupported
}

/// Splits the rate limits: one for a leaky bucket, and windows that are counted, the shortest first. Reports the limits that APISIX supports neither way.
fn split<'a>(
    way: &'a GatewayConfig,
    open: &[&Rule],
    unsupported: &mut Vec<Unsupported>,
) -> (Option<&'a RateLimit>, Vec<&'a RateLimit>) {
    let routes = open.len();
    let mut cannot = |field: &'static str, message: String| unsupported.push(Unsupported::feature(field, message));
    let (mut bucket, mut windows) = (None, Vec::new());
    for limit in &way.gateway.rate_limits {
        let unit = limit.unit.as_str();
        if !open.iter().all(|rule| has_client(rule, limit)) {
            let message = format!(
                "APISIX counts by API key only where every route requires one: it does not enforce {}",
                limit.words()
            );
            cannot("spec.gateway.rateLimits[].per", message);
            continue;
        }
        let is_counted_once = limit.per() == RateLimitPer::Tenant && routes == 1;
        let has_bucket = limit.burst.is_some() && limit.unit == RateLimitUnit::Second && is_counted_once;
        match has_bucket {
            true => bucket = Some(limit),
            false => windows.push(limit),
        }
        if limit.burst.is_some() && !has_bucket {
            let why = match limit.unit {
                RateLimitUnit::Second if routes == 1 => "for each client or key".into(),
                RateLimitUnit::Second => format!("over several routes (here {routes})"),
                _ => "for units other than Second".into(),
            };
            let message = format!(
                "APISIX has no burst {why}: up to {} requests a {unit} may come at once",
                limit.requests
            );
            cannot("spec.gateway.rateLimits[].burst", message);
        }
    }
    if routes > 1 {
        for limit in windows.iter().skip(1) {
            let message = format!(
                "APISIX counts requests over several routes (here {routes}) in one window only, the shortest: it does not enforce {}; \
                 set one limit, or route everything to one workload",
                limit.words()
            );
            cannot("spec.gateway.rateLimits", message);
        }
        windows.truncate(1);
    }
    (bucket, windows)
}

fn count(way: &GatewayConfig, windows: &[&RateLimit], redis: Option<&Redis>) -> Option<Value> {
    let mut config = counter(redis);
    match windows {
        [] => return None,
        [limit] => return Some(one_window(way, limit, "", redis)),
        several => {
            let rules: Vec<Value> = several
                .iter()
                .map(|limit| {
                    let unit = limit.unit.as_str();
                    // Each is counted under a name of its own.
                    let (key, prefix) = match limit.per() {
                        RateLimitPer::Tenant => (format!("${TOGETHER} {unit}"), unit.to_string()),
                        RateLimitPer::Client => (format!("${TOGETHER} ${CLIENT} {unit}"), format!("Client-{unit}")),
                        RateLimitPer::Key => (format!("${TOGETHER} ${KEY} {unit}"), format!("Key-{unit}")),
                    };
                    json!({"count": limit.requests, "time_window": limit.unit.seconds(), "key": key, "header_prefix": prefix})
                })
                .collect();
            config["rules"] = json!(rules);
        }
    }
    Some(plugin("limit-count", config))
}

fn counter(redis: Option<&Redis>) -> Value {
    let mut config = json!({"rejected_code": 429, "show_limit_quota_header": true});
    counted_by(&mut config, redis);
    config
}

/// Counts in one window over all rules that have it.
fn one_window(way: &GatewayConfig, limit: &RateLimit, of: &str, redis: Option<&Redis>) -> Value {
    let mut config = counter(redis);
    config["count"] = json!(limit.requests);
    config["time_window"] = json!(limit.unit.seconds());
    (config["key_type"], config["key"]) = match limit.per() {
        RateLimitPer::Tenant => (json!("constant"), json!(way.owner.id)),
        RateLimitPer::Client => (json!("var"), json!(CLIENT)),
        RateLimitPer::Key => (json!("var"), json!(KEY)),
    };
    // A group keeps its first limit: another limit is another group.
    let digest = names::digest(format!("{config}{of}").as_bytes());
    config["group"] = json!(format!("{}-{}", way.owner.id, &digest[..8]));
    plugin("limit-count", config)
}

fn leaky(limit: &RateLimit, redis: Option<&Redis>) -> Value {
    let mut config = json!({
        "rate": limit.requests,
        "burst": limit.burst.unwrap_or_default(),
        "key_type": "var",
        "key": TOGETHER,
        "rejected_code": 429,
    });
    counted_by(&mut config, redis);
    plugin("limit-req", config)
}

/// Sets the place of the counters: one Redis for all of APISIX, else each instance's own memory.
fn counted_by(config: &mut Value, redis: Option<&Redis>) {
    match redis {
        None => config["policy"] = json!("local"),
        Some(Redis { host, port }) => {
            config["policy"] = json!("redis");
            config["redis_host"] = json!(host);
            config["redis_port"] = json!(port);
        }
    }
}

/// Returns a reason where the limit of concurrent requests is below the number of routes, since each route must admit one.
fn too_few(way: &GatewayConfig, routes: usize) -> Option<Unsupported> {
    let most = way.gateway.concurrent_requests?;
    let is_enough = usize::try_from(most).is_ok_and(|most| most >= routes);
    (!is_enough).then(|| {
        let message = format!(
            "APISIX counts for each route separately: {routes} routes admit {routes} requests at once, not {most}"
        );
        Unsupported::feature("spec.gateway.concurrentRequests", message)
    })
}

/// The bounds divided by the routes that they are for: together these do not exceed them. A request that is under way has one connection to the workload, and
/// none waits for another's.
fn connections(way: &GatewayConfig, open: &[&Rule]) -> Vec<(Rule, i64)> {
    let of_rule = |rule: &&Rule| {
        let all = way.gateway.concurrent_requests.map(|most| divided(most, open.len()));
        let leads_to = |other: &Rule, target: &Target| {
            let mut others = other.targets.iter();
            others.any(|other| other.backend.has_service_of(&target.backend))
        };
        let beside = |target: &Target| open.iter().filter(|other| leads_to(other, target)).count();
        let to_one = way.gateway.traffic.max_connections.into_iter();
        let to_each = to_one.flat_map(|most| rule.targets.iter().map(move |target| divided(most, beside(target))));
        let most = all.into_iter().chain(to_each).min()?;
        Some(((*rule).clone(), most))
    };
    open.iter().filter_map(of_rule).collect()
}
