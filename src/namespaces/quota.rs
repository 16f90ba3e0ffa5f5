//! A namespace's share of the tenant's quota.

use crate::api::ResourceList;
use crate::capability::{TenantCore, ValidNamespace};
use crate::cluster::{Desired, Identity, Key, Kind, Store, metadata};
use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The name of the ResourceQuota and LimitRange in each namespace.
pub const QUOTA: &str = "tenant";
/// Bounded together with pods: a CronJob that may make no pods would pile up Jobs.
const JOBS: &str = "count/jobs.batch";

pub fn quota(tenant: &TenantCore, namespace: &ValidNamespace) -> Desired {
    let hard = namespace.quota.clone();
    let hard = if tenant.suspend { without_pods(hard) } else { hard };
    build(&tenant.owner, &namespace.name, hard)
}

/// The quota of a namespace in which nothing may run any more: as it is, but without pods.
pub fn without_new_pods(owner: &Identity, namespace: &str, hard: ResourceList) -> Desired {
    build(owner, namespace, without_pods(hard))
}

/// Returns true where every namespace has a quota already.
pub fn are_bounded(tenant: &TenantCore, store: &Store) -> bool {
    let mut namespaces = tenant.namespaces.iter();
    namespaces.all(|namespace| hard(&tenant.owner, store, &namespace.name).is_some())
}

/// The message on a quota that cannot be divided.
pub fn faults(tenant: &TenantCore) -> Option<String> {
    let faults: Vec<String> = tenant.quota_faults.iter().map(ToString::to_string).collect();
    (!faults.is_empty()).then(|| format!("{}; the quotas stay as they are", faults.join("; ")))
}

/// Leaves the quotas as they are where the spec's cannot be divided: it names no bound that could take the place of the former one. A suspension closes
/// them all the same.
pub fn as_they_are(tenant: &TenantCore, store: &Store, bounds: Vec<Desired>) -> Vec<Desired> {
    if tenant.quota_faults.is_empty() {
        return bounds;
    }
    let keep = |desired: Desired| {
        let is_quota = desired.key.kind == Kind::ResourceQuota;
        let present = hard(&tenant.owner, store, &desired.key.namespace).filter(|_| is_quota);
        present.map_or(desired.clone(), |hard| {
            quota(
                tenant,
                &ValidNamespace {
                    name: desired.key.namespace,
                    quota: hard,
                },
            )
        })
    };
    bounds.into_iter().map(keep).collect()
}

/// The key of a namespace's quota.
pub fn key(namespace: &str) -> Key {
    Key {
        kind: Kind::ResourceQuota,
        namespace: namespace.into(),
        name: QUOTA.into(),
    }
}

/// The amounts of a namespace's present quota, if the tenant has one there.
pub fn hard(owner: &Identity, store: &Store, namespace: &str) -> Option<ResourceList> {
    let live = store.get(&owner.tenant, &key(namespace))?;
    let hard = live.value.pointer("/spec/hard").filter(|_| live.belongs_to(owner));
    serde_json::from_value(hard?.clone()).ok()
}

/// Keys of which a suspended tenant has nothing.
const SUSPENDED: [&str; 2] = ["pods", JOBS];

/// Returns true for a key of which a suspended tenant has nothing.
pub fn ends_in_suspension(key: &str) -> bool {
    SUSPENDED.contains(&key)
}

fn without_pods(mut hard: ResourceList) -> ResourceList {
    for key in SUSPENDED {
        hard.insert(key.into(), Quantity("0".into()));
    }
    hard
}

fn build(owner: &Identity, namespace: &str, hard: ResourceList) -> Desired {
    let meta = metadata::meta(owner, namespace, QUOTA);
    let object = ResourceQuota {
        metadata: meta.clone(),
        spec: Some(ResourceQuotaSpec {
            hard: Some(hard),
            ..ResourceQuotaSpec::default()
        }),
        ..ResourceQuota::default()
    };
    metadata::desired(Kind::ResourceQuota, &meta, &object)
}
