//! NetworkPolicies of others, and the openings by them.

use super::policies::{PolicyContext, TenantNamespace};
use crate::cluster::client::watch_config;
use crate::cluster::{Kind, Live, Store};
use crate::isolation::Inventory;
use crate::isolation::cache::{Breaches, Cache};
use crate::isolation::memory_limit;
use crate::names;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicySpec};
use kube::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Returns all such policies, and the loop that keeps them, which never ends.
pub fn cache(
    client: Client,
    known: &Inventory,
) -> (Arc<Cache<NetworkPolicy>>, impl Future<Output = ()> + Send + use<>) {
    let theirs = watch_config().labels(&format!("!{}", names::TENANT_ID));
    let known = known.clone();
    Cache::new(client, theirs, (|_| {}, memory_limit::WRITTEN), move |policies| {
        evaluate(&known, policies)
    })
}

fn evaluate(known: &Inventory, policies: &[Arc<NetworkPolicy>]) -> Result<Breaches, &'static str> {
    let namespaces = known.objects.namespaces().into_iter();
    let of: BTreeMap<String, String> = namespaces.map(|(tenant, name)| (name, tenant)).collect();
    let Some((control, _)) = of.first_key_value() else {
        return Ok(Breaches::new());
    };
    let theirs = policies.iter().map(Arc::as_ref).filter(|policy| {
        let namespace = policy.metadata.namespace.as_ref();
        namespace.is_some_and(|namespace| of.contains_key(namespace))
    });
    let theirs: Vec<&NetworkPolicy> = theirs.collect();
    // To take all namespaces apart costs; most clusters have no such policy.
    let (tenant_namespaces, agreed) = match theirs.is_empty() {
        true => (
            BTreeMap::from([(control.clone(), TenantNamespace::default())]),
            BTreeSet::new(),
        ),
        false => (tenant_namespaces(&known.objects, &of), known.tenants.agreed()),
    };
    let context = PolicyContext {
        tenant_namespaces: &tenant_namespaces,
        agreed: &agreed,
        cluster: &known.cluster_cidrs,
    };
    if context.openings(std::iter::once(&open_policy(control))).is_empty() {
        return Err("the check missed its own sample policy, which allows all traffic: its result proves nothing");
    }
    Ok(context.openings(theirs.into_iter()))
}

fn tenant_namespaces(objects: &Store, of: &BTreeMap<String, String>) -> BTreeMap<String, TenantNamespace> {
    let namespaces = objects.matching(Kind::Namespace, |_, _| true);
    let home = |live: Live| {
        let labels = live.value.pointer("/metadata/labels").cloned().unwrap_or_default();
        let home = TenantNamespace {
            tenant: of.get(&live.key.name)?.clone(),
            labels: serde_json::from_value(labels).unwrap_or_default(),
        };
        Some((live.key.name, home))
    };
    namespaces.into_iter().filter_map(home).collect()
}

/// One that must be found open; it is written nowhere.
fn open_policy(namespace: &str) -> NetworkPolicy {
    let mut policy = NetworkPolicy::default();
    policy.metadata.namespace = Some(namespace.to_string());
    policy.spec = Some(NetworkPolicySpec {
        ingress: Some(vec![NetworkPolicyIngressRule::default()]),
        ..NetworkPolicySpec::default()
    });
    policy
}
