//! Access of a tenant's users and accounts to the Kubernetes API beyond their tenant.

pub mod access_matrix;
pub mod identity;
pub mod rbac;
pub mod reach;
mod review;
mod rule_scope;
pub mod scanner;
pub mod settings;
pub mod subjects;
pub mod survey;
mod watch;

pub use review::{Answer, Question};
pub use watch::Watched;

use super::{lock, memory_limit};
use crate::api::IsolationViolation;
use crate::proof::check::API_ACCESS;
use crate::proof::{Outcome, Violation};
use identity::Asked;
use rbac::Discovered;
use reach::{Opening, TenantSubjects};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use survey::{Survey, Yes};

/// Time for which a yes of the API server is valid.
const BELIEVED: Duration = Duration::from_secs(300);
/// Maximum number of questions about one opening: one yes is enough.
const ASKED: usize = 3;
/// Maximum number of openings of one tenant to review and report.
const TOLD: usize = 20;

/// Openings of the last resolution.
#[derive(Default)]
struct Resolved {
    revision: u64,
    holders: Arc<BTreeMap<String, TenantSubjects>>,
    /// Namespaces with more roles or bindings than are kept, or with such as cannot be read; an empty one is the whole cluster.
    unread: BTreeSet<String>,
    openings: Arc<BTreeMap<String, Vec<Opening>>>,
}

/// Resolves rights by RBAC, and asks the API server about those that should not exist.
pub struct Access {
    watched: Arc<Watched>,
    client: kube::Client,
    pub operator_namespaces: Vec<String>,
    /// True if the survey asks about rights beyond RBAC.
    is_surveyed: bool,
    /// Access that it allows.
    pub survey: Survey,
    resolving: Mutex<()>,
    resolved: Mutex<Resolved>,
    /// Times of the API server's last yes.
    answers: Mutex<HashMap<Question, Instant>>,
}

impl Access {
    /// `own_namespace` is the operator's, whose Secrets open every tenant.
    pub fn new(client: kube::Client, watched: Arc<Watched>, own_namespace: String, probe: &settings::ApiProbe) -> Self {
        Self {
            is_surveyed: probe.rate > 0,
            survey: Survey::new(probe.recheck),
            watched,
            client,
            operator_namespaces: vec![own_namespace],
            resolving: Mutex::default(),
            resolved: Mutex::default(),
            answers: Mutex::default(),
        }
    }

