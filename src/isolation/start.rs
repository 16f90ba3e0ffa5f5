//! Starts the loops that check isolation.

use super::Inventory;
use super::access::{Access, Watched, scanner::AccessScanner};
use super::admission::prober::AdmissionProber;
use super::metrics::IsolationMetrics;
use super::network::{endpoint_slices, foreign_policies, prober::NetworkProber};
use super::report_writer::ReportWriter;
use super::settings::IsolationSettings;
use super::verifier::IsolationVerifier;
use crate::cluster::Queue;
use crate::telemetry::metrics::Metrics;
use kube::Client;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// Settings of the operator that the checks need besides their own.
pub struct Surroundings {
    /// The port of the operator's own metrics, which the network probe dials.
    pub metrics_port: u16,
    /// The interval between requests for kinds that the cluster lacks.
    pub discovery_period: Duration,
}

/// The running checks.
pub struct Started {
    pub verifier: Arc<IsolationVerifier>,
    /// None where the platform wants no reports.
    pub reports: Option<Arc<ReportWriter>>,
    /// Ends each loop when it is dropped.
    pub loops: Vec<AbortOnDropHandle<()>>,
}

/// Starts all loops. The second client acts as the user that tries admission; None where admission is not tried.
pub fn start(
    (client, examiner): (Client, Option<Client>),
    inventory: &Inventory,
    queue: &Queue,
    settings: &IsolationSettings,
    surroundings: &Surroundings,
    metrics: &Metrics,
) -> Started {
    let isolation = IsolationMetrics::register(metrics);
    let (watched, mut loops) = Watched::start(&client);
    let mut run = |work: Work| loops.push(AbortOnDropHandle::new(tokio::spawn(work)));
    let access = Access::new(
        client.clone(),
        watched,
        inventory.namespace.clone(),
        &settings.api_probe,
    );
    let access = Arc::new(access);
    let scanner = AccessScanner::new(access.clone(), inventory, settings.api_probe.clone(), isolation.clone());
    run(Box::pin(scanner.run(queue.clone())));
    let network = NetworkProber::new(
        client.clone(),
        &settings.network_probe,
        (surroundings.metrics_port, inventory.services.clone()),
    );
    let network = network.map(Arc::new);
    if let Some(prober) = network.clone() {
        let queue = queue.clone();
        run(Box::pin(async move { prober.run(queue).await }));
    }
    let admission = examiner.map(|client| Arc::new(AdmissionProber::new(client, &settings.admission_probe)));
    if let Some(prober) = admission.clone() {
        let queue = queue.clone();
        run(Box::pin(async move { prober.run(queue).await }));
    }
    let (policies, keeping) = foreign_policies::cache(client.clone(), inventory);
    run(Box::pin(keeping));
    let (endpoint_slices, keeping) = endpoint_slices::cache(client.clone(), inventory);
    run(Box::pin(keeping));
    let verifier = IsolationVerifier::new(
        access,
        (policies, endpoint_slices),
        inventory,
        (network, admission),
        isolation,
    );
    let verifier = Arc::new(verifier);
    run(Box::pin(verifier.clone().follow(queue.clone())));
    let reports = settings.reports.then(|| {
        let period = surroundings.discovery_period;
        Arc::new(ReportWriter::new(client, queue.clone(), metrics.clone(), period))
    });
    if let Some(writer) = reports.clone() {
        run(Box::pin(async move { writer.run().await }));
    }
    Started {
        verifier,
        reports,
        loops,
    }
}

/// A loop.
type Work = futures::future::BoxFuture<'static, ()>;
