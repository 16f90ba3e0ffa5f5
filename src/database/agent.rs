//! Watches over one server: connects, looks at everything at once, closes what is open to everyone, wakes the tenants whose part
//! changed, and says how the server stands.

use super::servers::{Connection, Databases, Health, ServerState, port, unread};
use super::status;
use crate::api::{DatabaseServer, TlsMode};
use crate::conditions::reason;
use crate::names;
use crate::postgres::catalog::Catalog;
use crate::postgres::client::{Address, Error, Server};
use crate::postgres::secret::Password;
use crate::postgres::server::{self, Weakness};
use crate::postgres::shared::{self, RegistryRow, SharedReport};
use crate::postgres::tls::{Authority, Trust};
use crate::postgres::{Names, identifier::InvalidIdentifier};
use futures::FutureExt;
use kube::ResourceExt;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many findings of one audit are mended; the others come next time.
const AUDITED: usize = 100;
/// How long it may be away before its tenants say so.
const BLIP: Duration = Duration::from_secs(6);
/// How often it is asked between two looks whether it is still there.
const PULSE_PERIOD: Duration = Duration::from_secs(5);
/// How long the next look waits after a failure, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// Connections where the spec says nothing.
const CONNECTIONS: usize = 8;

/// What an agent remembers between two looks.
#[derive(Default)]
struct Memory {
    /// The server that was prepared and hardened.
    prepared: Option<Arc<Connection>>,
    /// Statements of these connections that the metric has counted.
    counted: u64,
    asked_for_usage: Option<Instant>,
    away_since: Option<Instant>,
    told: bool,
    failures: u32,
    /// The tenants' namespaces that its host leads to, and whose each is.
    captors: BTreeMap<String, String>,
}

/// What a look found out about a server as a whole.
#[derive(Debug, Default)]
pub struct Findings {
    pub server_id: Option<String>,
    pub version: String,
    pub weaknesses: Vec<Weakness>,
    pub excess: Option<&'static str>,
    pub lack: Option<&'static str>,
    /// How others can use up the connections that the operator needs.
    pub crowding: Vec<String>,
    pub shared: Option<SharedReport>,
}

/// Looks after a server until the end, a mistake of this program's own included.
pub async fn look_after(databases: Arc<Databases>, name: String) {
    loop {
        let tending = AssertUnwindSafe(tend(databases.clone(), name.clone()))
            .catch_unwind()
            .await;
        if tending.is_err() {
            tracing::error!(server = name, "the agent panicked and begins anew");
        }
        tokio::time::sleep(RETRY.1).await;
    }
}

