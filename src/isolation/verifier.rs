//! Proves that tenants are apart: when one is reported on, and again when something changed that concerns it.

mod changes;

use super::Inventory;
use super::access::Access;
use super::access::reach::Opening;
use super::access::subjects;
use super::admission;
use super::admission::prober::{AdmissionProber, Findings};
use super::cache::{Breaches, Cache};
use super::condition;
use super::metrics::IsolationMetrics;
use super::network::prober::NetworkProber;
use super::network::schedule::NetworkSubject;
use crate::api::TenantStatus;
use crate::capability::Tenants;
use crate::capability::quarantine;
use crate::cluster::Store;
use crate::proof::check::{ADMISSION, API_ACCESS, DATABASE_ACCESS, ENDPOINTS, NETWORK_ACCESS, NETWORK_POLICIES, QUOTA};
use crate::proof::{Outcome, Proof};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Time for collecting waiters for the same result.
const TOGETHER: Duration = Duration::from_millis(300);
/// Time for which the first report on a tenant waits for the dry-run checks.
const DRY_RUN_WAIT: Duration = Duration::from_secs(1);
/// The time that a new process waits for its caches, and the interval between its looks.
const READY: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Openings to and from each tenant.
type Openings = BTreeMap<String, Vec<Opening>>;

#[derive(Default)]
struct LastResults {
    openings: Arc<Openings>,
    policies: Arc<Breaches>,
    endpoint_slices: Arc<Breaches>,
}

/// Inputs of a tenant's checks.
pub struct VerificationInput {
    /// Result of the check with its own login, if it has one.
    pub database: Option<Outcome>,
    /// State of its pods in the network.
    pub network: NetworkState,
    /// Rights of its users in each of its namespaces; None without news.
    pub admission: Option<Vec<admission::AdmissionSubject>>,
}

/// State of a tenant in the network.
pub enum NetworkState {
    /// Its pods may be there.
    Pods(Vec<NetworkSubject>),
    /// It has none.
    Deserted,
    /// It has, and nothing can come to them or from them.
    CutOff,
    /// Unknown in this pass: the former state stays.
    AsBefore,
}

/// Proves that tenants are apart.
pub struct IsolationVerifier {
    access: Arc<Access>,
    policies: Arc<Cache<NetworkPolicy>>,
    endpoint_slices: Arc<Cache<EndpointSlice>>,
    tenants: Tenants,
    objects: Arc<Store>,
    metrics: IsolationMetrics,
    /// None where the platform does not want the network to be tried.
    network_prober: Option<Arc<NetworkProber>>,
    /// None where the platform does not want admission to be tried.
    admission_prober: Option<Arc<AdmissionProber>>,
    /// The earliest time of the next resolution for waiting tenants.
    resolved: tokio::sync::Mutex<Option<Instant>>,
    /// Openings at the last notification.
    last: Mutex<LastResults>,
}

