//! ApisixTls: one for each certificate of a tenant's own hosts.

use super::{NAME, object};
use crate::cluster::{Desired, Kind};
use crate::gateway::Attachment;
use crate::gateway::config::GatewayConfig;
use crate::names;
use serde_json::json;

pub fn secrets(way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
    let of = |certificate: &crate::gateway::certificates::Certificate| {
        // No host is in two of them.
        let first = certificate.hosts.first().map(String::as_str).unwrap_or_default();
        let name = format!("{NAME}-{}", &names::digest(first.as_bytes())[..16]);
        let secret = json!({"namespace": way.owner.tenant, "name": certificate.secret});
        object(
            way,
            to,
            Kind::ApisixTls,
            &name,
            json!({"hosts": certificate.hosts, "secret": secret}),
        )
    };
    way.gateway.certificates.iter().map(of).collect()
}
