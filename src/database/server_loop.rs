//! The loop of one DatabaseServer: it inspects the server, wakes the tenants whose part changed, and reports the server's status.

use super::inspection::{Findings, look};
use super::server_state::{Connection, Health, ServerState};
use super::servers::Databases;
use super::status;
use crate::conditions::reason;
use crate::names;
use crate::postgres::Names;
use crate::postgres::catalog::Catalog;
use crate::postgres::client::Error;
use futures::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long it may be away before its tenants say so.
const BLIP: Duration = Duration::from_secs(6);
/// How often it is asked between two looks whether it is still there.
const PULSE_PERIOD: Duration = Duration::from_secs(5);
/// How long the next look waits after a failure, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// What an agent remembers between two looks.
#[derive(Default)]
pub(super) struct Memory {
    /// The server that was prepared and hardened.
    pub(super) prepared: Option<Arc<Connection>>,
    /// Statements of these connections that the metric has counted.
    pub(super) counted: u64,
    pub(super) asked_for_usage: Option<Instant>,
    away_since: Option<Instant>,
    told: bool,
    failures: u32,
    /// The tenants' namespaces that its host leads to, and whose each is.
    captors: BTreeMap<String, String>,
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

/// Wakes the tenants of whom this look saw something else than the one before.
pub(super) fn wake_changed(databases: &Databases, shard: &ServerState, before: &Catalog) {
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

/// The finalizer that keeps a server's resource while tenants are on it.
pub const FINALIZER: &str = names::FINALIZER;

#[cfg(test)]
#[path = "server_loop_test.rs"]
mod tests;