impl IsolationVerifier {
    pub fn new(
        access: Arc<Access>,
        (policies, endpoint_slices): (Arc<Cache<NetworkPolicy>>, Arc<Cache<EndpointSlice>>),
        known: &Inventory,
        (network_prober, admission_prober): (Option<Arc<NetworkProber>>, Option<Arc<AdmissionProber>>),
        metrics: IsolationMetrics,
    ) -> Self {
        Self {
            access,
            policies,
            endpoint_slices,
            network_prober,
            admission_prober,
            tenants: known.tenants.clone(),
            objects: known.objects.clone(),
            metrics,
            resolved: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Waits until the caches are complete, so that a new process does not report all tenants as unjudged. The wait is bounded, since tenants' bounds are more
    /// urgent.
    pub async fn ready(&self) {
        let known = async {
            while !(self.access.is_ready() && self.policies.is_listed() && self.endpoint_slices.is_listed()) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        if tokio::time::timeout(READY, known).await.is_err() {
            tracing::warn!("the operator has not listed all inputs of the isolation checks yet");
        }
    }

    /// Judges whether a tenant is isolated from all others. `old` is the former status.
    pub async fn prove(&self, tenant: &str, input: VerificationInput, old: Option<&TenantStatus>) -> Proof {
        let outcome = match self.openings(tenant).await {
            Ok(openings) => {
                let before = old.and_then(|old| old.isolation.as_ref());
                let before = before.map_or(&[][..], |before| &before.violations);
                let openings = openings.get(tenant).map_or(&[][..], Vec::as_slice);
                self.access.outcome(tenant, openings, before).await
            }
            Err(why) => Outcome::Untried(why.into()),
        };
        let namespaces = self.objects.namespaces_of(tenant);
        let mut proof = Proof {
            outcomes: vec![
                (&API_ACCESS, outcome),
                (&NETWORK_POLICIES, self.policies.outcome(tenant, &namespaces)),
                (&ENDPOINTS, self.endpoint_slices.outcome(tenant, &namespaces)),
            ],
            ..Proof::default()
        };
        proof
            .outcomes
            .extend(input.database.map(|outcome| (&DATABASE_ACCESS, outcome)));
        self.network(tenant, &input.network, &mut proof);
        self.admission(tenant, input.admission.as_deref(), &mut proof);
        let was_tried = condition::was_tried(old, proof.outcomes.len());
        if let (Some(admission_prober), Some(subjects)) = (&self.admission_prober, input.admission) {
            admission_prober.update(tenant, subjects.clone(), was_tried);
            // A new tenant's turn comes at once: one write of the status is to say it all.
            if !was_tried && admission_prober.first(&subjects, DRY_RUN_WAIT).await {
                proof
                    .outcomes
                    .retain(|(check, _)| ![ADMISSION.id, QUOTA.id].contains(&check.id));
                self.admission(tenant, Some(&subjects), &mut proof);
            }
        }
        if let (Some(network_prober), NetworkState::Pods(subjects)) = (&self.network_prober, input.network) {
            network_prober.update(tenant, subjects, was_tried);
        }
        for (check, outcome) in &proof.outcomes {
            self.metrics
                .checked_isolation(tenant, check.id, outcome.as_str(), outcome.violations().len());
        }
        proof
    }

    fn admission(&self, tenant: &str, subjects: Option<&[admission::AdmissionSubject]>, proof: &mut Proof) {
        let Some(admission_prober) = &self.admission_prober else {
            proof.switched_off.extend([&ADMISSION, &QUOTA]);
            return;
        };
        let findings = match subjects {
            Some(subjects) => admission_prober.findings(subjects),
            None => match admission_prober.subjects(tenant) {
                none if none.is_empty() => Findings {
                    admission: Outcome::Pending,
                    quota: Some(Outcome::Pending),
                },
                known => admission_prober.findings(&known),
            },
        };
        proof.outcomes.push((&ADMISSION, findings.admission));
        proof.outcomes.extend(findings.quota.map(|outcome| (&QUOTA, outcome)));
    }

    fn network(&self, tenant: &str, state: &NetworkState, proof: &mut Proof) {
        match (&self.network_prober, state) {
            (None, NetworkState::Pods(_) | NetworkState::CutOff) => proof.switched_off.push(&NETWORK_ACCESS),
            (None, _) => {}
            (Some(network_prober), NetworkState::Deserted) => network_prober.forget(tenant),
            (Some(network_prober), NetworkState::CutOff) => {
                network_prober.forget(tenant);
                let outcome = Outcome::Untried(quarantine::UNTRIED.into());
                proof.outcomes.push((&NETWORK_ACCESS, outcome));
            }
            (Some(network_prober), NetworkState::Pods(subjects)) => {
                proof.outcomes.push((&NETWORK_ACCESS, network_prober.outcome(subjects)));
            }
            (Some(network_prober), NetworkState::AsBefore) => {
                let known = network_prober.known(tenant);
                let outcome = match known.is_empty() {
                    true => Outcome::Pending,
                    false => network_prober.outcome(&known),
                };
                proof.outcomes.push((&NETWORK_ACCESS, outcome));
            }
        }
    }

    /// Returns the openings, with this tenant as it is now. Roles and bindings may have changed a moment ago: the watch wakes the tenants concerned. One
    /// resolution serves all tenants that wait at the same time.
    async fn openings(&self, tenant: &str) -> Result<Arc<Openings>, &'static str> {
        let holder = subjects::one(&self.tenants, &self.objects, tenant);
        if let Some(known) = self.access.last(&holder) {
            return Ok(known);
        }
        let mut next = self.resolved.lock().await;
        if let Some(known) = self.access.last(&holder) {
            return Ok(known);
        }
        if let Some(next) = *next {
            tokio::time::sleep_until(next).await;
        }
        let begun = Instant::now();
        let openings = self.resolve().await;
        *next = Some(Instant::now() + TOGETHER.max(begun.elapsed()));
        openings
    }

    /// Resolves the openings on a thread of its own, beside the shared ones.
    async fn resolve(&self) -> Result<Arc<Openings>, &'static str> {
        let (access, tenants, objects) = (self.access.clone(), self.tenants.clone(), self.objects.clone());
        spawn_blocking(move || access.openings(subjects::all(&tenants, &objects))).await
    }

    /// Forgets a tenant that is gone, with its metrics.
    pub fn forget(&self, tenant: &str) {
        self.access.survey.forget(tenant);
        if let Some(network_prober) = &self.network_prober {
            network_prober.forget(tenant);
        }
        if let Some(admission_prober) = &self.admission_prober {
            admission_prober.forget(tenant);
        }
        for check in crate::proof::check::ALL {
            self.metrics.forget_isolation(tenant, check.id);
        }
    }
}

/// Runs long work on a thread of its own, so that it holds up no reconcile.
async fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, &'static str> + Send + 'static,
) -> Result<T, &'static str> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err("the check did not run: this is a bug of the operator"))
}
