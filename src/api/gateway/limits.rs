//! Limits of requests to a tenant, and settings for their traffic.

use crate::api::{SessionPersistence, schema};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number of requests in a unit of time.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Number of requests.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests: i64,
    /// Unit of time.
    pub unit: RateLimitUnit,
    /// Whose requests count together. Absent means Tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<RateLimitPer>,
    /// Number of further requests that may come at once. Not every gateway supports this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub burst: Option<i64>,
}

/// Whose requests a limit counts together.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateLimitPer {
    /// All requests to the tenant.
    #[default]
    Tenant,
    /// The requests of each client, by its address as the gateway sees it.
    Client,
    /// The requests with each API key. Requests without a key do not count.
    Key,
}

impl RateLimit {
    /// Returns whose requests count together.
    pub fn per(&self) -> RateLimitPer {
        self.per.unwrap_or_default()
    }

    /// Returns the limit in words.
    pub fn words(&self) -> String {
        let of = match self.per() {
            RateLimitPer::Tenant => "",
            RateLimitPer::Client => " of each client",
            RateLimitPer::Key => " of each key",
        };
        format!("{} a {}{of}", self.requests, self.unit.as_str())
    }
}

/// A unit of time for counting requests.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateLimitUnit {
    Second,
    Minute,
    Hour,
    Day,
}

impl RateLimitUnit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "Second",
            Self::Minute => "Minute",
            Self::Hour => "Hour",
            Self::Day => "Day",
        }
    }

    /// Returns its length in seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86400,
        }
    }
}

/// Settings for requests to the tenant's workloads. Absent fields come from the tier, otherwise the gateway's defaults apply.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.loadBalancing) || !has(self.sessionPersistence)").message("needs loadBalancing or sessionPersistence, not both"),
)]
pub struct Traffic {
    /// Timeout of the whole answer, as a duration such as `15s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub request_timeout: Option<String>,
    /// Number of retries of a request that the gateway could not forward, or with the answer 502, 503 or 504.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: Option<i32>,
    /// Maximum numbers of connections to one workload, and of requests that wait for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,
    /// Ejection of failing pods for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierDetection>,
    /// Choice of the pod for the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancing: Option<LoadBalancing>,
    /// All requests of a session go to the same pod, as long as it is there. In place of `loadBalancing`, the tier's too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<SessionPersistence>,
}

/// Limits of connections and waiting requests for one workload.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Maximum number of connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: Option<i64>,
    /// Maximum number of requests that wait for a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_pending_requests: Option<i64>,
}

/// Ejection of failing pods for a while.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// Number of failures in a row: answers of 5xx, and failed connections.
    #[schemars(range(min = 1, max = 1000))]
    pub consecutive_errors: i32,
    /// Time of the ejection, as a duration such as `30s`.
    #[schemars(schema_with = "schema::duration")]
    pub ejection_time: String,
}

/// Choice of the pod for the next request.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBalancing {
    /// One after the other.
    RoundRobin,
    /// The pod with the fewest running requests.
    LeastRequest,
    /// A random pod.
    Random,
    /// Always the same pod for a client's address.
    SourceIP,
}

impl LoadBalancing {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "RoundRobin",
            Self::LeastRequest => "LeastRequest",
            Self::Random => "Random",
            Self::SourceIP => "SourceIP",
        }
    }
}
