//! The network access of the tenants above: a subtenant has no access that one of them lacks.

use super::network::PRIVATE;
use crate::api::{Access, Egress, EgressRule, Network};
use crate::capability::family::Ancestor;
use ipnet::IpNet;
use kube::ResourceExt;

/// Returns the nearest ancestor without access to the internet.
pub fn internet(ancestors: &[Ancestor]) -> Option<String> {
    lacking(ancestors, |egress| egress.internet)
}

/// Returns the nearest ancestor without access to the API server.
pub fn api_server(ancestors: &[Ancestor]) -> Option<String> {
    lacking(ancestors, |egress| egress.api_server)
}

fn lacking(ancestors: &[Ancestor], field: impl Fn(&Egress) -> Option<Access>) -> Option<String> {
    let lacks = |ancestor: &&Ancestor| !allows(ancestor, &field);
    Some(ancestors.iter().find(lacks)?.tenant.name_any())
}

fn allows(ancestor: &Ancestor, field: impl Fn(&Egress) -> Option<Access>) -> bool {
    let [own, tier] = egress(ancestor).map(|egress| field(&egress));
    // An invalid Tenant may ask for what its tier denies.
    tier != Some(Access::Deny) && own.or(tier) == Some(Access::Allow)
}

/// The egress of its spec, and of its tier.
fn egress(ancestor: &Ancestor) -> [Egress; 2] {
    let of = |network: Option<&Network>| network.and_then(|network| network.egress.clone()).unwrap_or_default();
    let tier = ancestor.tier.as_ref().and_then(|tier| tier.spec.network.as_ref());
    [of(ancestor.tenant.spec.network.as_ref()), of(tier)]
}

/// Returns the nearest ancestor that does not reach all of a destination.
pub fn without_destination(ancestors: &[Ancestor], rule: &EgressRule) -> Option<String> {
    let cidr: IpNet = rule.cidr.parse().ok()?;
    let is_private = PRIVATE
        .iter()
        .any(|net| net.parse().is_ok_and(|net: IpNet| net.contains(&cidr)));
    let reaches = |ancestor: &&Ancestor| {
        let is_public = !is_private && allows(ancestor, |egress| egress.internet);
        let mut rules = egress(ancestor).into_iter().flat_map(|egress| egress.to);
        is_public || rules.any(|wider| covers(&wider, &cidr, rule))
    };
    Some(ancestors.iter().find(|ancestor| !reaches(ancestor))?.tenant.name_any())
}

fn covers(wider: &EgressRule, cidr: &IpNet, rule: &EgressRule) -> bool {
    let is_within = wider.cidr.parse().is_ok_and(|net: IpNet| net.contains(cidr));
    let has_ports = !rule.ports.is_empty() && rule.ports.iter().all(|port| wider.ports.contains(port));
    is_within && (wider.ports.is_empty() || has_ports)
}
