//! The loop of one DatabaseServer: it inspects the server, wakes the tenants whose part changed, and reports the server's status.

use super::inspection::{Findings, inspect};
use super::server_state::{Connection, Health, ServerState};
use super::servers::Databases;
use super::status;
use crate::conditions::reason;
use crate::postgres::Names;
use crate::postgres::catalog::Catalog;
use crate::postgres::client::Error;
use crate::time::doubled;
use futures::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time that a server may be away before its tenants report it.
const AWAY_GRACE: Duration = Duration::from_secs(6);
/// Period of the liveness check between two inspections.
const PULSE_PERIOD: Duration = Duration::from_secs(5);
/// First and longest delay after a failed inspection.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// State of the loop between two inspections.
#[derive(Default)]
pub(super) struct Memory {
    /// The server that was prepared and hardened.
    pub(super) prepared: Option<Arc<Connection>>,
    /// Statements of these connections that the metric has counted.
    pub(super) counted: u64,
    pub(super) asked_for_usage: Option<Instant>,
    away_since: Option<Instant>,
    reported: bool,
    failures: u32,
    /// Namespaces of tenants that the host leads to, and the tenant of each.
    captors: BTreeMap<String, String>,
}

/// Runs the loop of a server for ever; starts it again after a panic.
pub async fn run_server_loop(databases: Arc<Databases>, name: String) {
    loop {
        let running = AssertUnwindSafe(run(databases.clone(), name.clone()))
            .catch_unwind()
            .await;
        if running.is_err() {
            tracing::error!(server = name, "the server loop panicked and starts again");
        }
        tokio::time::sleep(RETRY.1).await;
    }
}

async fn run(databases: Arc<Databases>, name: String) {
    let mut memory = Memory::default();
    // Whose namespaces are whose is not known before.
    databases.store.synced().await;
    loop {
        let server_state = databases.server_state(&name);
        let Some(resource) = databases.resource(&name) else {
            tokio::time::sleep(RETRY.0).await;
            continue;
        };
        if let Err(error) = status::reconcile_finalizer(&databases, &resource).await {
            tracing::warn!(server = name, "{}", error.chain());
        }
        let host = &resource.spec.host;
        let captors = databases.captors(host);
        wake_captors(&databases, &mut memory, &captors);
        let other_captors = || {
            let differ = || (databases.captors(host) != captors).then_some(());
            databases.store.when_namespaces(differ)
        };
        let inspected = tokio::select! {
            inspected = inspect(&databases, &server_state, &resource, &mut memory) => inspected,
            // The operator sends nothing more to a server that may be another's.
            () = other_captors() => continue,
        };
        let pause = record_health(&databases, &server_state, &inspected, &mut memory);
        record_metrics(&databases, &server_state, &mut memory);
        server_state.note_inspection();
        if let Err(error) = status::report(&databases, &resource, &server_state, &inspected).await {
            tracing::warn!(server = name, "{}", error.chain());
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = unresponsive(&server_state), if inspected.is_ok() => {}
            () = other_captors() => {}
            () = server_state.notify.notified() => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Wakes the tenants whose namespaces the host leads to now, or did before: their conditions report it.
fn wake_captors(databases: &Databases, memory: &mut Memory, captors: &BTreeMap<String, String>) {
    let before = std::mem::replace(&mut memory.captors, captors.clone());
    let of = |all: &BTreeMap<String, String>| all.clone().into_iter().collect::<BTreeSet<_>>();
    for (_, tenant) in of(&before).symmetric_difference(&of(captors)) {
        databases.queue.wake(tenant);
    }
}

/// Resolves when the server stops answering.
async fn unresponsive(server_state: &ServerState) {
    loop {
        tokio::time::sleep(PULSE_PERIOD).await;
        let connection = server_state.snapshot().connection.clone();
        if let Some(connection) = connection
            && connection.server.pulse().await.is_err()
        {
            return;
        }
    }
}

/// Records the server's health, wakes the tenants that it concerns, and returns the time until the next inspection.
fn record_health(
    databases: &Databases,
    server_state: &ServerState,
    inspected: &Result<Findings, Error>,
    memory: &mut Memory,
) -> Duration {
    let health = match inspected {
        Ok(Findings {
            missing_privilege: Some(lack),
            ..
        }) => Health::Away {
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
    let before = std::mem::replace(&mut server_state.snapshot().health, health.clone());
    if ready {
        if before != Health::Ready {
            tracing::info!(server = server_state.name, "the server is ready");
            databases.wake(&server_state.name);
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
        tracing::warn!(server = server_state.name, reason, "{message}");
    }
    let since = *memory.away_since.get_or_insert_with(Instant::now);
    let lasts = since.elapsed() >= AWAY_GRACE || matches!(inspected, Err(Error::Captured(_)));
    if lasts && !memory.reported {
        memory.reported = true;
        databases.wake(&server_state.name);
    }
    memory.failures += 1;
    doubled(RETRY, memory.failures.min(10) - 1)
}

fn record_metrics(databases: &Databases, server_state: &ServerState, memory: &mut Memory) {
    let snapshot = server_state.snapshot();
    let (statements, connections) = snapshot.connection.as_ref().map_or((0, 0), |connection| {
        (connection.server.statements(), connection.server.connections())
    });
    let up = snapshot.health == Health::Ready;
    let new = statements.saturating_sub(memory.counted);
    databases
        .metrics
        .record_server(&server_state.name, new, connections, up);
    memory.counted = statements.max(memory.counted);
}

/// Wakes the tenants whose part changed since the former inspection.
pub(super) fn wake_changed(databases: &Databases, server_state: &ServerState, before: &Catalog) {
    for (owner, _) in databases
        .placements()
        .into_iter()
        .filter(|(_, place)| place.server == server_state.name)
    {
        let names = Names::of(&owner.id);
        if before.of(&names).differs(&server_state.catalog_of(&names)) {
            tracing::info!(
                server = server_state.name,
                tenant = owner.tenant,
                "its part of the server was changed"
            );
            databases.queue.wake(&owner.tenant);
        }
    }
}

#[cfg(test)]
#[path = "server_loop_test.rs"]
mod tests;
