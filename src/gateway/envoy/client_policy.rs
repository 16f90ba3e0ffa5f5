//! The ClientTrafficPolicy: the versions of TLS at the tenant's own listeners. Envoy Gateway merges it with no other, so that it takes the place of the
//! platform's there.

use super::{NAME, POLICIES, listeners, object};
use crate::cluster::{Desired, Kind};
use crate::gateway::config::{GatewayConfig, Unsupported};
use crate::gateway::{Attachment, certificates};
use serde_json::{Value, json};

/// Returns the policy of the hosts that ask for a version.
pub fn policy(way: &GatewayConfig, to: &Attachment) -> Option<Desired> {
    let listeners: Vec<&str> = asking(way).collect();
    let version = way
        .gateway
        .certificates
        .iter()
        .find_map(|certificate| certificate.min_version)?;
    let targets: Vec<Value> = listeners
        .iter()
        .map(|host| {
            json!({
                "group": "gateway.networking.k8s.io",
                "kind": Kind::ListenerSet.as_str(),
                "name": listeners::LISTENERS,
                "sectionName": listeners::name(host),
            })
        })
        .collect();
    let spec = json!({"tls": {"minVersion": version.as_str()}, "targetRefs": targets});
    to.client_traffic_policies
        .then(|| object(way, Kind::ClientTrafficPolicy, POLICIES, NAME, &[], spec))
}

/// Reports versions that the operator may not ask for.
pub fn unwritten(way: &GatewayConfig, to: &Attachment) -> Option<Unsupported> {
    let host = asking(way).next()?;
    let message = format!(
        "the operator may write no ClientTrafficPolicy for {host}: set gateway.clientTrafficPolicies in the chart, or tls.minVersion in the platform's own"
    );
    (!to.client_traffic_policies).then(|| Unsupported::feature("spec.gateway.tls[].minVersion", message))
}

/// The hosts that ask for a version.
fn asking(way: &GatewayConfig) -> impl Iterator<Item = &str> {
    let all = certificates::by_host(way);
    all.filter(|(_, certificate)| certificate.min_version.is_some())
        .map(|(host, _)| host)
}
