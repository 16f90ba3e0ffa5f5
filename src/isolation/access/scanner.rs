//! Loop that asks the API server's authorizers about each identity in turn, for rights beyond RBAC: a few questions each second.

use super::access_matrix::Attempts;
use super::identity::{Identity, QUESTIONS_PER_TURN};
use super::reach::TenantSubjects;
use super::settings::ApiProbe;
use super::subjects;
use super::{Access, rbac::Discovered};
use crate::capability::Tenants;
use crate::cluster::{Kind, Queue, Store};
use crate::isolation::Inventory;
use crate::isolation::metrics::IsolationMetrics;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Wait while no identity is known yet.
const TICK: Duration = Duration::from_secs(1);
/// Wait while no question can be asked.
const REST: Duration = Duration::from_secs(10);
/// The longest time between two turns: findings need a new question in time.
const LONGEST: Duration = Duration::from_secs(30);
/// The highest age of the list of tenants and identities.
const CENSUS_MAX_AGE: Duration = Duration::from_secs(15);

/// Asks about everybody in turn.
pub struct AccessScanner {
    access: Arc<Access>,
    tenants: Tenants,
    objects: Arc<Store>,
    metrics: IsolationMetrics,
    settings: ApiProbe,
}

/// Everybody, as they were a moment ago. Identities are many, and are made from this one tenant after the other.
struct Census {
    taken: Instant,
    holders: Arc<BTreeMap<String, TenantSubjects>>,
    /// The ServiceAccounts of each tenant: namespace and name.
    accounts: BTreeMap<String, Vec<(String, String)>>,
    /// The number of all identities.
    count: u64,
}

impl Census {
    fn new(holders: Arc<BTreeMap<String, TenantSubjects>>, accounts: BTreeMap<String, Vec<(String, String)>>) -> Self {
        let mut census = Self {
            taken: Instant::now(),
            holders,
            accounts,
            count: 0,
        };
        census.count = census.all().count() as u64;
        census
    }

    fn of(&self, tenant: &str) -> BTreeSet<Identity> {
        let accounts = self.accounts.get(tenant).into_iter().flatten();
        let accounts = accounts.map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        let holder = self.holders.get(tenant);
        holder.map(|holder| Identity::all(holder, accounts)).unwrap_or_default()
    }

    /// Everybody, in the order of identities.
    fn all(&self) -> impl Iterator<Item = Identity> {
        self.holders.keys().flat_map(|tenant| self.of(tenant))
    }

    fn has(&self, identity: &Identity) -> bool {
        self.of(&identity.tenant).contains(identity)
    }

    /// Returns the next identity in their order.
    fn after(&self, identity: &Identity) -> Option<Identity> {
        let others = self
            .holders
            .range::<str, _>((Bound::Excluded(&*identity.tenant), Bound::Unbounded));
        let of_others = others.flat_map(|(tenant, _)| self.of(tenant));
        let theirs = self.of(&identity.tenant).into_iter();
        theirs.filter(|one| one > identity).chain(of_others).next()
    }
}

impl AccessScanner {
    pub fn new(access: Arc<Access>, known: &Inventory, settings: ApiProbe, metrics: IsolationMetrics) -> Self {
        Self {
            access,
            tenants: known.tenants.clone(),
            objects: known.objects.clone(),
            metrics,
            settings,
        }
    }

    /// Asks in turn, and wakes tenants with new findings. Never ends.
    pub async fn run(self, queue: Queue) {
        if self.settings.rate == 0 {
            return;
        }
        let mut attempts: Option<(Arc<Discovered>, Attempts)> = None;
        let mut census = self.census();
        let mut last: Option<Identity> = None;
        // A new process begins at a random turn.
        let mut turn = u64::from(fastrand::u32(..));
        loop {
            let is_asked_for = !self.access.survey.waiting().is_empty();
            if census.taken.elapsed() >= if is_asked_for { TICK } else { CENSUS_MAX_AGE } {
                census = self.census();
                let is_known = |identity: &Identity| census.has(identity);
                let operator_namespaces = &self.access.operator_namespaces;
                wake(
                    &queue,
                    self.access.survey.tidy(is_known, &census.holders, operator_namespaces),
                );
            }
            let Some(discovered) = self.access.discovered() else {
                sleep(TICK).await;
                continue;
            };
            let attempts = match &mut attempts {
                Some((of, attempts)) if Arc::ptr_eq(of, &discovered) => &*attempts,
                other => &other.insert((discovered.clone(), Attempts::of(&discovered))).1,
            };
            let (holders, operator_namespaces) = (&census.holders, &self.access.operator_namespaces);
            let mut concerned = BTreeSet::new();
            let recalled = self.recall(&census, attempts, &mut concerned).await;
            let after = last.as_ref().and_then(|last| census.after(last));
            let Some(identity) = after.or_else(|| {
                turn = turn.wrapping_add(1);
                census.all().next()
            }) else {
                sleep(TICK).await;
                continue;
            };
            let (anew, lap) = identity.questions(turn, attempts, holders, operator_namespaces);
            let total = lap * census.count;
            let (pause, period) = pace(total, self.settings.period, self.settings.rate);
            self.metrics.set_survey_period(period);
            let begun = Instant::now();
            let mut questions = self.access.survey.due();
            // Repeated questions are additional, and take additional time.
            let pause = if questions.is_empty() { pause } else { pause * 2 };
            questions.extend(anew);
            let asked = match recalled {
                Ok(()) => self.access.ask_about(&questions, &mut concerned).await,
                error => error,
            };
            wake(&queue, concerned);
            last = Some(identity);
            match asked {
                Ok(()) => sleep_until(begun + pause.min(LONGEST)).await,
                Err(error) => {
                    tracing::debug!(%error, "the API server did not answer a review of rights");
                    sleep(REST).await;
                }
            }
        }
    }

