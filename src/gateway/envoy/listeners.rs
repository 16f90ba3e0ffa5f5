//! The ListenerSet: a listener of the platform's Gateway for each of a tenant's hosts that has a certificate of its own.

use super::{NAME, ROUTES, object};
use crate::cluster::{Desired, Kind};
use crate::gateway::config::GatewayConfig;
use crate::gateway::{Attachment, certificates};
use crate::host;
use crate::names;
use serde_json::{Value, json};

/// The name of the one ListenerSet.
pub const LISTENERS: &str = NAME;

/// The port for clients with TLS.
const PORT: u16 = 443;

pub fn listeners(way: &GatewayConfig, to: &Attachment) -> Option<Desired> {
    let listeners: Vec<Value> = certificates::by_host(way)
        .map(|(host, certificate)| listener(host, &certificate.secret))
        .collect();
    let spec = json!({
        "parentRef": {
            "group": "gateway.networking.k8s.io",
            "kind": "Gateway",
            "namespace": to.namespace,
            "name": to.name,
        },
        "listeners": listeners,
    });
    (!listeners.is_empty()).then(|| object(way, Kind::ListenerSet, ROUTES, LISTENERS, &[], spec))
}

/// Returns a listener with every field: the API server would fill in the others.
fn listener(host: &str, secret: &str) -> Value {
    json!({
        "name": name(host),
        "hostname": host,
        "port": PORT,
        "protocol": "HTTPS",
        "tls": {
            "mode": "Terminate",
            "certificateRefs": [{"group": "", "kind": "Secret", "name": secret}],
        },
        "allowedRoutes": {
            "namespaces": {"from": "Same"},
            "kinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
        },
    })
}

/// A listener is called as its host. No host is called as one of a wildcard is, which has no dot.
pub fn name(host: &str) -> String {
    match host::is_wildcard(host) {
        true => format!("any-{}", &names::digest(host.as_bytes())[..16]),
        false => host.into(),
    }
}
