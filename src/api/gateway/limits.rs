//! What a tenant may be sent, and how it is passed on.

use crate::api::schema;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number of requests in a time.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests: i64,
    /// In what time.
    pub unit: RateLimitUnit,
    /// How many more may come at once, which later ones wait for. Not every gateway knows this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub burst: Option<i64>,
}

/// A time in which requests are counted.
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

    /// Its length in seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86400,
        }
    }
}

/// How requests are passed on to the tenant's workloads. What is left out is as the tier says, else as the gateway does by itself.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// How long an answer may take as a whole, as a duration such as `15s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub request_timeout: Option<String>,
    /// How often a request is tried again that could not be passed on, or whose answer was 502, 503 or 504.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: Option<i32>,
    /// How many connections to one workload there may be, and how many requests may wait for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,
    /// When a pod gets no more requests for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierDetection>,
    /// Which pod gets the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancing: Option<LoadBalancing>,
}

/// What may be under way to one workload.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: Option<i64>,
    /// Requests that wait for a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_pending_requests: Option<i64>,
}

/// When a pod gets no more requests for a while.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// After so many failures in a row: answers of 5xx, and connections that failed.
    #[schemars(range(min = 1, max = 1000))]
    pub consecutive_errors: i32,
    /// For so long, as a duration such as `30s`.
    #[schemars(schema_with = "schema::duration")]
    pub ejection_time: String,
}

/// Which pod gets the next request.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBalancing {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests under way.
    LeastRequest,
    /// Any.
    Random,
    /// Always the same for one client's address.
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
