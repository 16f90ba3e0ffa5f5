//! Loop that asks the gateway's pods for their counts of each tenant's requests.

use super::Counted;
use super::envoy_stats::{PATH, read};
use super::ledger::{ByNamespace, Ledger, Sample};
use super::metrics::RequestMetrics;
use super::settings::MeteringSettings;
use crate::api::GatewayUsage;
use crate::cluster::{Kind, Store};
use crate::telemetry::scrape::{AT_ONCE, Pods, scrape};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts of tenants' requests at the gateway.
pub struct Meter {
    pods: Pods,
    period: Duration,
    objects: Arc<Store>,
    metrics: RequestMetrics,
    begun: Timestamp,
    ledger: Mutex<Ledger>,
}

/// One pod of the gateway.
struct Instance {
    uid: String,
    address: SocketAddr,
    is_new: bool,
}

async fn ask(instance: Instance) -> Option<Sample> {
    match scrape(instance.address, PATH).await.map(|text| read(&text)) {
        Ok(counted) => Some(Sample {
            envoy: instance.uid,
            is_new: instance.is_new,
            counted,
        }),
        Err(error) => {
            tracing::warn!(address = %instance.address, %error, "the operator could not read the counters of a gateway pod");
            None
        }
    }
}

impl Meter {
    /// A meter of the pods in this namespace.
    pub fn new(
        client: Client,
        namespace: &str,
        settings: &MeteringSettings,
        objects: Arc<Store>,
        metrics: RequestMetrics,
    ) -> Self {
        Self {
            pods: Pods::new(client, namespace, &settings.pod_labels, settings.port),
            period: settings.period,
            objects,
            metrics,
            begun: Timestamp::now(),
            ledger: Mutex::default(),
        }
    }

    /// Removes the metrics of a deleted tenant.
    pub fn forget(&self, tenant: &str) {
        self.metrics.forget(tenant);
    }

    /// Asks, for ever.
    pub async fn run(&self) {
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "the operator cannot list the gateway's pods, so it counts no requests");
            }
            tokio::time::sleep(self.period).await;
        }
    }

    /// Returns the requests of a tenant with these namespaces in the last minutes; None until they are known.
    pub fn usage(&self, namespaces: &[String]) -> Option<GatewayUsage> {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = ledger.recent(namespaces.iter().map(String::as_str))?;
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Some(GatewayUsage {
            requests: whole(counted.requests),
            limited_requests: whole(counted.limited),
            received_bytes: whole(counted.received_bytes),
            sent_bytes: whole(counted.sent_bytes),
        })
    }

    async fn round(&self) -> Result<(), kube::Error> {
        let pods = self.pods.list().await?;
        let there: BTreeSet<String> = pods.iter().filter_map(|pod| pod.metadata.uid.clone()).collect();
        let instances: Vec<Instance> = pods.iter().filter_map(|pod| self.instance(pod)).collect();
        let asked = stream::iter(instances).map(ask).buffer_unordered(AT_ONCE);
        let round: Vec<Option<Sample>> = asked.collect().await;
        let round = round.into_iter().flatten().collect();
        let came = {
            let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.add(round, |uid| there.contains(uid), Instant::now())
        };
        for (tenant, counted) in self.by_tenant(came) {
            self.metrics.count(&tenant, &counted);
        }
        Ok(())
    }

    fn instance(&self, pod: &Pod) -> Option<Instance> {
        let status = pod.status.as_ref()?;
        let is_running = status.phase.as_deref() == Some("Running");
        let started = status.start_time.as_ref().map(|time| time.0);
        is_running.then_some(Instance {
            uid: pod.metadata.uid.clone()?,
            address: self.pods.address(pod)?,
            is_new: started.is_some_and(|started| started > self.begun),
        })
    }

    /// Adds up the counts of each tenant. Skips namespaces without a tenant.
    fn by_tenant(&self, came: ByNamespace) -> HashMap<String, Counted> {
        let whose = self.objects.of_kind(Kind::Namespace);
        let whose: HashMap<String, String> = whose.into_iter().map(|(tenant, key)| (key.name, tenant)).collect();
        let mut all: HashMap<String, Counted> = HashMap::new();
        for (namespace, counted) in came {
            if let Some(tenant) = whose.get(&namespace) {
                *all.entry(tenant.clone()).or_default() += counted;
            }
        }
        all
    }
}
