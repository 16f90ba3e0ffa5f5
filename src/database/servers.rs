//! Every DatabaseServer, what is known of each, and who is placed where.

use super::ValidDatabase;
use super::claim::{self, Placement};
use super::metrics::DatabaseMetrics;
use super::placement::{self, Candidate};
use super::settings::DatabaseSettings;
use super::turns::Turns;
use crate::api::{DatabaseModel, DatabaseServer, DatabaseServerSpec, Tenant, TlsMode, unread_in};
use crate::capability::Reach;
use crate::cluster::{Error, Identity, Queue, Store, Writer};
use crate::dns::DnsSettings;
use crate::postgres::catalog::Catalog;
use crate::postgres::client::Server;
use crate::postgres::usage::Usage;
use crate::postgres::{Names, client};
use crate::proof::Outcome;
use crate::quantity::Amount;
use crate::telemetry::metrics::Metrics;
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::{self, ObjectRef};
use kube::{Api, Client, ResourceExt};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

/// How long a tenant waits for the first look at its server, before it is told so.
const FIRST_LOOK: Duration = Duration::from_secs(6);
/// How many tenants of one server are worked on at once, and how long another waits for its turn.
const SEATS: usize = 8;
const TURN: Duration = Duration::from_millis(250);
/// The port where the spec names none.
const PORT: u16 = 5432;

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
    fn new(name: &str) -> Self {
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

/// Every server.
pub struct Databases {
    pub client: Client,
    /// The operator's own, where the Secrets of servers are.
    pub namespace: String,
    pub store: Arc<Store>,
    pub tenants: reflector::Store<Tenant>,
    pub servers: reflector::Store<DatabaseServer>,
    pub queue: Queue,
    pub metrics: DatabaseMetrics,
    pub settings: DatabaseSettings,
    pub dns: DnsSettings,
    shards: RwLock<HashMap<String, Arc<ServerState>>>,
    placing: tokio::sync::Mutex<()>,
}

impl Databases {
    pub fn new(
        client: Client,
        namespace: String,
        store: Arc<Store>,
        tenants: reflector::Store<Tenant>,
        servers: reflector::Store<DatabaseServer>,
        (queue, metrics): (Queue, &Metrics),
        (settings, dns): (DatabaseSettings, DnsSettings),
    ) -> Self {
        Self {
            client,
            namespace,
            store,
            tenants,
            servers,
            queue,
            metrics: DatabaseMetrics::register(metrics),
            settings,
            dns,
            shards: RwLock::default(),
            placing: tokio::sync::Mutex::default(),
        }
    }

    /// A server's state, from its first mention on.
    pub fn shard(&self, name: &str) -> Arc<ServerState> {
        if let Some(shard) = self.shards.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return shard.clone();
        }
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        shards
            .entry(name.to_string())
            .or_insert_with(|| Arc::new(ServerState::new(name)))
            .clone()
    }

    /// The server is no more.
    pub fn forget(&self, name: &str) {
        self.shards.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The resource of this name.
    pub fn resource(&self, name: &str) -> Option<Arc<DatabaseServer>> {
        self.servers.get(&ObjectRef::new(name))
    }

    /// What of a server's resource cannot be read: it is not worked with, since it might be another, or lose what protects it.
    pub fn unread(&self, name: &str) -> Option<String> {
        unread(&self.resource(name)?.spec)
    }

    /// The tenants' namespaces that a host leads to in the cluster, and whose each is.
    pub fn captors(&self, host: &str) -> BTreeMap<String, String> {
        let of = |namespace: String| Some((self.store.holder_of_namespace(&namespace)?, namespace));
        let found = self.dns.namespaces(host).into_iter().filter_map(of);
        found.map(|(tenant, namespace)| (namespace, tenant)).collect()
    }

    /// The names to ask for a server by, the best one first: its whole name where it has one, and its host as it is written. Where the certificate is not
    /// verified against the name, none for which a tenant's Service could answer: another certificate of the same authority may be that tenant's.
    ///
    /// # Errors
    /// Which tenant's, where none is left.
    pub fn hosts(&self, spec: &DatabaseServerSpec) -> Result<Vec<String>, client::Error> {
        let mut hosts: Vec<String> = self.dns.whole(&spec.host).into_iter().collect();
        hosts.push(spec.host.clone());
        let mode = spec.tls.as_ref().and_then(|tls| tls.mode).unwrap_or_default();
        if mode == TlsMode::VerifyFull {
            return Ok(hosts);
        }
        hosts.retain(|host| self.captors(host).is_empty());
        if hosts.is_empty() {
            let captors = self.captors(&spec.host);
            let whose = captors
                .iter()
                .map(|(namespace, tenant)| format!("{namespace} of tenant {tenant}"));
            return Err(client::Error::Captured(format!(
                "in the cluster the host {} leads to namespace {}, whose Service would answer: the operator does not connect. \
                 Set spec.tls.mode to VerifyFull, name the server by an address or by another host, or remove the namespace",
                spec.host,
                whose.collect::<Vec<_>>().join(" and "),
            )));
        }
        Ok(hosts)
    }

    /// Where a tenant's data is.
    pub fn placement(&self, owner: &Identity) -> Option<Placement> {
        let live = self.store.get(&owner.tenant, &claim::key(owner, &self.namespace))?;
        claim::read(&live).filter(|_| live.belongs_to(owner))
    }

    /// Everyone who has a place: tenant, id and place.
    pub fn placements(&self) -> Vec<(Identity, Placement)> {
        let prefix = crate::names::claim_prefix(crate::names::DATABASE_CLAIM);
        let records = self
            .store
            .matching(|key| key.namespace == self.namespace && key.name.starts_with(&prefix));
        let read = |live: &crate::cluster::Live| {
            let owner = Identity {
                tenant: live.label(crate::names::TENANT)?.to_string(),
                id: live.label(crate::names::TENANT_ID)?.to_string(),
            };
            Some((owner, claim::read(live)?))
        };
        records.iter().filter_map(read).collect()
    }

    /// Gives a tenant a place, or finds the one that it has.
    ///
    /// # Errors
    /// The API server's. Inside: why no server fits.
    pub async fn place(
        &self,
        writer: &Writer,
        owner: &Identity,
        database: &ValidDatabase,
    ) -> Result<Result<Placement, String>, Error> {
        if let Some(found) = self.placement(owner) {
            let placement = Placement {
                retained: false,
                abandoned: false,
                ..found
            };
            writer
                .ensure(owner, &claim::record(owner, &self.namespace, &placement))
                .await?;
            return Ok(Ok(placement));
        }
        // What the watch does not show, because somebody took its labels off, is where the data is all the same.
        if let Some(live) = writer.fetch(&claim::key(owner, &self.namespace)).await? {
            let found = claim::read(&live).filter(|_| live.belongs_to(owner));
            return match found {
                Some(found) => Ok(Ok(found)),
                None => Err(Error::foreign(&live)),
            };
        }
        for server in self.servers.state() {
            self.shard(&server.name_any()).first_look().await;
        }
        // One at a time, or two would take the last place.
        let _placing = self.placing.lock().await;
        let server = match placement::choose(&self.candidates(), database.model, &database.selector) {
            Ok(server) => server,
            Err(reason) => return Ok(Err(reason)),
        };
        let placement = Placement {
            server,
            model: database.model,
            retained: false,
            abandoned: false,
        };
        writer
            .ensure(owner, &claim::record(owner, &self.namespace, &placement))
            .await?;
        Ok(Ok(placement))
    }

    fn candidates(&self) -> Vec<Candidate> {
        let mut tenants: HashMap<String, usize> = HashMap::new();
        let mut taken: HashSet<String> = HashSet::new();
        for (_, placement) in self.placements() {
            if placement.model == DatabaseModel::Server {
                taken.insert(placement.server.clone());
            }
            *tenants.entry(placement.server).or_default() += 1;
        }
        let candidate = |server: &Arc<DatabaseServer>| {
            let name = server.name_any();
            let capacity = server.spec.capacity.clone().unwrap_or_default();
            let shard = self.shard(&name);
            let known = shard.known();
            let refuses = match &known.health {
                _ if server.metadata.deletion_timestamp.is_some() => Some("it is being deleted".to_string()),
                Health::Unknown => Some("the operator has not checked it yet".into()),
                Health::Away { message, .. } => Some(message.clone()),
                Health::Ready => None,
            };
            Candidate {
                labels: server.labels().clone(),
                refuses,
                tenants: tenants.get(&name).copied().unwrap_or(0),
                max_tenants: capacity.max_tenants.and_then(|most| usize::try_from(most).ok()),
                bytes: known.usage.bytes,
                max_bytes: capacity
                    .max_storage
                    .and_then(|quantity| Amount::parse(&quantity.0).ok())
                    .map(Amount::ceil),
                is_taken: taken.contains(&name),
                has_shared_tables: !server.spec.shared_tables.is_empty(),
                name,
            }
        };
        self.servers.state().iter().map(candidate).collect()
    }

    /// Wakes every tenant that is on a server, or that waits for one.
    pub fn wake(&self, server: &str) {
        for tenant in self.tenants.state() {
            let status = tenant.status.as_ref().and_then(|status| status.database.as_ref());
            if status.is_none_or(|database| database.server == server) {
                self.queue.wake(&tenant.name_any());
            }
        }
    }

    /// A Secret of the operator's own namespace.
    ///
    /// # Errors
    /// Why it cannot be used, naming it and never its content.
    pub async fn secret(&self, name: &str, key: &str) -> Result<String, client::Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let unusable = |why: &str| client::Error::Settings(format!("Secret {}/{name}: {why}", self.namespace));
        let secret = match api.get_opt(name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return Err(unusable("does not exist")),
            Err(error) => return Err(unusable(&Error::from(error).chain())),
        };
        let value = secret.data.as_ref().and_then(|data| data.get(key));
        let text = value.and_then(|value| String::from_utf8(value.0.clone()).ok());
        text.filter(|text| !text.is_empty())
            .ok_or_else(|| unusable(&format!("has no key {key}")))
    }
}

