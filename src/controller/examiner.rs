//! Tries by dry-run what the API server must refuse a tenant's people: one tenant after the other, again and again.

use super::Queue;
use crate::isolation::admission::deeds::{self, Make};
use crate::isolation::admission::judge::{self, Answer};
use crate::isolation::admission::{Subject, settings::AdmissionProbe};
use crate::isolation::{Outcome, lock};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often it is looked whose turn it is.
const TICK: Duration = Duration::from_millis(500);
/// After how long what was let through, or could not be tried, is tried again.
const SOON: Duration = Duration::from_secs(30);

/// How RBAC refuses the examiner.
const STRANGER: &str = "User \"tenant-operator:examiner\" cannot create";
/// How often that is taken for a binding that is new.
const PATIENCE: u32 = 20;

/// How both checks came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    pub admission: Outcome,
    /// None where the tenant's quota has nothing that could be tried.
    pub quota: Option<Outcome>,
}

struct Entry {
    subject: Subject,
    due: Instant,
    findings: Option<Findings>,
    /// How often the examiner's right was not known yet.
    strange: u32,
}

/// Tries what the API server must refuse.
pub struct Examiner {
    /// Acts as the examiner.
    client: Client,
    period: Duration,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Somebody's turn has come.
    known: Notify,
    /// Something was found out.
    learnt: Notify,
}

impl Examiner {
    pub fn new(client: Client, settings: &AdmissionProbe) -> Self {
        Self {
            client,
            period: settings.period,
            entries: Mutex::default(),
            known: Notify::new(),
            learnt: Notify::new(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        lock(&self.entries)
    }

    /// Notes what a tenant is now. Its turn comes at once where that is new; the first time, if it `was_tried` by a former process, at some
    /// time within a period.
    pub fn know(&self, subject: Subject, was_tried: bool) {
        let mut entries = self.entries();
        let now = Instant::now();
        let entry = entries.entry(subject.owner.tenant.clone()).or_insert_with(|| Entry {
            subject: subject.clone(),
            due: match was_tried {
                true => now + self.period.mul_f64(fastrand::f64()),
                false => now,
            },
            findings: None,
            strange: 0,
        });
        // What a former process found does not stand any more.
        let is_awaited = entry.findings.is_none() && entry.strange == 0 && !was_tried;
        if entry.subject != subject || is_awaited {
            entry.subject = subject;
            entry.due = entry.due.min(now);
        }
        if entry.due <= now {
            self.known.notify_one();
        }
    }

    /// Waits for the first findings on a tenant; whether there are any that were not there before.
    pub async fn first(&self, tenant: &str, patience: Duration) -> bool {
        let found = async {
            loop {
                let learnt = self.learnt.notified();
                tokio::pin!(learnt);
                learnt.as_mut().enable();
                if self.findings(tenant).is_some() {
                    return;
                }
                learnt.await;
            }
        };
        self.findings(tenant).is_none() && tokio::time::timeout(patience, found).await.is_ok()
    }

    /// How it came out when its turn was last; None while its turn has not come yet.
    pub fn findings(&self, tenant: &str) -> Option<Findings> {
        self.entries().get(tenant)?.findings.clone()
    }

    /// The tenant is gone.
    pub fn forget(&self, tenant: &str) {
        self.entries().remove(tenant);
    }

    /// Tries whose turn it is, for ever, and wakes those of whom something else is to be said.
    pub async fn run(&self, queue: Queue) {
        loop {
            let Some(subject) = self.next() else {
                let _ = tokio::time::timeout(TICK, self.known.notified()).await;
                continue;
            };
            let begun = Instant::now();
            let findings = self.examine(&subject).await;
            self.learn(&subject, findings, &queue);
            // The API server is there for others too.
            tokio::time::sleep(begun.elapsed()).await;
        }
    }

    fn next(&self) -> Option<Subject> {
        let (entries, now) = (self.entries(), Instant::now());
        let due = entries.values().filter(|entry| entry.due <= now);
        due.min_by_key(|entry| entry.due).map(|entry| entry.subject.clone())
    }

    async fn examine(&self, subject: &Subject) -> Findings {
        let namespace = &subject.owner.tenant;
        let control = self.attempt(namespace, deeds::control()).await;
        let mut tried = Vec::new();
        for deed in deeds::deeds(subject) {
            tried.push((deed.what, deed.wall, self.attempt(namespace, deed.make).await));
        }
        let (what, wall, name) = deeds::REMOVAL;
        tried.push((what, wall, self.remove(namespace, name).await));
        let quota = match deeds::excess(subject) {
            Some(deed) => {
                let answer = self.attempt(namespace, deed.make).await;
                Some(judge::judge(&control, &[(deed.what, deed.wall, answer)]))
            }
            None => None,
        };
        Findings {
            admission: judge::judge(&control, &tried),
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
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        answer(api.delete(name, &DeleteParams::default().dry_run()).await)
    }

    /// Remembers what was found, unless the tenant is another by now.
    fn learn(&self, subject: &Subject, findings: Findings, queue: &Queue) {
        let mut entries = self.entries();
        let entry = entries.get_mut(&subject.owner.tenant);
        let Some(entry) = entry.filter(|entry| entry.subject == *subject) else {
            return;
        };
        // The API server's authorizer learns of a binding a moment after it was made.
        let is_stranger = matches!(&findings.admission, Outcome::Untried(why) if why.contains(STRANGER));
        if is_stranger && entry.findings.is_none() && entry.strange < PATIENCE {
            entry.strange += 1;
            entry.due = Instant::now() + TICK;
            return;
        }
        entry.strange = 0;
        let all = [Some(&findings.admission), findings.quota.as_ref()];
        let passed = all.into_iter().flatten().all(|outcome| *outcome == Outcome::Passed);
        entry.due = Instant::now()
            + match passed {
                true => self.period.mul_f64(0.9 + 0.2 * fastrand::f64()),
                false => SOON.min(self.period),
            };
        if entry.findings.as_ref() != Some(&findings) {
            entry.findings = Some(findings);
            self.learnt.notify_waiters();
            queue.wake(&subject.owner.tenant);
        }
    }
}

fn answer<T>(result: Result<T, kube::Error>) -> Answer {
    match result {
        Ok(_) => Answer::Allowed,
        Err(kube::Error::Api(status)) if (400..500).contains(&status.code) && status.code != 429 => {
            Answer::Refused(status.message.clone())
        }
        Err(error) => Answer::Unanswered(format!("the API server could not be asked: {error}")),
    }
}
