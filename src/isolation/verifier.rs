//! Proves that tenants are apart: when one is reported on, and again when something changed that concerns it.

use super::Inventory;
use super::access::Access;
use super::access::reach::Opening;
use super::access::subjects;
use super::admission;
use super::admission::prober::{AdmissionProber, Findings};
use super::cache::{Breaches, Cache};
use super::condition;
use super::lock;
use super::metrics::IsolationMetrics;
use super::network::prober::NetworkProber;
use super::network::schedule::Subject;
use crate::api::{Opener, TenantStatus};
use crate::capability::Tenants;
use crate::capability::quarantine;
use crate::cluster::{Queue, Store};
use crate::proof::check::{ADMISSION, API_ACCESS, DATABASE_ACCESS, ENDPOINTS, NETWORK_ACCESS, NETWORK_POLICIES, QUOTA};
use crate::proof::{Outcome, Proof};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Time for collecting changes: the API server's authorizer learns of them about as fast as this program.
const GATHER: Duration = Duration::from_secs(1);
/// Time after which the tenants concerned are judged once more, in case the authorizer was slower.
const AGAIN: Duration = Duration::from_secs(5);
/// Time for collecting waiters for the same result.
const TOGETHER: Duration = Duration::from_millis(300);
/// Time for which the first report on a tenant waits for the dry-run checks.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time that a new process waits for its caches, and the interval between its looks.
const READY: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Time between two checks for changes of tenants, their namespaces or owners.
const PERIOD: Duration = Duration::from_secs(15);
/// The rest after a look, as a multiple of the look's duration, and its maximum. The cost depends on the amount of users' objects, never on how often they
/// write.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Number of tenants to reconcile at once after grants by others: any owner can grant access to all tenants.
const INVITED: usize = 20;

/// Openings to and from each tenant.
type Openings = BTreeMap<String, Vec<Opening>>;

#[derive(Default)]
struct LastResults {
    openings: Arc<Openings>,
    policies: Arc<Breaches>,
    slices: Arc<Breaches>,
}

/// Inputs of a tenant's checks.
pub struct VerificationInput {
    /// Result of the check with its own login, if it has one.
    pub database: Option<Outcome>,
    /// State of its pods in the network.
    pub network: NetworkState,
    /// Rights of its users in each of its namespaces; None without news.
    pub admission: Option<Vec<admission::Subject>>,
}

/// State of a tenant in the network.
pub enum NetworkState {
    /// Its pods may be there.
    Pods(Vec<Subject>),
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
    slices: Arc<Cache<EndpointSlice>>,
    tenants: Tenants,
    objects: Arc<Store>,
    metrics: IsolationMetrics,
    /// None where the platform does not want the network to be tried.
    probes: Option<Arc<NetworkProber>>,
    /// None where the platform does not want admission to be tried.
    examiner: Option<Arc<AdmissionProber>>,
    /// The earliest time of the next resolution for waiting tenants.
    resolved: tokio::sync::Mutex<Option<Instant>>,
    /// Openings at the last notification.
    last: Mutex<LastResults>,
}