    /// Asks about a former process's findings.
    async fn recall(
        &self,
        census: &Census,
        attempts: &Attempts,
        concerned: &mut BTreeSet<String>,
    ) -> Result<(), kube::Error> {
        let is_known = |tenant: &String| !census.of(tenant).is_empty();
        // Tenants without known identities have to wait.
        for tenant in self.access.survey.waiting().into_iter().filter(is_known) {
            for identity in census.all() {
                let questions = self
                    .access
                    .survey
                    .recalled(&tenant, &identity, attempts, &census.holders);
                self.access.ask_about(&questions, concerned).await?;
            }
            concerned.extend(self.access.survey.settled(&tenant));
        }
        Ok(())
    }

    fn census(&self) -> Census {
        let holders = subjects::all(&self.tenants, &self.objects);
        let mut accounts: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for (tenant, key) in self.objects.of_kind(Kind::ServiceAccount) {
            accounts.entry(tenant).or_default().push((key.namespace, key.name));
        }
        Census::new(self.access.share(holders), accounts)
    }
}

fn wake(queue: &Queue, tenants: BTreeSet<String>) {
    let tenants = tenants.iter().filter(|tenant| !tenant.is_empty());
    tenants.for_each(|tenant| queue.wake(tenant));
}

/// Returns the time between two turns, so that a period has room for this number of questions, and the time that they take. It is longer where `rate` in a
/// second is not enough.
fn pace(total: u64, period: Duration, rate: u32) -> (Duration, Duration) {
    let turns = u32::try_from(total.div_ceil(QUESTIONS_PER_TURN))
        .unwrap_or(u32::MAX)
        .max(1);
    let least = Duration::from_secs(QUESTIONS_PER_TURN) / rate.max(1);
    let pause = (period / turns).max(least);
    (pause, pause.saturating_mul(turns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Owner;
    use serde_json::json;

    fn holder(name: &str, owners: &[&str]) -> (String, TenantSubjects) {
        let owner = |name: &&str| -> Owner {
            serde_json::from_value(json!({"kind": "User", "name": name, "role": "Admin"})).expect("an owner")
        };
        let subjects = TenantSubjects {
            name: name.into(),
            namespaces: vec![name.into()],
            owners: owners.iter().map(owner).collect(),
        };
        (name.into(), subjects)
    }

    #[test]
    fn everybody_has_a_turn_and_only_one() {
        let holders = BTreeMap::from([holder("b", &["bob", "beth"]), holder("a", &["alice"]), holder("c", &[])]);
        let accounts = BTreeMap::from([("a".to_owned(), vec![("a".to_owned(), "web".to_owned())])]);
        let census = Census::new(Arc::new(holders), accounts);
        let all: Vec<Identity> = census.all().collect();
        assert_eq!((census.count, all.len()), (7, 7));
        assert!(all.is_sorted() && all.iter().all(|one| census.has(one)));
        let mut turns = vec![all[0].clone()];
        while let Some(next) = census.after(&turns[turns.len() - 1]) {
            turns.push(next);
            assert!(turns.len() <= all.len(), "{turns:?}");
        }
        assert_eq!(turns, all);
        // One that has gone meanwhile keeps its place.
        let gone = Identity::all(&holder("a2", &["eve"]).1, std::iter::empty());
        let gone = gone.first().expect("one");
        assert!(!census.has(gone));
        assert_eq!(census.after(gone).as_ref(), all.iter().find(|one| one.tenant == "b"));
    }

    #[test]
    fn it_takes_the_period_or_as_long_as_the_rate_needs() {
        let hour = Duration::from_secs(3600);
        assert_eq!(
            pace(3600 * QUESTIONS_PER_TURN, hour, 10),
            (Duration::from_secs(1), hour)
        );
        assert_eq!(pace(72_000, hour, 10), (Duration::from_millis(500), hour * 2));
        assert_eq!(pace(0, hour, 10), (hour, hour));
    }
}