async fn tend(databases: Arc<Databases>, name: String) {
    let mut memory = Memory::default();
    // Whose namespaces are whose is not known before.
    databases.store.synced().await;
    loop {
        let shard = databases.shard(&name);
        let Some(resource) = databases.resource(&name) else {
            tokio::time::sleep(RETRY.0).await;
            continue;
        };
        if let Err(error) = status::keep_finalizer(&databases, &resource).await {
            tracing::warn!(server = name, "{}", error.chain());
        }
        let host = &resource.spec.host;
        let captors = databases.captors(host);
        wake_captors(&databases, &mut memory, &captors);
        let other_captors = || {
            let differ = || (databases.captors(host) != captors).then_some(());
            databases.store.when_namespaces(differ)
        };
        let looked = tokio::select! {
            looked = look(&databases, &shard, &resource, &mut memory) => looked,
            // Before anything more is said to whoever answers now.
            () = other_captors() => continue,
        };
        let pause = settle(&databases, &shard, &looked, &mut memory);
        measure(&databases, &shard, &mut memory);
        shard.looked();
        if let Err(error) = status::report(&databases, &resource, &shard, &looked).await {
            tracing::warn!(server = name, "{}", error.chain());
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = silence(&shard), if looked.is_ok() => {}
            () = other_captors() => {}
            () = shard.nudge.notified() => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Wakes the tenants whose namespaces the host leads to now, or did before: their conditions say so.
fn wake_captors(databases: &Databases, memory: &mut Memory, captors: &BTreeMap<String, String>) {
    let before = std::mem::replace(&mut memory.captors, captors.clone());
    let of = |all: &BTreeMap<String, String>| all.clone().into_iter().collect::<BTreeSet<_>>();
    for (_, tenant) in of(&before).symmetric_difference(&of(captors)) {
        databases.queue.wake(tenant);
    }
}

/// Resolves when the server does not answer any more.
async fn silence(shard: &ServerState) {
    loop {
        tokio::time::sleep(PULSE_PERIOD).await;
        let connection = shard.known().connection.clone();
        if let Some(connection) = connection
            && connection.server.pulse().await.is_err()
        {
            return;
        }
    }
}

/// Notes how the server stands, wakes whom that concerns, and says when to look again.
fn settle(
    databases: &Databases,
    shard: &ServerState,
    looked: &Result<Findings, Error>,
    memory: &mut Memory,
) -> Duration {
    let health = match looked {
        Ok(Findings { lack: Some(lack), .. }) => Health::Away {
            reason: reason::INSUFFICIENT_PRIVILEGE,
            message: (*lack).to_string(),
        },
        Ok(_) => Health::Ready,
        // Which tenant's it is concerns no other tenant.
        Err(error @ Error::Captured(_)) => Health::Away {
            reason: error.reason(),
            message: "in the cluster a tenant's namespace can answer for its host: the operator does not connect"
                .into(),
        },
        Err(error) => Health::Away {
            reason: error.reason(),
            message: error.to_string(),
        },
    };
    let ready = health == Health::Ready;
    let before = std::mem::replace(&mut shard.known().health, health.clone());
    if ready {
        if before != Health::Ready {
            tracing::info!(server = shard.name, "the server is ready");
            databases.wake(&shard.name);
        }
        *memory = Memory {
            prepared: memory.prepared.take(),
            counted: memory.counted,
            asked_for_usage: memory.asked_for_usage,
            captors: std::mem::take(&mut memory.captors),
            ..Memory::default()
        };
        return databases.settings.period.mul_f64(0.9 + 0.2 * fastrand::f64());
    }
    if before != health
        && let Health::Away { reason, message } = &health
    {
        tracing::warn!(server = shard.name, reason, "{message}");
    }
    let since = *memory.away_since.get_or_insert_with(Instant::now);
    let lasts = since.elapsed() >= BLIP || matches!(looked, Err(Error::Captured(_)));
    if lasts && !memory.told {
        memory.told = true;
        databases.wake(&shard.name);
    }
    memory.failures += 1;
    RETRY.1.min(RETRY.0 * 2_u32.saturating_pow(memory.failures.min(10) - 1))
}

fn measure(databases: &Databases, shard: &ServerState, memory: &mut Memory) {
    let known = shard.known();
    let (statements, connections) = known.connection.as_ref().map_or((0, 0), |connection| {
        (connection.server.statements(), connection.server.connections())
    });
    let up = known.health == Health::Ready;
    let new = statements.saturating_sub(memory.counted);
    databases.metrics.looked_at_server(&shard.name, new, connections, up);
    memory.counted = statements.max(memory.counted);
}

/// One look at everything.
async fn look(
    databases: &Databases,
    shard: &ServerState,
    resource: &DatabaseServer,
    memory: &mut Memory,
) -> Result<Findings, Error> {
    let connection = connect(databases, shard, resource, memory).await?;
    let server = &connection.server;
    // One that is frozen is found out in seconds.
    server.pulse().await?;
    let is_new = memory
        .prepared
        .as_ref()
        .is_none_or(|before| !Arc::ptr_eq(before, &connection));
    let known = known_id(resource);
    if is_new {
        memory.counted = 0;
        server::prepare(server, &connection.address, known).await?;
    }
    shard.begin();
    let mut catalog = server.observe(None).await?;
    server::is_same(known, &catalog)?;
    if is_new && harden(server, &catalog).await {
        catalog = server.observe(None).await?;
    }
    let mut findings = Findings {
        // A distribution adds its own behind it.
        server_id: catalog.server_id.clone(),
        version: catalog.version_text.split(' ').next().unwrap_or_default().to_string(),
        weaknesses: server::weaknesses(&catalog),
        excess: server::excess(&catalog),
        lack: server::lack(&catalog),
        crowding: server::crowding(&catalog),
        shared: None,
    };
    if findings.lack.is_none() && !resource.spec.shared_tables.is_empty() {
        let rows = registry(databases, &resource.name_any());
        let report = shared::tend(server, &resource.spec.shared_tables, &rows, &catalog).await?;
        if report.changed {
            catalog = server.observe(None).await?;
        }
        findings.shared = Some(report);
    }
    let mut audited = false;
    if memory
        .asked_for_usage
        .is_none_or(|at| at.elapsed() >= databases.settings.usage_period)
    {
        memory.asked_for_usage = Some(Instant::now());
        audited = true;
        match server.usage().await {
            Ok(usage) => shard.known().usage = usage,
            // Figures are not worth giving up a server for.
            Err(error) => tracing::warn!(server = shard.name, "sizes are not known: {error}"),
        }
    }
    if audited {
        audit(server, &shard.name).await;
    }
    let before = shard.saw_all(catalog);
    if !is_new {
        wake_changed(databases, shard, &before);
    }
    memory.prepared = Some(connection);
    Ok(findings)
}

/// The id that the server had when it was seen last, unless somebody said that another takes its place.
fn known_id(resource: &DatabaseServer) -> Option<&str> {
    let known = resource.status.as_ref()?.server_id.as_deref()?;
    let replaced = resource.annotations().get(names::REPLACES).map(String::as_str);
    (replaced != Some(known)).then_some(known)
}

/// The connections to the server as its resource and Secrets say now; those of before while nothing changed.
async fn connect(
    databases: &Databases,
    shard: &ServerState,
    resource: &DatabaseServer,
    memory: &mut Memory,
) -> Result<Arc<Connection>, Error> {
    let spec = &resource.spec;
    if let Some(unread) = unread(spec) {
        return Err(Error::Settings(unread));
    }
    let hosts = databases.hosts(spec).inspect_err(|_| {
        memory.prepared = None;
        if let Some(connection) = shard.known().connection.take() {
            connection.server.close();
        }
    })?;
    let secret = &spec.admin_secret_ref.name;
    let tls = spec.tls.clone().unwrap_or_default();
    let ca = match &tls.ca_secret_ref {
        Some(secret) => Some(databases.secret(&secret.name, "ca.crt").await?),
        None => None,
    };
    let authority = ca.clone().map_or(Authority::WellKnown, Authority::Pem);
    let address = Address {
        host: spec.host.clone(),
        port: port(spec),
        trust: match tls.mode.unwrap_or_default() {
            TlsMode::Disable => None,
            TlsMode::Require => Some(Trust::Anyone),
            TlsMode::VerifyCA => Some(Trust::Authority(authority)),
            TlsMode::VerifyFull => Some(Trust::Host(authority)),
        },
        user: databases.secret(secret, "username").await?,
        password: Password::from_secret(databases.secret(secret, "password").await?),
        database: spec.database.clone(),
        connections: spec
            .operator_connections
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(CONNECTIONS),
    };
    let named = |host: &String| Address {
        host: host.clone(),
        ..address.clone()
    };
    let known = shard.known().connection.clone();
    let is_known = |known: &Arc<Connection>| hosts.iter().any(|host| is_same(&known.address, &named(host)));
    if let Some(known) = known.filter(is_known) {
        return Ok(known);
    }
    let (server, address) = match hosts.as_slice() {
        [whole, host] => open(named(host), Some(named(whole))).await?,
        [host, ..] => open(named(host), None).await?,
        [] => return Err(Error::Settings("the host is empty".into())),
    };
    let connection = Arc::new(Connection { server, address, ca });
    shard.known().connection = Some(connection.clone());
    Ok(connection)
}

/// Under its whole name, which tenants are given too, where the server answers to it: the cluster's domain may be another one, and the server's
/// certificate may have the shorter name only. Which of the two is decided while it answers to one.
///
/// # Errors
/// Why it answers to neither.
pub async fn open(address: Address, whole: Option<Address>) -> Result<(Server, Address), Error> {
    let server = Server::new(address.clone())?;
    let Some(whole) = whole else {
        return Ok((server, address));
    };
    let by_whole = Server::new(whole.clone())?;
    if answers(&by_whole).await.is_ok() {
        return Ok((by_whole, whole));
    }
    answers(&server).await?;
    // It may have come back between the two.
    match answers(&by_whole).await {
        Ok(()) => Ok((by_whole, whole)),
        Err(error) => {
            tracing::info!(host = whole.host, "tenants are given the shorter name: {error}");
            Ok((server, address))
        }
    }
}

/// Whether a server of this name answers, if only by a refusal.
async fn answers(server: &Server) -> Result<(), Error> {
    match server.pulse().await {
        Err(error @ (Error::Unreachable(_) | Error::Timeout)) => Err(error),
        _ => Ok(()),
    }
}

fn is_same(a: &Address, b: &Address) -> bool {
    let parts = |address: &Address| {
        let Address {
            host,
            port,
            trust,
            user,
            password,
            database,
            connections,
        } = address.clone();
        let password = password.reveal().to_string();
        (host, port, trust, user, password, database, connections)
    };
    parts(a) == parts(b)
}

/// Closes what is open to everyone, as far as the server lets the operator. What it does not shows when it is looked at again.
async fn harden(server: &Server, catalog: &Catalog) -> bool {
    let weaknesses = server::weaknesses(catalog);
    let ours = weaknesses
        .iter()
        .filter(|weakness| server::is_ours_to_mend(weakness, catalog));
    let mut tried = false;
    for weakness in ours {
        tried = true;
        if let Err(error) = server.execute(std::slice::from_ref(&weakness.remedy)).await {
            tracing::info!("{}: {error}", weakness.what);
        }
    }
    tried
}

/// Takes back what was granted by hand inside tenants' schemas, as far as the server lets the operator. It does no harm until
/// somebody opens the schema too, which is seen and put back at every look.
async fn audit(server: &Server, name: &str) {
    let findings = match server.audit().await {
        Ok(findings) => findings,
        Err(error) => return tracing::warn!(server = name, "grants inside schemas are not known: {error}"),
    };
    for finding in findings.into_iter().take(AUDITED) {
        let mended = match &finding.remedy {
            Some(remedy) => server
                .execute(std::slice::from_ref(remedy))
                .await
                .map_err(|error| error.to_string()),
            None => Err("only a superuser can take it back".into()),
        };
        match mended {
            Ok(()) => tracing::info!(server = name, "{}: taken back", finding.what),
            Err(why) => tracing::warn!(server = name, "{}: {why}", finding.what),
        }
    }
}

/// The tenants that share the platform's tables on this server, as applications may know them.
fn registry(databases: &Databases, server: &str) -> Vec<RegistryRow> {
    let placed = databases.placements().into_iter();
    let shared = placed.filter(|(_, place)| {
        place.server == server && place.model == crate::api::DatabaseModel::SharedTable && !place.retained
    });
    shared.map(|(owner, _)| row(databases, &owner)).collect()
}

/// One tenant as applications may know it.
pub fn row(databases: &Databases, owner: &crate::cluster::Identity) -> RegistryRow {
    let tenant = databases
        .tenants
        .get(&kube::runtime::reflector::ObjectRef::new(&owner.tenant));
    RegistryRow {
        id: owner.id.clone(),
        name: owner.tenant.clone(),
        parent: None,
        tier: tenant.map(|tenant| tenant.spec.tier.clone()).unwrap_or_default(),
        owner_role: Names::of(&owner.id).owner,
    }
}

/// Wakes the tenants of whom this look saw something else than the one before.
fn wake_changed(databases: &Databases, shard: &ServerState, before: &Catalog) {
    for (owner, _) in databases
        .placements()
        .into_iter()
        .filter(|(_, place)| place.server == shard.name)
    {
        let names = Names::of(&owner.id);
        if before.of(&names).differs(&shard.of(&names)) {
            tracing::info!(
                server = shard.name,
                tenant = owner.tenant,
                "its part of the server was changed"
            );
            databases.queue.wake(&owner.tenant);
        }
    }
}

impl From<InvalidIdentifier> for Error {
    fn from(error: InvalidIdentifier) -> Self {
        Self::Settings(error.to_string())
    }
}

/// The finalizer that keeps a server's resource while tenants are on it.
pub const FINALIZER: &str = names::FINALIZER;

#[cfg(test)]
#[path = "agent_test.rs"]
mod tests;