    /// Returns the openings to and of each tenant by RBAC as it is now. It resolves them again only after a change; that takes time in proportion to the
    /// bindings, and blocks.
    ///
    /// # Errors
    /// Missing inputs.
    pub fn openings(
        &self,
        holders: BTreeMap<String, TenantSubjects>,
    ) -> Result<Arc<BTreeMap<String, Vec<Opening>>>, &'static str> {
        if !self.watched.is_synced() {
            return Err("the operator has not listed all roles and bindings yet");
        }
        let discovered = self
            .watched
            .discovered()
            .ok_or("the operator has not listed the API's resources yet")?;
        let _one_at_a_time = lock(&self.resolving);
        let revision = self.watched.revision();
        let before = {
            let resolved = lock(&self.resolved);
            (resolved.revision == revision && *resolved.holders == holders).then(|| resolved.openings.clone())
        };
        if let Some(openings) = before {
            return Ok(openings);
        }
        let (openings, unread) = {
            let rbac = self.watched.rbac();
            let context = reach::RbacContext {
                rbac: &rbac,
                discovered: &discovered,
                holders: &holders,
                operator_namespaces: &self.operator_namespaces,
            };
            (Arc::new(context.openings()), rbac.unread())
        };
        // Reports look in here: it is held no longer than that takes.
        *lock(&self.resolved) = Resolved {
            revision,
            holders: Arc::new(holders),
            unread,
            openings: openings.clone(),
        };
        Ok(openings)
    }

    /// Returns these tenants as the last resolution has them, where they are equal: they are in memory once.
    pub fn share(&self, holders: BTreeMap<String, TenantSubjects>) -> Arc<BTreeMap<String, TenantSubjects>> {
        let resolved = lock(&self.resolved);
        match *resolved.holders == holders {
            true => resolved.holders.clone(),
            false => Arc::new(holders),
        }
    }

    /// Returns the openings of the last resolution, if this holder is still the same.
    pub fn last(&self, holder: &TenantSubjects) -> Option<Arc<BTreeMap<String, Vec<Opening>>>> {
        let resolved = lock(&self.resolved);
        let is_known = resolved.holders.get(&holder.name) == Some(holder);
        is_known.then(|| resolved.openings.clone())
    }

    /// Judges one tenant's openings by the API server itself: RBAC is not its only authorizer, and this process may not know of a revocation yet. It adds the
    /// survey's findings. A former process's findings (in `before`) come first, after a new question about each.
    pub async fn outcome(&self, tenant: &str, openings: &[Opening], before: &[IsolationViolation]) -> Outcome {
        if let Err(why) = self.control().await {
            return Outcome::Untried(why);
        }
        let reported = before.iter().filter(|reported| reported.check == API_ACCESS.id);
        let is_settled = !self.is_surveyed
            || self
                .survey
                .recall(tenant, reported.map(|reported| reported.message.as_str()));
        let mut violations = self.survey.violations(tenant, openings);
        for opening in openings.iter().take(TOLD) {
            for attempt in opening.attempts.iter().take(ASKED) {
                match self.ask(Question::of(opening, attempt)).await {
                    Ok(false) => {}
                    Ok(true) => {
                        violations.push(Violation {
                            direction: opening.direction,
                            opened_by: opening.opened_by,
                            counterpart: opening.counterpart.clone(),
                            message: opening.message(),
                        });
                        break;
                    }
                    Err(error) => return Outcome::Untried(format!("the API server did not answer: {error}")),
                }
            }
        }
        match self.unread(tenant) {
            Some(place) if violations.is_empty() => Outcome::Untried(format!(
                "{place} that the operator cannot read, or with more than the {} KiB that it reads; the log names the unreadable objects",
                memory_limit::WRITTEN / 1024
            )),
            None if violations.is_empty() && !is_settled => Outcome::Pending,
            _ => Outcome::of(violations),
        }
    }

    /// A namespace of the tenant's, or of the operator's, of which not everything is known, or the cluster.
    fn unread(&self, tenant: &str) -> Option<String> {
        let resolved = lock(&self.resolved);
        if resolved.unread.contains("") {
            return Some("the cluster has ClusterRoles or ClusterRoleBindings".into());
        }
        let own = resolved.holders.get(tenant).into_iter();
        let mut namespaces = own
            .flat_map(|holder| &holder.namespaces)
            .chain(&self.operator_namespaces);
        namespaces
            .find(|namespace| resolved.unread.contains(*namespace))
            .map(|namespace| format!("namespace {namespace} has Roles or RoleBindings"))
    }

    /// A question whose answer is yes; else no other answer is worth anything.
    async fn control(&self) -> Result<(), String> {
        let question = Question {
            user: "tenant-operator:proof".into(),
            groups: vec!["system:masters".into()],
            namespace: None,
            verb: "get".into(),
            group: String::new(),
            resource: "secrets".into(),
            name: String::new(),
        };
        match self.ask(question).await {
            Ok(true) => Ok(()),
            Ok(false) => Err("the API server denies even system:masters, so its answers prove nothing".into()),
            Err(error) => Err(format!("the API server did not answer: {error}")),
        }
    }

    /// Asks this turn's questions about somebody. `concerned` gets the tenants whose findings differ from before.
    ///
    /// # Errors
    /// Failures of the request.
    pub async fn ask_about(&self, questions: &[Asked], concerned: &mut BTreeSet<String>) -> Result<(), kube::Error> {
        for asked in questions {
            let is_news = match asked.question().ask(&self.client).await? {
                Answer::Unsure => false,
                Answer::No => self.survey.refused(asked),
                Answer::Yes(reason) => {
                    let is_everybodys = match self.survey.is_everybodys(asked) {
                        Some(known) => known,
                        None => matches!(asked.about_anybody().ask(&self.client).await?, Answer::Yes(_)),
                    };
                    self.survey.allowed(asked, Yes { reason, is_everybodys })
                }
            };
            if is_news {
                concerned.extend([asked.identity.tenant.clone(), asked.counterpart.clone()]);
            }
        }
        Ok(())
    }

    async fn ask(&self, question: Question) -> Result<bool, kube::Error> {
        let known = lock(&self.answers).get(&question).copied();
        if known.is_some_and(|at| at.elapsed() < BELIEVED) {
            return Ok(true);
        }
        let answer = matches!(question.ask(&self.client).await?, Answer::Yes(_));
        // The authorizer may not know of a new binding yet; a no is asked for again.
        if answer {
            let mut answers = lock(&self.answers);
            answers.retain(|_, at| at.elapsed() < BELIEVED);
            answers.insert(question, Instant::now());
        }
        Ok(answer)
    }

    /// Returns true if roles, bindings and resources are known.
    pub fn is_ready(&self) -> bool {
        self.watched.is_synced() && self.watched.discovered().is_some()
    }

    /// The resources that there are, once they are known.
    pub fn discovered(&self) -> Option<Arc<Discovered>> {
        self.watched.discovered()
    }

    /// Resolves when a role, a binding or the list of resources changed.
    pub async fn changed(&self) {
        self.watched.changed.notified().await;
    }

    /// A change invalidates earlier answers.
    pub fn forget_answers(&self) {
        lock(&self.answers).clear();
    }
}
