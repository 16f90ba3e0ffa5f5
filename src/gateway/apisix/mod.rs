//! Objects for Apache APISIX 3.18 and later, in the `apisix.apache.org/v2` kinds of its ingress controller 2.x. ApisixRoutes hold routes and the clients that
//! they admit, an ApisixPluginConfig holds limits, ApisixConsumers API keys, ApisixUpstreams the connections to backends. Pure.
//!
//! A route and its rules of admission are one object, so nothing is open between two writes: no route needs a guard.

mod consumers;
mod jwk;
mod key_set;
mod limits;
mod routes;
mod security;
mod tls;
mod tokens;
mod upstreams;

use super::config::{ClientAccess, GatewayConfig, Unsupported, ValidBandwidth};
use super::{Attachment, Written, certificates};
use crate::cluster::{Desired, Kind, metadata};
use serde_json::{Value, json};

/// The kinds of its objects.
pub const KINDS: [Kind; 4] = [
    Kind::ApisixUpstream,
    Kind::ApisixPluginConfig,
    Kind::ApisixConsumer,
    Kind::ApisixRoute,
];

/// The name of the one plugin configuration, and the beginning of the routes' names.
const NAME: &str = "tenant";

const VERSION: &str = "apisix.apache.org/v2";

/// A tenant's way in.
pub fn write(way: &GatewayConfig, to: &Attachment) -> Written {
    if way.has_fallback() {
        let mut written = write(&way.without_fallbacks(), to);
        written.unsupported.extend(no_fallback(way));
        return written;
    }
    let (mut unsupported, mut remarks) = (Vec::new(), Vec::new());
    let mut objects = certificates::requests(way);
    objects.extend(tls::secrets(way, to));
    if let ClientAccess::Open = way.access {
        let tokens = tokens::plugin(way, &mut unsupported);
        unsupported.extend(tokens::unsent(way));
        unsupported.extend(plain_errors(way));
        unsupported.extend(any_bandwidth(way));
        unsupported.extend(any_version(way));
        let rules = routes::rules(way, tokens.is_some(), &mut unsupported);
        let limits = limits::of(way, to, &rules, &mut unsupported);
        remarks.extend(limits.remark(way));
        objects.extend(upstreams::upstreams(way, to, &mut unsupported));
        objects.extend(limits.config(way, to));
        objects.extend(consumers::consumers(way, to));
        objects.extend(routes::open(way, to, &rules, &limits, tokens.as_ref()));
    } else {
        objects.extend(upstreams::applications(way, to));
        objects.extend(routes::blocked(way, to));
    }
    Written {
        objects,
        unsupported,
        remarks,
    }
}

pub use routes::blocked_with_reason;

/// Tells that clients get APISIX's own errors.
fn plain_errors(way: &GatewayConfig) -> Option<Unsupported> {
    let message = "APISIX rewrites one status of a route, and the workload's answers with it, so it sends its own errors: let clients show a text by the status";
    (!way.gateway.error_responses.is_empty()).then(|| Unsupported::feature("spec.gateway.errorResponses", message))
}

/// Tells that no fallback answers.
fn no_fallback(way: &GatewayConfig) -> Option<Unsupported> {
    let message = "an ApisixUpstream has no priorities, so no fallback answers: give the backends of the route weights";
    (way.access == ClientAccess::Open)
        .then(|| Unsupported::feature("spec.gateway.routes[].backends[].fallback", message))
}

/// Tells that a tenant's bytes are not limited.
fn any_bandwidth(way: &GatewayConfig) -> Option<Unsupported> {
    let message = "APISIX has no plugin that limits bandwidth: set rateLimits, or limit the network of the pods";
    (way.gateway.bandwidth != ValidBandwidth::default())
        .then(|| Unsupported::feature("spec.gateway.bandwidthLimit", message))
}

/// Tells that a host has the versions of TLS of all others.
fn any_version(way: &GatewayConfig) -> Option<Unsupported> {
    let message = "an ApisixTls has no version of TLS: set apisix.ssl.ssl_protocols of APISIX, for all hosts";
    let asks = way
        .gateway
        .certificates
        .iter()
        .any(|certificate| certificate.min_version.is_some());
    asks.then(|| Unsupported::feature("spec.gateway.tls[].minVersion", message))
}

/// An object in the tenant's first namespace, for the ingress controller of this class.
fn object(way: &GatewayConfig, to: &Attachment, kind: Kind, name: &str, mut spec: Value) -> Desired {
    if !to.name.is_empty() {
        spec["ingressClassName"] = json!(to.name);
    }
    let meta = metadata::meta(&way.owner, &way.owner.tenant, name);
    let object = json!({"apiVersion": VERSION, "kind": kind.as_str(), "metadata": meta, "spec": spec});
    metadata::desired(kind, &meta, &object)
}

/// A plugin as routes and plugin configurations name it.
fn plugin(name: &str, config: Value) -> Value {
    json!({"name": name, "enable": true, "config": config})
}

#[cfg(test)]
#[path = "apisix_test.rs"]
mod tests;
