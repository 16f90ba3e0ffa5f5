//! A namespace's share of the tenant's quota.

use crate::api::ResourceList;
use crate::capability::{TenantCore, ValidNamespace};
use crate::cluster::{Desired, Identity, Kind, metadata};
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
pub fn closed(owner: &Identity, namespace: &str, hard: ResourceList) -> Desired {
    build(owner, namespace, without_pods(hard))
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
