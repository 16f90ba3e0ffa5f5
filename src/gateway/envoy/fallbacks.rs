//! Fallbacks: Envoy leads to the backends of such a route by the names of their Services, since it chooses among addresses of one kind only. A Service without
//! a ready pod refuses connections, and then the fallback answers.

use super::{NAME, POLICIES, object};
use crate::cluster::{Desired, Kind};
use crate::gateway::Attachment;
use crate::gateway::config::{Backend, GatewayConfig, Target, Unsupported};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The time for which Envoy leaves out a Service that refuses connections; longer each time in a row, at most five minutes.
const EJECTION: &str = "5s";
/// The retries of a request that could not be forwarded.
const RETRIES: u8 = 2;

/// Returns true where one of a route's targets is a fallback.
pub fn has_one(targets: &[Target]) -> bool {
    targets.iter().any(|target| target.is_fallback)
}

/// Returns the Backends of routes with a fallback.
pub fn backends(way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
    let routes = way.gateway.routes.iter().filter(|route| has_one(&route.targets));
    let targets = routes.flat_map(|route| &route.targets);
    let by_name: BTreeMap<String, &Target> = targets.map(|target| (name(target), target)).collect();
    let of = |(name, target): (String, &Target)| {
        let Backend {
            service,
            namespace,
            port,
        } = &target.backend;
        let namespace = namespace.as_ref().unwrap_or(&way.owner.tenant);
        let host = format!("{service}.{namespace}.svc.{}", to.cluster_domain);
        let mut spec = json!({"type": "Endpoints", "endpoints": [{"fqdn": {"hostname": host, "port": port}}]});
        if target.is_fallback {
            spec["fallback"] = json!(true);
        }
        object(way, Kind::Backend, POLICIES, &name, &[], spec)
    };
    by_name.into_iter().map(of).collect()
}

/// Returns the reference of a rule to a target's Backend.
pub fn reference(target: &Target) -> Value {
    json!({"group": "gateway.envoyproxy.io", "kind": Kind::Backend.as_str(), "name": name(target), "weight": target.weight})
}

/// No Service has a dot in its name, so that one of an application has another name than any of a workload.
fn name(target: &Target) -> String {
    let Backend {
        service,
        namespace,
        port,
    } = &target.backend;
    let service = match namespace {
        None => service.clone(),
        Some(namespace) => format!("{service}.{namespace}"),
    };
    let place = if target.is_fallback { "fallback" } else { "backend" };
    format!("{NAME}-{place}-{service}-{port}")
}

/// Lets Envoy notice that a Service refuses connections, and try the next one with the same request: adds to the tenant's policy what it lacks for that.
pub fn notice(spec: &mut Value, way: &GatewayConfig) {
    if !way.has_fallback() {
        return;
    }
    if spec.get("healthCheck").is_none() {
        spec["healthCheck"] = json!({"passive": {
            // Answers count only where outlierDetection asks for it.
            "consecutive5XxErrors": 0,
            "consecutiveGatewayErrors": 0,
            "baseEjectionTime": EJECTION,
            "interval": "3s",
            "maxEjectionPercent": 50,
            "alwaysEjectOneEndpoint": true,
        }});
    }
    let passive = &mut spec["healthCheck"]["passive"];
    passive["splitExternalLocalOriginErrors"] = json!(true);
    passive["consecutiveLocalOriginFailures"] = json!(1);
    if spec.get("retry").is_none() && way.gateway.traffic.retries.is_none() {
        spec["retry"] = json!({"numRetries": RETRIES, "retryOn": {"triggers": ["connect-failure"]}});
    }
    if let Some(retry) = spec.get_mut("retry") {
        retry["numAttemptsPerPriority"] = json!(1);
    }
}

/// Reports fallbacks that the operator may not write.
pub fn unwritten(way: &GatewayConfig) -> Option<Unsupported> {
    let message = "the operator may write no Backends, so no fallback answers: enable extensionApis.enableBackend in Envoy Gateway, and then set gateway.fallbacks in the chart";
    way.has_fallback()
        .then(|| Unsupported::feature("spec.gateway.routes[].backends[].fallback", message))
}

/// Reports settings for pods that do not apply behind routes with a fallback.
pub fn cannot_choose(way: &GatewayConfig) -> Vec<Unsupported> {
    let traffic = &way.gateway.traffic;
    let asked = [
        ("spec.gateway.traffic.loadBalancing", traffic.load_balancing.is_some()),
        ("spec.gateway.traffic.sessionPersistence", traffic.session.is_some()),
    ];
    let message =
        "Envoy reaches the backends of a route with a fallback by their Services, which choose the pod themselves";
    let asked = asked
        .into_iter()
        .filter(|(_, is_asked)| *is_asked && way.has_fallback());
    asked.map(|(field, _)| Unsupported::feature(field, message)).collect()
}
