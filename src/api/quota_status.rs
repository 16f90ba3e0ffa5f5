//! The state of a tenant's quota.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The most keys in a status.
pub const MAX_QUOTA_KEYS: usize = 32;

/// One key of a quota that several namespaces or subtenants share.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct QuotaStatus {
    /// The key, such as `requests.cpu`.
    pub key: String,
    /// Amount that the tenant may use together with its subtenants.
    pub granted: String,
    /// Amount that its own namespaces have reserved.
    pub own: String,
    /// Amount that its subtenants have reserved.
    pub reserved: String,
    /// Amount that no namespace and no subtenant has reserved.
    pub free: String,
    /// Amount that its namespaces wait for. Absent if they wait for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
}
