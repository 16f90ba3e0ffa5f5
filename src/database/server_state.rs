//! The state of one DatabaseServer in this process: its health, its catalog, its connections, and the logins that were verified.

use super::rate_limiter::RateLimiter;
use super::registry::Enrolled;
use crate::api::TlsMode;
use crate::capability::Note;
use crate::postgres::applications::{self, ApplicationLogin, Logins};
use crate::postgres::catalog::{Catalog, Roles};
use crate::postgres::client::Server;
use crate::postgres::usage::Usage;
use crate::postgres::{Identifier, Names, client};
use crate::proof::Outcome;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

/// Maximum time that a tenant waits for the first inspection of its server.
const FIRST_INSPECTION: Duration = Duration::from_secs(6);
/// Maximum number of concurrent passes on one server, and the time that another pass waits for a permit.
const CONCURRENT_TENANTS: usize = 8;
const PERMIT_TIMEOUT: Duration = Duration::from_millis(250);
/// The time for which a status tells of a loss of data.
const LOSS_SHOWN: Duration = Duration::from_hours(1);

/// Health of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// The operator has not inspected it yet.
    #[default]
    Unknown,
    Ready,
    /// The operator cannot work with it, with the reason.
    Away {
        reason: &'static str,
        message: String,
    },
}

/// Last observed state of one server.
#[derive(Default)]
pub struct ServerSnapshot {
    pub health: Health,
    pub connection: Option<Arc<Connection>>,
    pub catalog: Catalog,
    /// Tenants observed since the current inspection began.
    touched: HashMap<String, Names>,
    pub usage: Usage,
    /// The tenants in the registry of the shared tables, by id.
    pub enrolled: HashMap<String, Enrolled>,
    /// The logins of shared applications that were asked for; None: the server has no such role.
    pub logins: BTreeMap<String, Option<ApplicationLogin>>,
}

/// Open connections to a server.
pub struct Connection {
    pub server: Server,
    pub address: client::Address,
    /// The verification of the server, for tenants. The spec may have another mode already.
    pub tls: TlsMode,
    /// Authority of the server's certificate as PEM, for tenants.
    pub ca: Option<String>,
}

/// The place of a tenant's data that somebody dropped.
struct Loss {
    oid: i64,
    note: Note,
    at: Instant,
}

/// State of one server.
pub struct ServerState {
    pub name: String,
    snapshot: Mutex<ServerSnapshot>,
    inspections: watch::Sender<u64>,
    pub notify: Notify,
    /// Permits of concurrent passes. A tenant without one comes back later, so a slow server does not delay other servers.
    permits: Semaphore,
    /// Credentials of each tenant that last logged in, and the time.
    verified: Mutex<HashMap<String, (String, Instant)>>,
    /// Places of data that somebody dropped, by the tenant's id.
    losses: Mutex<HashMap<String, Loss>>,
    last_check: Mutex<Option<Instant>>,
    restart_checks: Mutex<RateLimiter>,
    /// Last result of each tenant's isolation check.
    isolation: Mutex<HashMap<String, Outcome>>,
}

