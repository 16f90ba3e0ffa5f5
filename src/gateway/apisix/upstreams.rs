//! ApisixUpstreams. One has the connection settings of each Service that routes lead to, and its name. One has the address of each port of a shared
//! application.

use super::object;
use crate::api::LoadBalancing;
use crate::cluster::{Desired, Kind};
use crate::gateway::Attachment;
use crate::gateway::config::{Backend, GatewayConfig, Unsupported, ValidSession, ValidTraffic};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The host of a route without a backend, since APISIX requires one: a name that never resolves (RFC 2606), and no workload.
pub const NOWHERE: &str = "nowhere.invalid";
/// The highest count of failures that APISIX supports.
const MOST_FAILURES: i32 = 254;

pub fn upstreams(way: &GatewayConfig, to: &Attachment, unsupported: &mut Vec<Unsupported>) -> Vec<Desired> {
    let spec = spec(&way.gateway.traffic);
    unsupported.extend(cannot(&way.gateway.traffic));
    unsupported.extend(cannot_choose(way));
    let mut upstreams = applications(way, to);
    if spec != json!({}) {
        let own = way.backends().filter(|backend| backend.namespace.is_none());
        let services: BTreeSet<&str> = own.map(|backend| backend.service.as_str()).collect();
        let services = services.into_iter();
        upstreams.extend(services.map(|service| object(way, to, Kind::ApisixUpstream, service, spec.clone())));
    }
    upstreams
}

/// Returns the upstreams of the shared applications. APISIX finds a Service of another namespace by its DNS name.
pub fn applications(way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
    let mut specs = BTreeMap::new();
    for backend in way.backends() {
        let Some(namespace) = &backend.namespace else { continue };
        let mut spec = domain(&format!("{}.{namespace}.svc", backend.service), backend.port);
        if let Some(retries) = way.gateway.traffic.retries {
            spec["retries"] = json!(retries);
        }
        specs.insert(name(backend), spec);
    }
    if way.has_loose_end() {
        specs.insert(NOWHERE.into(), domain(NOWHERE, 80));
    }
    let specs = specs.into_iter();
    specs
        .map(|(name, spec)| object(way, to, Kind::ApisixUpstream, &name, spec))
        .collect()
}

fn domain(host: &str, port: u16) -> Value {
    json!({"externalNodes": [{"name": host, "type": "Domain", "port": port, "weight": 1}]})
}

/// Returns the name of a Service's ApisixUpstream. No workload has a dot in its name, so an application's upstream never collides with a workload's.
pub fn name(backend: &Backend) -> String {
    match &backend.namespace {
        None => backend.service.clone(),
        Some(namespace) => format!("{}.{namespace}.{}", backend.service, backend.port),
    }
}

/// Reports settings for a workload's pods that do not apply to the pods of shared applications.
fn cannot_choose(way: &GatewayConfig) -> Vec<Unsupported> {
    let traffic = &way.gateway.traffic;
    let asked = [
        ("spec.gateway.traffic.loadBalancing", traffic.load_balancing.is_some()),
        ("spec.gateway.traffic.sessionPersistence", traffic.session.is_some()),
        ("spec.gateway.traffic.outlierDetection", traffic.outliers.is_some()),
    ];
    let shared = way.backends().find(|backend| backend.namespace.is_some());
    let say = |(field, backend): (&'static str, &Backend)| {
        let message = format!(
            "APISIX reaches {} by its Service, which chooses the pod itself: this setting applies to workloads only",
            backend.service
        );
        Unsupported::feature(field, message)
    };
    let asked = asked.into_iter().filter(|(_, is_asked)| *is_asked);
    asked.filter_map(|(field, _)| Some(say((field, shared?)))).collect()
}

fn spec(traffic: &ValidTraffic) -> Value {
    let mut spec = json!({});
    if let Some(retries) = traffic.retries {
        spec["retries"] = json!(retries);
    }
    match traffic.load_balancing {
        None | Some(LoadBalancing::Random) => {}
        Some(LoadBalancing::RoundRobin) => spec["loadbalancer"] = json!({"type": "roundrobin", "hashOn": "vars"}),
        Some(LoadBalancing::LeastRequest) => spec["loadbalancer"] = json!({"type": "least_conn", "hashOn": "vars"}),
        Some(LoadBalancing::SourceIP) => {
            spec["loadbalancer"] = json!({"type": "chash", "hashOn": "vars", "key": "remote_addr"});
        }
    }
    if let Some(session) = &traffic.session {
        let (place, name) = match session {
            ValidSession::Cookie(name, _) => ("cookie", name),
            ValidSession::Header(name) => ("header", name),
        };
        spec["loadbalancer"] = json!({"type": "chash", "hashOn": place, "key": name});
    }
    if let Some((errors, time)) = traffic.outliers {
        spec["healthCheck"] = health(errors.min(MOST_FAILURES), time);
    }
    spec
}

/// Requests show which pod fails; that it takes connections, twice and so not before this time, brings it back.
fn health(errors: i32, time: Duration) -> Value {
    let interval = format!("{}s", seconds(time));
    json!({
        "active": {
            "type": "tcp",
            "healthy": {"interval": interval, "successes": 2},
            "unhealthy": {"interval": interval, "tcpFailures": errors},
        },
        "passive": {
            "type": "http",
            "healthy": {"httpCodes": HEALTHY, "successes": 1},
            "unhealthy": {
                "httpCodes": [500, 501, 502, 503, 504, 505],
                "httpFailures": errors, "tcpFailures": errors, "timeout": errors,
            },
        },
    })
}

/// Answers that end a row of failures.
const HEALTHY: [u16; 22] = [
    200, 201, 202, 203, 204, 206, 207, 208, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 409, 422, 429,
];

/// Returns whole seconds, at least one: APISIX knows no shorter time here.
pub fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

fn cannot(traffic: &ValidTraffic) -> Vec<Unsupported> {
    let mut cannot = Vec::new();
    let mut say = |field: &'static str, message: String| cannot.push(Unsupported::feature(field, message));
    if let Some(time) = traffic.request_timeout {
        let message = format!(
            "APISIX limits the time between two parts of an answer, not the whole answer: a slow answer may take longer than {}s",
            seconds(time)
        );
        say("spec.gateway.traffic.requestTimeout", message);
    }
    if traffic.load_balancing == Some(LoadBalancing::Random) {
        let message = "APISIX does not choose pods at random: it uses round robin".to_string();
        say("spec.gateway.traffic.loadBalancing", message);
    }
    if let Some(ValidSession::Cookie(name, _)) = &traffic.session {
        let message = format!(
            "APISIX creates no cookie: without {name} it chooses the pod by the client's address, so let the workload set that cookie"
        );
        say("spec.gateway.traffic.sessionPersistence", message);
    }
    if let Some((errors, _)) = traffic.outliers
        && errors > MOST_FAILURES
    {
        let message = format!(
            "APISIX counts to {MOST_FAILURES} at most: it ejects a pod after that many failures in a row, not after {errors}"
        );
        say("spec.gateway.traffic.outlierDetection.consecutiveErrors", message);
    }
    cannot
}
