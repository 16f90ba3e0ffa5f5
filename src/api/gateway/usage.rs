//! What a tenant's way in is used for.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What the gateway passed on to a tenant in the five minutes before it was asked. A request that it refused for want of credentials is not counted.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayUsage {
    /// Requests, those over a limit included.
    pub requests: i64,
    /// Requests that were refused since they were over a limit.
    pub limited_requests: i64,
    /// What clients sent, in bytes, with the headers that the gateway passes on.
    pub received_bytes: i64,
    /// What workloads answered, in bytes.
    pub sent_bytes: i64,
}
