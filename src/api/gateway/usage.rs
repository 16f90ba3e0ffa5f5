//! Usage of a tenant's gateway routes.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Requests that the gateway forwarded to a tenant in the last five minutes. Requests without credentials do not count.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayUsage {
    /// Requests, including those over a limit.
    pub requests: i64,
    /// Requests that the gateway refused because of a limit.
    pub limited_requests: i64,
    /// Bytes from clients, including the headers that the gateway forwards.
    pub received_bytes: i64,
    /// Bytes in the workloads' answers.
    pub sent_bytes: i64,
}
