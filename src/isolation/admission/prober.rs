//! Tries by dry run requests of a tenant's users that the API server must refuse: one tenant after the other, again and again.

use super::attempts::{self, Make};
use super::outcome::{self, Answer};
use super::{AdmissionSubject, SharedParts, settings::AdmissionProbe};
use crate::cluster::Queue;
use crate::isolation::check_schedule::{CheckSchedule, ScheduledCheck, about};
use crate::names;
use crate::proof::Outcome;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DynamicObject, PostParams};
use kube::{Client, Resource};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Time between two checks for due checks.
const TICK: Duration = Duration::from_millis(500);
/// Time after which an attempt that was admitted, or could not be made, is repeated.
const SOON: Duration = Duration::from_secs(30);

/// The most checks that can be due and end while somebody waits.
const FEW: usize = 8;
/// The times that RBAC may refuse the examiner before that counts as a fault and not as a new binding.
const MAX_POSTPONEMENTS: u32 = 20;

/// Results of both checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    pub admission: Outcome,
    /// None where the tenant's quota has nothing that could be tried.
    pub quota: Option<Outcome>,
}

/// Prober of requests that the API server must refuse.
pub struct AdmissionProber {
    /// Acts as the examiner.
    client: Client,
    period: Duration,
    schedule: CheckSchedule<AdmissionSubject, Findings>,
    shared: SharedParts,
    /// A check is due.
    known: Notify,
    /// Something was found out.
    learnt: Notify,
}

impl AdmissionProber {
    pub fn new(client: Client, settings: &AdmissionProbe) -> Self {
        Self {
            client,
            period: settings.period,
            schedule: CheckSchedule::new(settings.period),
            shared: SharedParts::default(),
            known: Notify::new(),
            learnt: Notify::new(),
        }
    }

    /// Records a tenant's present namespaces, as [`CheckSchedule::update`] does.
    pub fn update(&self, tenant: &str, subjects: Vec<AdmissionSubject>, was_tried: bool) {
        let subjects = subjects.into_iter().map(|subject| self.shared.share(subject));
        if self.schedule.update(tenant, subjects.collect(), was_tried) {
            self.known.notify_one();
        }
    }

    /// Waits for the first findings in each of these namespaces; whether there are any that were not there before.
    pub async fn first(&self, subjects: &[AdmissionSubject], timeout: Duration) -> bool {
        let are_known = || subjects.iter().all(|subject| self.schedule.found(subject).is_some());
        let found = async {
            loop {
                let learnt = self.learnt.notified();
                tokio::pin!(learnt);
                learnt.as_mut().enable();
                if are_known() {
                    return;
                }
                learnt.await;
            }
        };
        // Where many wait none is worth waiting for.
        let due = |checks: &BTreeMap<String, ScheduledCheck<AdmissionSubject, Findings>>| {
            let now = Instant::now();
            checks.values().filter(|check| check.due <= now).count()
        };
        !are_known() && due(&self.schedule.all()) <= FEW && tokio::time::timeout(timeout, found).await.is_ok()
    }

    /// Returns the findings of these namespaces' last turns.
    pub fn findings(&self, subjects: &[AdmissionSubject]) -> Findings {
        let found = subjects.iter().map(|subject| {
            let pending = || Findings {
                admission: Outcome::Pending,
                quota: attempts::excess(subject).map(|_| Outcome::Pending),
            };
            self.schedule.found(subject).unwrap_or_else(pending)
        });
        let (admission, quotas): (Vec<_>, Vec<_>) = found.map(|found| (found.admission, found.quota)).unzip();
        let quotas: Vec<Outcome> = quotas.into_iter().flatten().collect();
        Findings {
            admission: Outcome::together(admission),
            quota: (!quotas.is_empty()).then(|| Outcome::together(quotas)),
        }
    }

    /// Returns the tenant's namespaces as last learned.
    pub fn subjects(&self, tenant: &str) -> Vec<AdmissionSubject> {
        self.schedule.of(tenant)
    }

