//! Loop that asks the API server's authorizers about each identity in turn, for rights beyond RBAC: a few questions each second.

use super::access_matrix::Attempts;
use super::identity::{Identity, TURN};
use super::reach::TenantSubjects;
use super::settings::ApiProbe;
use super::subjects;
use super::{Access, rbac::Discovered};
use crate::capability::Tenants;
use crate::cluster::{Kind, Queue, Store};
use crate::isolation::Inventory;
use crate::isolation::metrics::IsolationMetrics;
use std::collections::{BTreeMap, BTreeSet};
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
const FRESH: Duration = Duration::from_secs(15);

/// Asks about everybody in turn.
pub struct AccessScanner {
    access: Arc<Access>,
    tenants: Tenants,
    objects: Arc<Store>,
    metrics: IsolationMetrics,
    settings: ApiProbe,
}

/// Everybody, as they were a moment ago.
struct Census {
    taken: Instant,
    holders: BTreeMap<String, TenantSubjects>,
    identities: BTreeSet<Identity>,
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
            if census.taken.elapsed() >= if is_asked_for { TICK } else { FRESH } {
                census = self.census();
                let is_known = |identity: &Identity| census.identities.contains(identity);
                let vaults = &self.access.vaults;
                wake(&queue, self.access.survey.tidy(is_known, &census.holders, vaults));
            }
            let Some(discovered) = self.access.discovered() else {
                sleep(TICK).await;
                continue;
            };
            let attempts = match &mut attempts {
                Some((of, attempts)) if Arc::ptr_eq(of, &discovered) => &*attempts,
                other => &other.insert((discovered.clone(), Attempts::of(&discovered))).1,
            };
            let (holders, vaults) = (&census.holders, &self.access.vaults);
            let mut concerned = BTreeSet::new();
            let recalled = self.recall(&census, attempts, &mut concerned).await;
            let after = last
                .as_ref()
                .and_then(|last| census.identities.range(last..).find(|one| *one != last));
            let Some(identity) = after.or_else(|| {
                turn = turn.wrapping_add(1);
                census.identities.first()
            }) else {
                sleep(TICK).await;
                continue;
            };
            let (anew, lap) = identity.questions(turn, attempts, holders, vaults);
            let total = lap * census.identities.len() as u64;
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
            last = Some(identity.clone());
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
        let is_known = |tenant: &String| census.identities.iter().any(|identity| identity.tenant == *tenant);
        // Tenants without known identities have to wait.
        for tenant in self.access.survey.waiting().into_iter().filter(is_known) {
            for identity in &census.identities {
                let questions = self
                    .access
                    .survey
                    .recalled(&tenant, identity, attempts, &census.holders);
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
        let identities = holders.values().flat_map(|holder| {
            let accounts = accounts.get(&holder.name).into_iter().flatten();
            Identity::all(
                holder,
                accounts.map(|(namespace, name)| (namespace.as_str(), name.as_str())),
            )
        });
        Census {
            taken: Instant::now(),
            identities: identities.collect(),
            holders,
        }
    }
}

fn wake(queue: &Queue, tenants: BTreeSet<String>) {
    let tenants = tenants.iter().filter(|tenant| !tenant.is_empty());
    tenants.for_each(|tenant| queue.wake(tenant));
}

/// Returns the time between two turns, so that a period has room for this number of questions, and the time that they take. It is longer where `rate` in a
/// second is not enough.
fn pace(total: u64, period: Duration, rate: u32) -> (Duration, Duration) {
    let turns = u32::try_from(total.div_ceil(TURN)).unwrap_or(u32::MAX).max(1);
    let least = Duration::from_secs(TURN) / rate.max(1);
    let pause = (period / turns).max(least);
    (pause, pause.saturating_mul(turns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_the_period_or_as_long_as_the_rate_needs() {
        let hour = Duration::from_secs(3600);
        assert_eq!(pace(3600 * TURN, hour, 10), (Duration::from_secs(1), hour));
        assert_eq!(pace(72_000, hour, 10), (Duration::from_millis(500), hour * 2));
        assert_eq!(pace(0, hour, 10), (hour, hour));
    }
}
