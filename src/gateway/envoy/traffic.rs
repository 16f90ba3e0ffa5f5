//! The BackendTrafficPolicy: how much, and how it is passed on. It is for every HTTPRoute of the namespace, those that the tenant makes itself
//! included, and all of them count together.

use super::{Counters, NAME, POLICIES, bandwidth, error_responses, fallbacks, object, rate_limits};
use crate::api::LoadBalancing;
use crate::cluster::{Desired, Kind};
use crate::gateway::config::{ClientAccess, GatewayConfig, ValidSession, ValidTraffic, divided};
use serde_json::{Value, json};
use std::time::Duration;

/// The size of the table for consistent hashing, which the API server would fill in.
const TABLE_SIZE: u32 = 65537;
/// Envoy Gateway's own default bound.
const UNSAID: i64 = 1024;

pub fn policy(way: &GatewayConfig, counters: &Counters, places: usize) -> Option<Desired> {
    let gateway = &way.gateway;
    let mut spec = json!({});
    let counted = rate_limits::rules(way);
    if !counted.is_empty() {
        spec["rateLimit"] = json!({"global": {"rules": counted}});
    }
    pass_on(&mut spec, &gateway.traffic);
    fallbacks::notice(&mut spec, way);
    let requests = gateway.concurrent_requests.map(|most| divided(most, counters.number()));
    if let Some(breaker) = breaker(&gateway.traffic, requests) {
        spec["circuitBreaker"] = breaker;
    }
    if let Some(limit) = bandwidth::limit(way, places) {
        spec["bandwidthLimit"] = limit;
    }
    let overrides = error_responses::overrides(way);
    if !overrides.is_empty() {
        spec["responseOverride"] = json!(overrides);
    }
    // Kept apart in the proxy's metrics by whose it is.
    spec["telemetry"] = json!({"metrics": {"routeStatName": "%ROUTE_NAMESPACE%/%ROUTE_NAME%"}});
    spec["targetSelectors"] = json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}]);
    (way.access == ClientAccess::Open).then(|| object(way, Kind::BackendTrafficPolicy, POLICIES, NAME, &[], spec))
}

/// Returns the bounds of connections and requests on each rule, with every field set: the API server would fill in the others.
fn breaker(traffic: &ValidTraffic, requests: Option<i64>) -> Option<Value> {
    let (connections, pending) = (traffic.max_connections, traffic.max_pending_requests);
    // Each request may need a connection, and wait for it.
    let unsaid = requests.unwrap_or_default().max(UNSAID);
    [connections, pending, requests].iter().any(Option::is_some).then(|| {
        json!({
            "maxConnections": connections.unwrap_or(unsaid),
            "maxPendingRequests": pending.unwrap_or(unsaid),
            "maxParallelRequests": requests.unwrap_or(UNSAID),
            "maxParallelRetries": UNSAID,
        })
    })
}

fn pass_on(spec: &mut Value, traffic: &ValidTraffic) {
    if let Some(timeout) = traffic.request_timeout {
        spec["timeout"] = json!({"http": {"requestTimeout": text(timeout)}});
    }
    if let Some(retries) = traffic.retries.filter(|retries| *retries > 0) {
        let on = ["connect-failure", "retriable-status-codes", "reset-before-request"];
        let retry = json!({"numRetries": retries, "retryOn": {"triggers": on, "httpStatusCodes": [502, 503, 504]}});
        spec["retry"] = retry;
    }
    if let Some((errors, time)) = traffic.outliers {
        spec["healthCheck"] = json!({"passive": {
            "consecutive5XxErrors": errors,
            "consecutiveGatewayErrors": errors,
            "baseEjectionTime": text(time),
            "interval": "3s",
            "splitExternalLocalOriginErrors": false,
            "consecutiveLocalOriginFailures": errors,
            // A tenth of a few pods would be none.
            "maxEjectionPercent": 50,
            "alwaysEjectOneEndpoint": true,
        }});
    }
    match traffic.load_balancing {
        None => {}
        Some(LoadBalancing::SourceIP) => {
            spec["loadBalancer"] =
                json!({"type": "ConsistentHash", "consistentHash": {"type": "SourceIP", "tableSize": TABLE_SIZE}});
        }
        Some(other) => spec["loadBalancer"] = json!({"type": other.as_str()}),
    }
    if let Some(session) = &traffic.session {
        let mut hash = by_session(session);
        hash["tableSize"] = json!(TABLE_SIZE);
        spec["loadBalancer"] = json!({"type": "ConsistentHash", "consistentHash": hash});
    }
}

/// Returns the mark by which Envoy chooses the pod. It creates a cookie only if it knows a lifetime; 0 means the client's session.
fn by_session(session: &ValidSession) -> Value {
    match session {
        // The cookie of one path is also for all others. Of several attributes, Envoy Gateway would change the order again and again.
        ValidSession::Cookie(name, time) => json!({"type": "Cookie", "cookie": {
            "name": name,
            "ttl": time.map_or_else(|| "0s".into(), text),
            "attributes": {"Path": "/"},
        }}),
        ValidSession::Header(name) => json!({"type": "Headers", "headers": [{"name": name}]}),
    }
}

/// A duration of Gateway API (GEP-2257): at most five digits of each unit.
pub fn text(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(millis), "ms"),
    ];
    let text: String = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() { "1ms".into() } else { text }
}
