//! The tenants that a Tenant names as peers.

use crate::api::{Peer, Tenant};
use std::collections::BTreeSet;

/// The tenants that a Tenant names as peers.
pub fn named_peers(tenant: &Tenant) -> BTreeSet<String> {
    peers(tenant).map(|peer| peer.name.clone()).collect()
}

fn peers(tenant: &Tenant) -> impl Iterator<Item = &Peer> {
    let ingress = tenant
        .spec
        .network
        .as_ref()
        .and_then(|network| network.ingress.as_ref());
    ingress.into_iter().flat_map(|ingress| &ingress.tenants)
}
