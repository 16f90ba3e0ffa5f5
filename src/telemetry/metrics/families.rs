//! The operator's own metrics with their labels, and their registration.

use super::OPERATOR;
use crate::telemetry::process::Process;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Upper bounds in seconds; a reconcile that waits for the cluster takes some seconds, one that finds nothing to do none.
const RECONCILE_BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// Upper bounds in seconds; calls end after 15 s.
const REQUEST_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 15.0];

/// The metrics of the operator itself, and the registries.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) registry: Mutex<Registry>,
    /// Metrics of capabilities, which begin anew with each term of leadership.
    pub(super) of_term: Mutex<Registry>,
    pub(super) reconciles: Family<ResultLabel, Counter>,
    pub(super) reconcile_errors: Family<ReasonLabel, Counter>,
    pub(super) reconcile_duration: Histogram,
    pub(super) queue_depth: Gauge,
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) request_duration: Family<VerbLabel, Histogram, fn() -> Histogram>,
    pub(super) tenants: Family<TenantLabels, Gauge>,
    /// The label sets of `tenants` that were set last.
    pub(super) shown: Mutex<BTreeSet<TenantLabels>>,
    pub(super) leader: Gauge,
    pub(super) leases_lost: Counter,
    pub(super) objects_written: Family<WriteLabels, Counter>,
}

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ResultLabel {
    pub(super) result: &'static str,
}

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReasonLabel {
    pub(super) reason: &'static str,
}

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct VerbLabel {
    pub(super) verb: &'static str,
}

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RequestLabels {
    pub(super) verb: &'static str,
    pub(super) resource: String,
    pub(super) code: &'static str,
}

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TenantLabels {
    pub(super) condition: String,
    pub(super) status: String,
}

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct WriteLabels {
    pub(super) kind: &'static str,
    pub(super) operation: &'static str,
}

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct BuildLabels {
    pub(super) version: &'static str,
}

impl Families {
    /// All at zero.
    pub(super) fn new() -> Self {
        let families = Self {
            registry: Mutex::default(),
            of_term: Mutex::default(),
            reconciles: Family::default(),
            reconcile_errors: Family::default(),
            reconcile_duration: Histogram::new(RECONCILE_BUCKETS),
            queue_depth: Gauge::default(),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            tenants: Family::default(),
            shown: Mutex::default(),
            leader: Gauge::default(),
            leases_lost: Counter::default(),
            objects_written: Family::default(),
        };
        families.register();
        families
    }

    fn register(&self) {
        let mut registry = lock(&self.registry);
        registry.register_collector(Box::new(Process));
        let ours = registry.sub_registry_with_prefix(OPERATOR);
        ours.register(
            "build",
            "The running version",
            Info::new(BuildLabels {
                version: env!("CARGO_PKG_VERSION"),
            }),
        );
        ours.register("reconciles", "Reconciles by result", self.reconciles.clone());
        ours.register(
            "reconcile_errors",
            "Failed reconciles by reason",
            self.reconcile_errors.clone(),
        );
        ours.register(
            "reconcile_duration_seconds",
            "Duration of reconciles",
            self.reconcile_duration.clone(),
        );
        ours.register("queue_depth", "Objects in the queue", self.queue_depth.clone());
        ours.register(
            "api_requests",
            "Attempts of Kubernetes API requests by verb, resource and class of response",
            self.requests.clone(),
        );
        ours.register(
            "api_request_duration_seconds",
            "Duration of attempts of Kubernetes API requests; for watches until they start",
            self.request_duration.clone(),
        );
        ours.register("tenants", "Tenants by condition and its status", self.tenants.clone());
        ours.register("leader", "1 in the process that leads, else 0", self.leader.clone());
        ours.register(
            "leases_lost",
            "Times that this process could not renew its lease and stood down",
            self.leases_lost.clone(),
        );
        ours.register(
            "objects_written",
            "Writes of Kubernetes objects",
            self.objects_written.clone(),
        );
    }
}

/// Returns a registry, also after a panic of its holder: each registration is whole.
pub(super) fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}
