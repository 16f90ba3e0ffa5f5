//! Settings of the metrics of requests.

use crate::flags::{labels, period};
use clap::{ArgAction, Args};
use std::collections::BTreeMap;
use std::time::Duration;

/// The settings of reading the gateway's metrics.
#[derive(Args, Clone, Debug)]
pub struct MeteringSettings {
    /// Read the counters of tenants' requests from the gateway's pods; only with Envoy Gateway.
    #[arg(id = "gateway-metrics", long = "gateway-metrics", env = "GATEWAY_METRICS", default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enabled: bool,

    /// Labels of those pods, `key=value`, comma separated, in the namespace that `--gateway-namespace` names.
    #[arg(id = "gateway-metrics-pod-labels", long = "gateway-metrics-pod-labels", env = "GATEWAY_METRICS_POD_LABELS", default_value = "app.kubernetes.io/managed-by=envoy-gateway,app.kubernetes.io/component=proxy", value_parser = labels)]
    pub pod_labels: BTreeMap<String, String>,

    /// Port of their metrics.
    #[arg(
        id = "gateway-metrics-port",
        long = "gateway-metrics-port",
        env = "GATEWAY_METRICS_PORT",
        default_value_t = 19001
    )]
    pub port: u16,

    /// Time between two reads of these counters.
    #[arg(id = "gateway-metrics-period", long = "gateway-metrics-period", env = "GATEWAY_METRICS_PERIOD", default_value = "1m", value_parser = period)]
    pub period: Duration,
}