    /// The tenant is gone.
    pub fn forget(&self, tenant: &str) {
        self.schedule.forget(tenant);
    }

    /// Tries each tenant at its turn, and wakes those with a new finding. Never ends.
    pub async fn run(&self, queue: Queue) {
        loop {
            let Some(subject) = self.next() else {
                let _ = tokio::time::timeout(TICK, self.known.notified()).await;
                continue;
            };
            let begun = Instant::now();
            let findings = self.examine(&subject).await;
            self.record(&subject, findings, &queue);
            // The API server is there for others too.
            tokio::time::sleep(begun.elapsed()).await;
        }
    }

    fn next(&self) -> Option<AdmissionSubject> {
        let (checks, now) = (self.schedule.all(), Instant::now());
        let due = checks.values().filter(|check| check.due <= now);
        due.min_by_key(|check| check.due).map(|check| check.subject.clone())
    }

    async fn examine(&self, subject: &AdmissionSubject) -> Findings {
        let namespace = &subject.namespace;
        let control = self.attempt(namespace, attempts::control()).await;
        let mut tried = Vec::new();
        for attempt in attempts::attempts(subject) {
            tried.push((
                attempt.what,
                attempt.enforcer,
                self.attempt(namespace, attempt.make).await,
            ));
        }
        let (what, enforcer, name) = attempts::REMOVAL;
        tried.push((what, enforcer, self.remove(namespace, name).await));
        let quota = match attempts::excess(subject) {
            Some(attempt) => {
                let answer = self.attempt(namespace, attempt.make).await;
                Some(outcome::outcome(
                    namespace,
                    &control,
                    &[(attempt.what, attempt.enforcer, answer)],
                ))
            }
            None => None,
        };
        Findings {
            admission: outcome::outcome(namespace, &control, &tried),
            quota,
        }
    }

    async fn attempt(&self, namespace: &str, make: Make) -> Answer {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &make.resource);
        let object: DynamicObject = match serde_json::from_value(make.object) {
            Ok(object) => object,
            Err(error) => return Answer::Unanswered(error.to_string()),
        };
        let dry_run = PostParams {
            dry_run: true,
            field_manager: None,
        };
        answer(api.create(&dry_run, &object).await)
    }

    async fn remove(&self, namespace: &str, name: &str) -> Answer {
        // In the address, where audit logs and metrics show it; a client's own way is the request's body.
        let at = ConfigMap::url_path(&(), Some(namespace)) + &format!("/{name}?dryRun=All");
        let request = match http::Request::delete(at).body(Vec::new()) {
            Ok(request) => request,
            Err(error) => return Answer::Unanswered(error.to_string()),
        };
        answer(self.client.request::<serde_json::Value>(request).await)
    }

    /// Records the findings, and wakes the tenant where they differ from before.
    fn record(&self, subject: &AdmissionSubject, findings: Findings, queue: &Queue) {
        let tenant = &subject.owner.tenant;
        // The API server's authorizer learns of a binding a moment after it was made.
        let stranger = format!("User \"{}\" cannot create", names::EXAMINER);
        let is_stranger = matches!(&findings.admission, Outcome::Untried(why) if why.contains(&stranger));
        if is_stranger && self.schedule.postpone(subject, TICK, MAX_POSTPONEMENTS) {
            return;
        }
        let all = [Some(&findings.admission), findings.quota.as_ref()];
        let passed = all.into_iter().flatten().all(|outcome| *outcome == Outcome::Passed);
        let again = match passed {
            true => about(self.period, fastrand::f64()),
            false => SOON.min(self.period),
        };
        if self.schedule.record(subject, findings, again) {
            self.learnt.notify_waiters();
            queue.wake(tenant);
        }
    }
}

fn answer<T>(result: Result<T, kube::Error>) -> Answer {
    match result {
        Ok(_) => Answer::Allowed,
        Err(kube::Error::Api(status)) if (400..500).contains(&status.code) && status.code != 429 => {
            Answer::Refused(status.message.clone())
        }
        Err(error) => Answer::Unanswered(format!("the API server did not answer: {error}")),
    }
}