/// What of a server's resource cannot be read, but for what the operator itself says of it.
pub fn unread(spec: &DatabaseServerSpec) -> Option<String> {
    let mut fields = ["spec", "status.serverId"].into_iter();
    fields.find_map(|field| unread_in(&spec.unread, field))
}

/// The port of a server.
pub fn port(spec: &DatabaseServerSpec) -> u16 {
    spec.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT)
}

/// Whether clients verify who answers.
pub fn is_verified(spec: &DatabaseServerSpec) -> bool {
    spec.tls
        .clone()
        .unwrap_or_default()
        .mode
        .unwrap_or_default()
        .is_verified()
}

/// How tenants' pods reach a server, for their network policies: addresses that the spec names, the host where it is an
/// address, or the namespace of a Service.
pub fn reach(spec: &DatabaseServerSpec) -> Vec<Reach> {
    if !spec.addresses.is_empty() {
        let cidrs = spec.addresses.iter().filter_map(|cidr| cidr.parse::<IpNet>().ok());
        return cidrs.map(Reach::Addresses).collect();
    }
    if let Ok(address) = spec.host.parse::<std::net::IpAddr>() {
        return vec![Reach::Addresses(IpNet::from(address))];
    }
    let mut labels = spec.host.split('.').skip(1);
    match (labels.next(), labels.next()) {
        (Some(namespace), Some("svc")) => vec![Reach::Namespace(namespace.into())],
        _ => Vec::new(),
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

    #[test]
    fn pods_reach_a_server_by_what_its_host_says() {
        let reach = |host: &str, addresses: &[&str]| {
            reach(&DatabaseServerSpec {
                host: host.into(),
                addresses: addresses.iter().map(ToString::to_string).collect(),
                ..DatabaseServerSpec::default()
            })
        };
        let cidr = |text: &str| Reach::Addresses(text.parse().expect("a CIDR"));
        assert_eq!(reach("10.0.0.5", &[]), [cidr("10.0.0.5/32")]);
        assert_eq!(reach("2001:db8::5", &[]), [cidr("2001:db8::5/128")]);
        let namespace = Reach::Namespace("databases".into());
        assert_eq!(reach("pg.databases.svc", &[]), std::slice::from_ref(&namespace));
        assert_eq!(reach("pg.databases.svc.cluster.local", &[]), [namespace]);
        assert_eq!(reach("pg.example.com", &["10.1.0.0/28"]), [cidr("10.1.0.0/28")]);
        assert_eq!(reach("pg.example.com", &[]), []);
    }
}