impl ServerState {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            snapshot: Mutex::default(),
            inspections: watch::Sender::new(0),
            notify: Notify::new(),
            permits: Semaphore::new(CONCURRENT_TENANTS),
            verified: Mutex::default(),
            losses: Mutex::default(),
            last_check: Mutex::default(),
            restart_checks: Mutex::default(),
            isolation: Mutex::default(),
        }
    }

    /// Returns the last observed state.
    pub fn snapshot(&self) -> MutexGuard<'_, ServerSnapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the first inspection, for a bounded time.
    pub async fn first_inspection(&self) {
        let mut inspections = self.inspections.subscribe();
        // The sender lives as long as self.
        let _ = tokio::time::timeout(FIRST_INSPECTION, inspections.wait_for(|inspections| *inspections > 0)).await;
    }

    /// Notes that an inspection ended.
    pub fn note_inspection(&self) {
        self.inspections.send_modify(|inspections| *inspections += 1);
    }

    /// Returns a permit for one pass; None while others hold all permits.
    pub async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(PERMIT_TIMEOUT, self.permits.acquire())
            .await
            .ok()?
            .ok()
    }

    /// Notes that the server did not answer, so that no other pass waits for it, and starts an inspection.
    pub fn mark_away(&self, reason: &'static str, message: &str) {
        let mut snapshot = self.snapshot();
        if snapshot.health == Health::Ready {
            snapshot.health = Health::Away {
                reason,
                message: message.into(),
            };
        }
        drop(snapshot);
        self.notify.notify_one();
    }

    /// Returns the last observed catalog of one tenant.
    pub fn catalog_of(&self, names: &Names) -> Catalog {
        self.snapshot().catalog.of(names)
    }

    /// Returns the last observed roles, which a new catalog of all tenants can share.
    pub fn roles(&self) -> Roles {
        self.snapshot().catalog.roles.clone()
    }

    /// Ends the sessions of tenants that keep one tenant's roles or database from being changed. Returns their number.
    ///
    /// # Errors
    /// The server's.
    pub async fn evict(&self, server: &Server, names: &Names) -> Result<i64, client::Error> {
        let marks = self.catalog_of(names).marks;
        let oids: Vec<i64> = marks.values().map(|mark| mark.oid).collect();
        server.evict(&oids).await
    }

    /// Stores the observed catalog of one tenant.
    pub fn update_tenant(&self, tenant_id: &str, names: &Names, seen: Catalog) {
        let mut snapshot = self.snapshot();
        snapshot.catalog.take(names, seen);
        snapshot.touched.insert(tenant_id.into(), names.clone());
    }

    /// Returns these logins of shared applications, without those that do not exist; None where one was never asked for.
    pub fn logins<'a>(&self, names: impl IntoIterator<Item = &'a Identifier>) -> Option<Logins> {
        let snapshot = self.snapshot();
        let mut found = Logins::new();
        for name in names {
            if let Some(login) = snapshot.logins.get(name.as_str())? {
                found.insert(name.as_str().into(), login.clone());
            }
        }
        Some(found)
    }

    /// Reads these logins of shared applications from the server.
    ///
    /// # Errors
    /// The server's.
    pub async fn read_logins<'a>(
        &self,
        server: &Server,
        names: impl IntoIterator<Item = &'a Identifier>,
    ) -> Result<Logins, client::Error> {
        let names: Vec<&str> = names.into_iter().map(Identifier::as_str).collect();
        let found: Logins = server.query(applications::QUERY, &[&names]).await?;
        let mut snapshot = self.snapshot();
        for name in names {
            snapshot.logins.insert(name.into(), found.get(name).cloned());
        }
        Ok(found)
    }

    /// Notes that an inspection begins.
    pub fn begin_inspection(&self) {
        self.snapshot().touched.clear();
    }

    /// Stores the catalog of an inspection and returns the former one. Catalogs of single tenants that were observed meanwhile are newer and stay.
    pub fn update_all(&self, mut catalog: Catalog) -> Catalog {
        let mut snapshot = self.snapshot();
        for names in snapshot.touched.values() {
            let newer = snapshot.catalog.of(names);
            catalog.take(names, newer);
        }
        std::mem::replace(&mut snapshot.catalog, catalog)
    }

    /// Returns the time at which these credentials last logged in.
    pub fn verified(&self, tenant_id: &str, revision: &str) -> Option<Instant> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, at) = verified.get(tenant_id)?;
        (seen == revision).then_some(*at)
    }

    /// Notes that somebody dropped the place of a tenant's data, with this OID. Returns false where that is known.
    pub fn note_loss(&self, tenant_id: &str, oid: i64, note: Note) -> bool {
        let mut losses = self.losses();
        let is_new = losses.get(tenant_id).is_none_or(|known| known.oid != oid);
        if is_new {
            let at = Instant::now();
            losses.insert(tenant_id.into(), Loss { oid, note, at });
        }
        is_new
    }

    /// Returns the note of a loss in the last hour.
    pub fn loss(&self, tenant_id: &str) -> Option<Note> {
        let mut losses = self.losses();
        losses.retain(|_, loss| loss.at.elapsed() < LOSS_SHOWN);
        losses.get(tenant_id).map(|loss| loss.note.clone())
    }

    fn losses(&self) -> MutexGuard<'_, HashMap<String, Loss>> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the last result of a tenant's isolation check.
    pub fn isolation(&self, tenant_id: &str) -> Option<Outcome> {
        let isolation = self.isolation.lock().unwrap_or_else(PoisonError::into_inner);
        isolation.get(tenant_id).cloned()
    }

    /// Stores the result of a tenant's isolation check.
    pub fn set_isolation(&self, tenant_id: &str, outcome: Outcome) {
        let mut isolation = self.isolation.lock().unwrap_or_else(PoisonError::into_inner);
        isolation.insert(tenant_id.into(), outcome);
    }

    /// Stores the credentials that logged in; None forgets them.
    pub fn set_verified(&self, tenant_id: &str, revision: Option<&str>) {
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

    /// Forgets the state of a tenant after its release.
    pub fn forget(&self, tenant_id: &str) {
        self.set_verified(tenant_id, None);
        let mut isolation = self.isolation.lock().unwrap_or_else(PoisonError::into_inner);
        isolation.remove(tenant_id);
        drop(isolation);
        self.restart_checks().forget(tenant_id);
    }

    /// Returns the time until a tenant's login may be tried after a restart.
    pub fn restart_delay(&self, tenant_id: &str, gap: Duration) -> Duration {
        self.restart_checks().take(tenant_id, gap, Instant::now())
    }

    fn restart_checks(&self) -> MutexGuard<'_, RateLimiter> {
        self.restart_checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if one more login may be tried as a routine check. The rate is per server, for any number of tenants.
    pub fn may_recheck(&self, every: Duration) -> bool {
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
    fn each_loss_is_told_of_once_and_for_a_while() {
        let server_state = ServerState::new("one");
        assert_eq!(server_state.loss("acme"), None);
        let note = |words: &str| Note::new(crate::conditions::reason::SCHEMA_LOST, words);
        assert!(server_state.note_loss("acme", 7, note("first")));
        assert!(!server_state.note_loss("acme", 7, note("the same, a pass later")));
        assert_eq!(
            (server_state.loss("acme"), server_state.loss("other")),
            (Some(note("first")), None)
        );
        assert!(server_state.note_loss("acme", 8, note("second")));
        assert_eq!(server_state.loss("acme"), Some(note("second")));
    }

    #[test]
    fn what_was_seen_of_a_released_tenant_is_forgotten_and_of_no_other() {
        let server_state = ServerState::new("one");
        for id in ["gone", "here"] {
            server_state.set_verified(id, Some("first"));
            server_state.set_isolation(id, Outcome::Passed);
        }
        let hour = Duration::from_hours(1);
        let waits = ["other", "gone", "here"].map(|id| server_state.restart_delay(id, hour));
        assert!(waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
        server_state.forget("gone");
        assert_eq!(
            (server_state.verified("gone", "first"), server_state.isolation("gone")),
            (None, None)
        );
        assert!(server_state.verified("here", "first").is_some());
        assert_eq!(server_state.isolation("here"), Some(Outcome::Passed));
        assert!(
            server_state.restart_delay("gone", hour) > waits[2],
            "its turn is forgotten"
        );
        assert!(server_state.restart_delay("here", hour) <= waits[2]);
    }
}
