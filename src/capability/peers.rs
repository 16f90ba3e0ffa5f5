//! The tenants that a Tenant names as peers.

use crate::api::{Peer, Tenant};
use kube::runtime::reflector;
use std::collections::BTreeSet;

/// The tenants that a Tenant names as peers.
pub fn named_peers(tenant: &Tenant) -> BTreeSet<String> {
    peers(tenant).map(|peer| peer.name.clone()).collect()
}

/// Pairs of tenants that name each other.
pub fn agreed(tenants: &reflector::Store<Tenant>) -> BTreeSet<(String, String)> {
    let tenants = tenants.state();
    let named: BTreeSet<(&str, &str)> = tenants
        .iter()
        .flat_map(|tenant| {
            let name = tenant.metadata.name.as_deref().unwrap_or_default();
            peers(tenant).map(move |peer| (name, peer.name.as_str()))
        })
        .collect();
    let both = named.iter().filter(|(a, b)| named.contains(&(*b, *a)));
    both.map(|(a, b)| (a.to_string(), b.to_string())).collect()
}

/// Returns true where a Tenant names another as a peer.
pub fn names_peer(tenant: &Tenant, other: &str) -> bool {
    peers(tenant).any(|peer| peer.name == other)
}

fn peers(tenant: &Tenant) -> impl Iterator<Item = &Peer> {
    let ingress = tenant
        .spec
        .network
        .as_ref()
        .and_then(|network| network.ingress.as_ref());
    ingress.into_iter().flat_map(|ingress| &ingress.tenants)
}
