//! Valid settings for the traffic to a tenant's backends.

use crate::api::LoadBalancing;
use std::time::Duration;

/// Settings for traffic to the backends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidTraffic {
    pub request_timeout: Option<Duration>,
    pub retries: Option<i32>,
    pub max_connections: Option<i64>,
    pub max_pending_requests: Option<i64>,
    /// The failures in a row after which the gateway ejects a pod, and the time of the ejection.
    pub outliers: Option<(i32, Duration)>,
    pub load_balancing: Option<LoadBalancing>,
    /// None where a load balancing is set.
    pub session: Option<ValidSession>,
}

/// Bytes in a second, in each direction; at least [`LEAST_BANDWIDTH`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValidBandwidth {
    pub request: Option<i64>,
    pub response: Option<i64>,
}

/// The least bytes in a second that a gateway can count.
pub const LEAST_BANDWIDTH: i64 = 1024;

/// The mark of a session whose requests stay at one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidSession {
    /// A cookie of this name. Its lifetime is that of the client's session where it has none.
    Cookie(String, Option<Duration>),
    /// A header of this name.
    Header(String),
}