impl IsolationVerifier {
    pub fn new(
        access: Arc<Access>,
        (policies, slices): (Arc<Cache<NetworkPolicy>>, Arc<Cache<EndpointSlice>>),
        known: &Inventory,
        (probes, examiner): (Option<Arc<NetworkProber>>, Option<Arc<AdmissionProber>>),
        metrics: IsolationMetrics,
    ) -> Self {
        Self {
            access,
            policies,
            slices,
            probes,
            examiner,
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
            while !(self.access.is_ready() && self.policies.is_listed() && self.slices.is_listed()) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        if tokio::time::timeout(READY, known).await.is_err() {
            tracing::warn!("the operator has not listed all inputs of the isolation checks yet");
        }
    }

    /// Judges whether a tenant is isolated from all others. `old` is the former status.
    pub async fn prove(&self, tenant: &str, stance: VerificationInput, old: Option<&TenantStatus>) -> Proof {
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
                (&ENDPOINTS, self.slices.outcome(tenant, &namespaces)),
            ],
            ..Proof::default()
        };
        proof
            .outcomes
            .extend(stance.database.map(|outcome| (&DATABASE_ACCESS, outcome)));
        self.network(tenant, &stance.network, &mut proof);
        self.admission(tenant, stance.admission.as_deref(), &mut proof);
        let was_tried = condition::was_tried(old, proof.outcomes.len());
        if let (Some(examiner), Some(subjects)) = (&self.examiner, stance.admission) {
            examiner.know(tenant, subjects.clone(), was_tried);
            // A new tenant's turn comes at once: one write of the status is to say it all.
            if !was_tried && examiner.first(&subjects, PATIENCE).await {
                proof
                    .outcomes
                    .retain(|(check, _)| ![ADMISSION.id, QUOTA.id].contains(&check.id));
                self.admission(tenant, Some(&subjects), &mut proof);
            }
        }
        if let (Some(probes), NetworkState::Pods(subjects)) = (&self.probes, stance.network) {
            probes.know(tenant, subjects, was_tried);
        }
        for (check, outcome) in &proof.outcomes {
            self.metrics
                .checked_isolation(tenant, check.id, outcome.as_str(), outcome.violations().len());
        }
        proof
    }

    fn admission(&self, tenant: &str, subjects: Option<&[admission::Subject]>, proof: &mut Proof) {
        let Some(examiner) = &self.examiner else {
            proof.switched_off.extend([&ADMISSION, &QUOTA]);
            return;
        };
        let findings = match subjects {
            Some(subjects) => examiner.findings(subjects),
            None => match examiner.subjects(tenant) {
                none if none.is_empty() => Findings {
                    admission: Outcome::Pending,
                    quota: Some(Outcome::Pending),
                },
                known => examiner.findings(&known),
            },
        };
        proof.outcomes.push((&ADMISSION, findings.admission));
        proof.outcomes.extend(findings.quota.map(|outcome| (&QUOTA, outcome)));
    }

    fn network(&self, tenant: &str, position: &NetworkState, proof: &mut Proof) {
        match (&self.probes, position) {
            (None, NetworkState::Pods(_) | NetworkState::CutOff) => proof.switched_off.push(&NETWORK_ACCESS),
            (None, _) => {}
            (Some(probes), NetworkState::Deserted) => probes.forget(tenant),
            (Some(probes), NetworkState::CutOff) => {
                probes.forget(tenant);
                let outcome = Outcome::Untried(quarantine::UNTRIED.into());
                proof.outcomes.push((&NETWORK_ACCESS, outcome));
            }
            (Some(probes), NetworkState::Pods(subjects)) => {
                proof.outcomes.push((&NETWORK_ACCESS, probes.outcome(subjects)));
            }
            (Some(probes), NetworkState::AsBefore) => {
                let known = probes.known(tenant);
                let outcome = match known.is_empty() {
                    true => Outcome::Pending,
                    false => probes.outcome(&known),
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
        if let Some(probes) = &self.probes {
            probes.forget(tenant);
        }
        if let Some(examiner) = &self.examiner {
            examiner.forget(tenant);
        }
        for check in crate::proof::check::ALL {
            self.metrics.forget_isolation(tenant, check.id);
        }
    }

    /// Wakes the tenants that a change concerns. Never ends.
    pub async fn follow(self: Arc<Self>, queue: Queue) {
        // Without all namespaces, agreements between tenants would be judged as openings. This does not wait for the tenants' store: that one wakes only one
        // waiting task, and the controller is one.
        self.objects.synced().await;
        let mut pause = GATHER;
        let mut invited: VecDeque<String> = VecDeque::new();
        loop {
            let changed = async {
                tokio::select! {
                    () = self.access.changed() => {}
                    () = self.policies.changed.notified() => {}
                    () = self.slices.changed.notified() => {}
                    () = std::future::ready(()), if !invited.is_empty() => {}
                }
            };
            let _ = tokio::time::timeout(PERIOD, changed).await;
            tokio::time::sleep(pause).await;
            let begun = Instant::now();
            let openings = self.resolve().await;
            let (policies, slices) = (self.policies.clone(), self.slices.clone());
            let policies = spawn_blocking(move || policies.evaluate()).await;
            let slices = spawn_blocking(move || slices.evaluate()).await;
            pause = rest(begun.elapsed());
            let (mut concerned, mut by_access) = (Vec::new(), false);
            if let Ok(now) = openings {
                let last = &mut lock(&self.last).openings;
                let before = last.clone();
                let differing = differing(last, now.clone());
                by_access = !differing.is_empty();
                let is_invited = |tenant: &String| only_invited(before.get(tenant), now.get(tenant));
                let (later, at_once): (Vec<_>, Vec<_>) = differing.into_iter().partition(is_invited);
                concerned = at_once;
                let waiting: HashSet<String> = invited.iter().cloned().collect();
                invited.extend(later.into_iter().filter(|tenant| !waiting.contains(tenant)));
            }
            if let Ok(now) = policies {
                concerned.extend(differing(&mut lock(&self.last).policies, now));
            }
            if let Ok(now) = slices {
                concerned.extend(differing(&mut lock(&self.last).slices, now));
            }
            concerned.extend(invited.drain(..INVITED.min(invited.len())));
            if by_access {
                self.access.forget_answers();
            }
            concerned.iter().for_each(|tenant| queue.wake(tenant));
            if by_access {
                tokio::time::sleep(AGAIN).await;
                concerned.iter().for_each(|tenant| queue.wake(tenant));
            }
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

/// Returns the time for gathering changes after a look of this duration.
fn rest(took: Duration) -> Duration {
    (took * REST).clamp(GATHER, LONGEST_REST)
}

/// Returns true if only invitations changed: by the tenant's users, or of them. Tenants' users can make any number of these at any time; all other changes are
/// the platform's, and come first.
fn only_invited(before: Option<&Vec<Opening>>, now: Option<&Vec<Opening>>) -> bool {
    let of_platform = |openings: Option<&Vec<Opening>>| -> Vec<Opening> {
        let openings = openings.into_iter().flatten();
        let by_platform = openings.filter(|opening| opening.opened_by == Opener::Platform);
        by_platform.cloned().collect()
    };
    of_platform(before) == of_platform(now)
}

/// Replaces `before`, and returns the tenants whose entry differs.
fn differing<T: PartialEq>(before: &mut Arc<BTreeMap<String, T>>, now: Arc<BTreeMap<String, T>>) -> Vec<String> {
    let before = std::mem::replace(before, now.clone());
    let mut tenants: Vec<String> = before.keys().chain(now.keys()).cloned().collect();
    tenants.retain(|tenant| before.get(tenant) != now.get(tenant));
    tenants.sort();
    tenants.dedup();
    tenants
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Direction;
    use crate::isolation::access::reach::Who;

    fn opening(opened_by: Opener, binding: &str) -> Opening {
        Opening {
            opened_by,
            direction: Direction::Outward,
            counterpart: "other".into(),
            binding: binding.into(),
            who: Who {
                user: String::new(),
                groups: Vec::new(),
                title: String::new(),
            },
            namespace: None,
            attempts: Vec::new(),
        }
    }

    #[test]
    fn a_look_takes_a_fifth_of_the_time_at_most() {
        let millis = Duration::from_millis;
        assert_eq!(rest(millis(5)), GATHER);
        assert_eq!(rest(millis(500)), millis(2000));
        assert_eq!(rest(millis(60_000)), LONGEST_REST);
    }

    #[test]
    fn invitations_wait_and_what_the_platform_opens_does_not() {
        let invitation = |binding| opening(Opener::Counterpart, binding);
        let hole = opening(Opener::Platform, "hole");
        let with = |openings: &[&Opening]| Some(openings.iter().map(|one| (*one).clone()).collect::<Vec<_>>());
        let (one, other) = (invitation("one"), invitation("other"));
        let is_invited =
            |before: Option<Vec<Opening>>, now: Option<Vec<Opening>>| only_invited(before.as_ref(), now.as_ref());
        assert!(is_invited(None, with(&[&one])) && is_invited(with(&[&one]), None));
        assert!(is_invited(with(&[&one, &hole]), with(&[&other, &hole])));
        assert!(!is_invited(None, with(&[&hole])) && !is_invited(with(&[&hole]), None));
        assert!(!is_invited(with(&[&one]), with(&[&one, &hole])));
    }

    #[test]
    fn only_those_are_woken_of_whom_something_else_is_to_be_said() {
        let map = |list: &[(&str, u8)]| {
            Arc::new(
                list.iter()
                    .map(|(name, value)| (name.to_string(), *value))
                    .collect::<BTreeMap<_, _>>(),
            )
        };
        let mut told = map(&[("gone", 1), ("kept", 1), ("other", 1)]);
        let now = map(&[("kept", 1), ("new", 1), ("other", 2)]);
        assert_eq!(differing(&mut told, now.clone()), ["gone", "new", "other"]);
        assert_eq!(differing(&mut told, now), Vec::<String>::new());
    }
}
