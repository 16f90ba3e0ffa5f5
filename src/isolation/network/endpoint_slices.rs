//! EndpointSlices, and where those in tenants' namespaces lead.

use super::endpoints::{EndpointContext, planted, trim};
use crate::cluster::client::watch_config;
use crate::isolation::Inventory;
use crate::isolation::cache::{Breaches, Cache};
use crate::isolation::memory_limit;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Returns all slices, and the loop that keeps them, which never ends.
pub fn cache(
    client: Client,
    known: &Inventory,
) -> (Arc<Cache<EndpointSlice>>, impl Future<Output = ()> + Send + use<>) {
    let (objects, tenants, operator_namespaces) =
        (known.objects.clone(), known.tenants.clone(), [known.namespace.clone()]);
    let evaluate = move |slices: &[Arc<EndpointSlice>]| {
        proven()?;
        let homes = objects
            .namespaces()
            .into_iter()
            .map(|(tenant, namespace)| (namespace, tenant));
        let context = EndpointContext {
            homes: &homes.collect(),
            operator_namespaces: &operator_namespaces,
            agreed: &tenants.agreed(),
        };
        Ok(context.openings(slices.iter().map(Arc::as_ref)))
    };
    Cache::new(client, watch_config(), (trim, memory_limit::FOLLOWING), evaluate)
}

/// Proves that the check finds a planted violation.
fn proven() -> Result<(), &'static str> {
    let homes = BTreeMap::from(["a", "b"].map(|name| (name.to_string(), name.to_string())));
    let context = EndpointContext {
        homes: &homes,
        operator_namespaces: &[],
        agreed: &BTreeSet::new(),
    };
    let found: Breaches = context.openings(planted("a", "b").iter());
    match found.len() {
        2 => Ok(()),
        _ => {
            Err("the check missed its own sample slice, which leads to another tenant's pod: its result proves nothing")
        }
    }
}
