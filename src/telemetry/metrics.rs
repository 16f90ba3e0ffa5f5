//! The operator's own metrics, and the registry in which each capability registers its metrics. Labels are bounded and name no tenant or object, with three
//! exceptions. These are a DatabaseServer, a tenant with a violation of its isolation, and a tenant whose requests are counted.

mod families;

use super::request;
use families::{Families, ReasonLabel, RequestLabels, ResultLabel, TenantLabels, VerbLabel, WriteLabels, lock};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The media type of [`Metrics::encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The prefix of metrics of the operator itself.
pub const OPERATOR: &str = "tenant_operator";
/// The prefix of metrics of tenants.
pub const TENANT: &str = "tenant";

/// Action on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It was made.
    Create,
    /// It was changed.
    Update,
    /// It was removed.
    Delete,
}

/// Result of an API request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestResult {
    /// The server answered with this status code.
    Status(http::StatusCode),
    /// There was no answer in time.
    Timeout,
    /// There was no answer: the connection failed.
    Error,
}

/// All metrics of the process. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        Self(Arc::new(Families::new()))
    }

    /// Registers the metrics of a capability, under the prefix [`OPERATOR`] or [`TENANT`], for the present term of leadership.
    pub fn register(&self, prefix: &'static str, register: impl FnOnce(&mut Registry)) {
        register(lock(&self.0.of_term).sub_registry_with_prefix(prefix));
    }

    /// This process leads: capabilities register their metrics anew.
    pub fn begin_term(&self) {
        self.reset();
        self.0.leader.set(1);
    }

    /// This process does not lead any more, and knows nothing of tenants.
    pub fn end_term(&self) {
        self.0.leader.set(0);
        self.reset();
    }

    fn reset(&self) {
        *lock(&self.0.of_term) = Registry::default();
        self.set_tenants(&[]);
        self.set_queue_depth(0);
    }

    /// This process could not renew its lease in time.
    pub fn lost_lease(&self) {
        self.0.leases_lost.inc();
    }

    /// One reconcile ended after `duration`: well, or with an error of this reason.
    pub fn reconciled(&self, duration: Duration, result: Result<(), &'static str>) {
        let label = if result.is_ok() { "ok" } else { "error" };
        self.0.reconciles.get_or_create(&ResultLabel { result: label }).inc();
        self.0.reconcile_duration.observe(duration.as_secs_f64());
        if let Err(reason) = result {
            self.0.reconcile_errors.get_or_create(&ReasonLabel { reason }).inc();
        }
    }

    /// Sets the number of objects in the queue.
    pub fn set_queue_depth(&self, depth: i64) {
        self.0.queue_depth.set(depth);
    }

    /// One attempt of an API request ended; of a watch: it began.
    pub fn requested(&self, request: &request::ApiRequest, outcome: RequestResult, duration: Duration) {
        let labels = RequestLabels {
            verb: request.verb,
            resource: request.resource.clone(),
            code: code_class(outcome),
        };
        self.0.requests.get_or_create(&labels).inc();
        self.0
            .request_duration
            .get_or_create(&VerbLabel { verb: request.verb })
            .observe(duration.as_secs_f64());
    }

    /// Sets the number of tenants for each condition and status, and drops all other series.
    pub fn set_tenants(&self, counts: &[(String, String, i64)]) {
        let mut shown = self.0.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = BTreeSet::new();
        for (condition, status, count) in counts {
            let labels = TenantLabels {
                condition: condition.clone(),
                status: status.clone(),
            };
            self.0.tenants.get_or_create(&labels).set(*count);
            now.insert(labels);
        }
        for gone in shown.difference(&now) {
            self.0.tenants.remove(gone);
        }
        *shown = now;
    }

    /// An object of this kind was written.
    pub fn wrote(&self, kind: &'static str, operation: Operation) {
        let operation = match operation {
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Delete => "delete",
        };
        self.0
            .objects_written
            .get_or_create(&WriteLabels { kind, operation })
            .inc();
    }

    /// All metrics as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut encoded = String::new();
        let all = text::encode_registry(&mut encoded, &lock(&self.0.registry))
            .and_then(|()| text::encode_registry(&mut encoded, &lock(&self.0.of_term)))
            .and_then(|()| text::encode_eof(&mut encoded));
        if let Err(error) = all {
            // Writing to a String cannot fail; a metric of ours that cannot be written is a bug.
            tracing::error!(%error, "metrics cannot be encoded");
        }
        encoded
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn code_class(outcome: RequestResult) -> &'static str {
    match outcome {
        RequestResult::Timeout => "timeout",
        RequestResult::Error => "error",
        RequestResult::Status(status) => match status.as_u16() / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "error",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use prometheus_client::metrics::gauge::Gauge;

    #[track_caller]
    fn assert_line(metrics: &Metrics, line: &str) {
        let text = metrics.encode();
        assert!(text.lines().any(|each| each == line), "{line} is not in:\n{text}");
    }

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::new();
        metrics.begin_term();
        metrics.reconciled(Duration::from_millis(20), Ok(()));
        metrics.clone().reconciled(Duration::from_secs(1), Err("ApiConflict"));
        metrics.set_queue_depth(7);
        metrics.lost_lease();
        let request = request::ApiRequest {
            verb: "create",
            resource: "pods/eviction".into(),
        };
        metrics.requested(
            &request,
            RequestResult::Status(StatusCode::TOO_MANY_REQUESTS),
            Duration::from_millis(3),
        );
        metrics.requested(&request, RequestResult::Timeout, Duration::from_secs(15));
        metrics.wrote("Namespace", Operation::Create);
        for line in [
            "tenant_operator_reconciles_total{result=\"ok\"} 1",
            "tenant_operator_reconciles_total{result=\"error\"} 1",
            "tenant_operator_reconcile_errors_total{reason=\"ApiConflict\"} 1",
            "tenant_operator_reconcile_duration_seconds_count 2",
            "tenant_operator_queue_depth 7",
            "tenant_operator_api_requests_total{verb=\"create\",resource=\"pods/eviction\",code=\"4xx\"} 1",
            "tenant_operator_api_requests_total{verb=\"create\",resource=\"pods/eviction\",code=\"timeout\"} 1",
            "tenant_operator_api_request_duration_seconds_count{verb=\"create\"} 2",
            "tenant_operator_objects_written_total{kind=\"Namespace\",operation=\"create\"} 1",
            "tenant_operator_leader 1",
            "tenant_operator_leases_lost_total 1",
            concat!(
                "tenant_operator_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
            "# EOF",
        ] {
            assert_line(&metrics, line);
        }
    }

    #[test]
    fn tenants_that_are_gone_are_not_shown() {
        let metrics = Metrics::new();
        metrics.set_tenants(&[("Ready".into(), "True".into(), 2), ("Ready".into(), "False".into(), 1)]);
        assert_line(
            &metrics,
            "tenant_operator_tenants{condition=\"Ready\",status=\"False\"} 1",
        );
        metrics.set_tenants(&[("Ready".into(), "True".into(), 3)]);
        assert_line(
            &metrics,
            "tenant_operator_tenants{condition=\"Ready\",status=\"True\"} 3",
        );
        assert!(!metrics.encode().contains("status=\"False\""));
    }

    #[test]
    fn a_term_begins_and_ends_without_the_figures_of_another() {
        let metrics = Metrics::new();
        let register = || {
            let gauge = Gauge::<i64>::default();
            metrics.register(OPERATOR, |ours| ours.register("servers", "Servers", gauge.clone()));
            gauge
        };
        for term in 1..=2 {
            metrics.begin_term();
            register().set(term);
            metrics.set_tenants(&[("Ready".into(), "True".into(), term)]);
            metrics.set_queue_depth(term);
            for line in [
                "tenant_operator_leader 1".to_string(),
                format!("tenant_operator_servers {term}"),
                format!("tenant_operator_tenants{{condition=\"Ready\",status=\"True\"}} {term}"),
            ] {
                assert_line(&metrics, &line);
            }
            assert_eq!(
                metrics.encode().matches("tenant_operator_servers ").count(),
                3,
                "{}",
                metrics.encode()
            );
            metrics.end_term();
            assert_line(&metrics, "tenant_operator_leader 0");
            assert_line(&metrics, "tenant_operator_queue_depth 0");
            let text = metrics.encode();
            assert!(!text.contains("servers") && !text.contains("condition="), "{text}");
        }
    }

    #[test]
    fn the_process_is_measured() {
        let text = Metrics::new().encode();
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_resident_memory_peak_bytes ",
        ] {
            assert!(
                text.lines().any(|line| line.starts_with(name)),
                "{name} is not in:\n{text}"
            );
        }
    }
}
