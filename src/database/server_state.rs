//! The state of one DatabaseServer in this process: its health, its catalog, its connections, and the logins that were verified.

use super::turns::Turns;
use crate::postgres::catalog::Catalog;
use crate::postgres::client::Server;
use crate::postgres::usage::Usage;
use crate::postgres::{Names, client};
use crate::proof::Outcome;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

/// How long a tenant waits for the first look at its server, before it is told so.
const FIRST_LOOK: Duration = Duration::from_secs(6);
/// How many tenants of one server are worked on at once, and how long another waits for its turn.
const SEATS: usize = 8;
const TURN: Duration = Duration::from_millis(250);

/// How a server stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Not looked at yet.
    #[default]
    Unknown,
    Ready,
    /// It cannot be worked with, and why.
    Away {
        reason: &'static str,
        message: String,
    },
}

/// What is known of one server.
#[derive(Default)]
pub struct Known {
    pub health: Health,
    pub connection: Option<Arc<Connection>>,
    pub catalog: Catalog,
    /// Tenants that were looked at since the last look at all began.
    touched: HashMap<String, Names>,
    pub usage: Usage,
    /// Who was entered in the registry of the shared tables.
    pub enrolled: HashSet<String>,
}

/// A server as it is reached now.
pub struct Connection {
    pub server: Server,
    pub address: client::Address,
    /// PEM, for tenants.
    pub ca: Option<String>,
}

/// One server.
pub struct ServerState {
    pub name: String,
    known: Mutex<Known>,
    looks: watch::Sender<u64>,
    pub nudge: Notify,
    /// Tenants that are worked on at once; the others come back later, so that a slow server does not hold up everyone.
    seats: Semaphore,
    /// Which credentials of whom were seen to log in, and when.
    verified: Mutex<HashMap<String, (String, Instant)>>,
    last_check: Mutex<Option<Instant>>,
    restart_turns: Mutex<Turns>,
    /// What each tenant's own login was last seen to reach beyond what is its own.
    apart: Mutex<HashMap<String, Outcome>>,
}

impl ServerState {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            known: Mutex::default(),
            looks: watch::Sender::new(0),
            nudge: Notify::new(),
            seats: Semaphore::new(SEATS),
            verified: Mutex::default(),
            last_check: Mutex::default(),
            restart_turns: Mutex::default(),
            apart: Mutex::default(),
        }
    }

    /// What is known of it.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when it was looked at once, or when that takes too long.
    pub async fn first_look(&self) {
        let mut looks = self.looks.subscribe();
        // The sender lives as long as self.
        let _ = tokio::time::timeout(FIRST_LOOK, looks.wait_for(|looks| *looks > 0)).await;
    }

    /// Notes that it was looked at.
    pub fn looked(&self) {
        self.looks.send_modify(|looks| *looks += 1);
    }

    /// The right to work on a tenant; none where others take long.
    pub async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(TURN, self.seats.acquire()).await.ok()?.ok()
    }

    /// Notes that it did not answer, so that nobody else waits for it; it is looked at again at once.
    pub fn went_away(&self, reason: &'static str, message: &str) {
        let mut known = self.known();
        if known.health == Health::Ready {
            known.health = Health::Away {
                reason,
                message: message.into(),
            };
        }
        drop(known);
        self.nudge.notify_one();
    }

    /// What is known of one tenant on it.
    pub fn of(&self, names: &Names) -> Catalog {
        self.known().catalog.of(names)
    }

    /// Takes in what was just seen of one tenant.
    pub fn saw(&self, tenant_id: &str, names: &Names, seen: Catalog) {
        let mut known = self.known();
        known.catalog.take(names, seen);
        known.touched.insert(tenant_id.into(), names.clone());
    }

    /// A look at all begins.
    pub fn begin(&self) {
        self.known().touched.clear();
    }

    /// Takes in a look at all. What was seen of single tenants meanwhile is newer. Returns the catalog before.
    pub fn saw_all(&self, mut catalog: Catalog) -> Catalog {
        let mut known = self.known();
        for names in known.touched.values() {
            let newer = known.catalog.of(names);
            catalog.take(names, newer);
        }
        std::mem::replace(&mut known.catalog, catalog)
    }

    /// When these credentials of a tenant were last seen to log in.
    pub fn verified(&self, tenant_id: &str, revision: &str) -> Option<Instant> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, at) = verified.get(tenant_id)?;
        (seen == revision).then_some(*at)
    }

    /// What a tenant's own login was last seen to reach.
    pub fn apart(&self, tenant_id: &str) -> Option<Outcome> {
        let apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        apart.get(tenant_id).cloned()
    }

    /// Notes what a tenant's own login was seen to reach.
    pub fn set_apart(&self, tenant_id: &str, outcome: Outcome) {
        let mut apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        apart.insert(tenant_id.into(), outcome);
    }

    /// Notes whether credentials were seen to log in.
    pub fn verify(&self, tenant_id: &str, revision: Option<&str>) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        match revision {
            Some(revision) => {
                verified.insert(tenant_id.into(), (revision.into(), Instant::now()));
            }
            None => {
                verified.remove(tenant_id);
            }
        }
    }

    /// Forgets what was seen of a tenant that was released.
    pub fn forget(&self, tenant_id: &str) {
        self.verify(tenant_id, None);
        let mut apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        apart.remove(tenant_id);
        drop(apart);
        self.restart_turns().forget(tenant_id);
    }

    /// How long a tenant waits for its turn to have its login tried after a restart.
    pub fn restart_turn(&self, tenant_id: &str, gap: Duration) -> Duration {
        self.restart_turns().take(tenant_id, gap, Instant::now())
    }

    fn restart_turns(&self) -> MutexGuard<'_, Turns> {
        self.restart_turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more login may be tried just to see that it still works: so many in a time, however many tenants.
    pub fn may_check(&self, every: Duration) -> bool {
        let mut last = self.last_check.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| last.elapsed() >= every);
        if may {
            *last = Some(Instant::now());
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_of_a_released_tenant_is_forgotten_and_of_no_other() {
        let shard = ServerState::new("one");
        for id in ["gone", "here"] {
            shard.verify(id, Some("first"));
            shard.set_apart(id, Outcome::Passed);
        }
        let hour = Duration::from_hours(1);
        let waits = ["other", "gone", "here"].map(|id| shard.restart_turn(id, hour));
        assert!(waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
        shard.forget("gone");
        assert_eq!((shard.verified("gone", "first"), shard.apart("gone")), (None, None));
        assert!(shard.verified("here", "first").is_some());
        assert_eq!(shard.apart("here"), Some(Outcome::Passed));
        assert!(shard.restart_turn("gone", hour) > waits[2], "its turn is forgotten");
        assert!(shard.restart_turn("here", hour) <= waits[2]);
    }
}
