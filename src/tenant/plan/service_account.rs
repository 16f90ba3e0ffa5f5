//! ServiceAccounts that hand out no token by themselves.

use super::workload_metadata;
use crate::api::Workload;
use crate::cluster::{Desired, Kind, metadata};
use crate::tenant::ValidTenant;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The one that Kubernetes gives to pods that name none. Whoever creates it first, it ends up like this.
pub fn default(tenant: &ValidTenant, namespace: &str) -> Desired {
    Desired {
        takes_over: true,
        ..service_account(metadata::meta(&tenant.core.owner, namespace, "default"), false)
    }
}

/// A workload's own.
pub fn of_workload(tenant: &ValidTenant, workload: &Workload) -> Desired {
    let meta = workload_metadata::workload_meta(tenant, workload, &workload.name);
    service_account(meta, workload.automount_service_account_token.unwrap_or_default())
}

fn service_account(meta: ObjectMeta, automount: bool) -> Desired {
    let object = ServiceAccount {
        metadata: meta.clone(),
        automount_service_account_token: Some(automount),
        ..ServiceAccount::default()
    };
    metadata::desired(Kind::ServiceAccount, &meta, &object)
}
