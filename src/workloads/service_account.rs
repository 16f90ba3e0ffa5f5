//! A workload's ServiceAccount, which hands out no token by itself.

use super::labels;
use crate::api::Workload;
use crate::capability::{TenantCore, hardening};
use crate::cluster::Desired;

/// A workload's own.
pub fn of_workload(tenant: &TenantCore, workload: &Workload) -> Desired {
    let meta = labels::meta(tenant, workload, &workload.name);
    hardening::service_account(&meta, workload.automount_service_account_token.unwrap_or_default())
}
