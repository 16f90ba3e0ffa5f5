//! Inspects a whole server: its identity, its catalog, its usage and what is open to everyone, which it closes.

use super::application_logins;
use super::connect::connect;
use super::registry;
use super::server_loop::{Memory, wake_changed};
use super::server_state::ServerState;
use super::servers::Databases;
use crate::api::DatabaseServer;
use crate::names;
use crate::postgres::catalog::Catalog;
use crate::postgres::client::{Error, Server};
use crate::postgres::operator_role;
use crate::postgres::server;
use crate::postgres::shared::{self, SharedReport};
use crate::postgres::weaknesses::{self, Weakness};
use kube::ResourceExt;
use std::sync::Arc;
use std::time::Instant;

/// Maximum number of findings that one audit repairs; the next audit repairs the others.
const AUDITED: usize = 100;

/// Findings about a server as a whole.
#[derive(Debug, Default)]
pub struct Findings {
    pub server_id: Option<String>,
    pub version: String,
    pub weaknesses: Vec<Weakness>,
    pub excess_privilege: Option<&'static str>,
    pub missing_privilege: Option<&'static str>,
    /// Reasons why tenants can use up the operator's connections.
    pub connection_risks: Vec<String>,
    pub shared: Option<SharedReport>,
}

/// Inspects the whole server and returns the findings.
pub(super) async fn inspect(
    databases: &Databases,
    server_state: &ServerState,
    resource: &DatabaseServer,
    memory: &mut Memory,
) -> Result<Findings, Error> {
    let connection = connect(databases, server_state, resource, memory).await?;
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
    server_state.begin_inspection();
    let mut catalog = server.observe_all(&server_state.roles()).await?;
    server::is_same(known, &catalog)?;
    if is_new && harden(server, &catalog).await {
        catalog = server.observe_all(&catalog.roles).await?;
    }
    let mut findings = Findings {
        // A distribution adds its own behind it.
        server_id: catalog.server_id.clone(),
        version: catalog.version_text.split(' ').next().unwrap_or_default().to_string(),
        weaknesses: weaknesses::weaknesses(&catalog),
        excess_privilege: operator_role::excess_privilege(&catalog),
        missing_privilege: operator_role::missing_privilege(&catalog),
        connection_risks: operator_role::connection_risks(&catalog),
        shared: None,
    };
    if findings.missing_privilege.is_none() && !resource.spec.shared_tables.is_empty() {
        let rows = registry::rows(databases, &resource.name_any());
        let report = shared::reconcile(server, &resource.spec.shared_tables, &rows, &catalog).await?;
        for tenant in registry::changed(server_state, &report.rows) {
            databases.queue.wake(&tenant);
        }
        if report.changed {
            catalog = server.observe_all(&catalog.roles).await?;
        }
        findings.shared = Some(report);
    }
    if memory
        .asked_for_usage
        .is_none_or(|at| at.elapsed() >= databases.settings.usage_period)
    {
        memory.asked_for_usage = Some(Instant::now());
        match server.usage().await {
            Ok(usage) => server_state.snapshot().usage = usage,
            // Figures are not worth giving up a server for.
            Err(error) => tracing::warn!(server = server_state.name, "sizes are not known: {error}"),
        }
        audit(server, &server_state.name).await;
    }
    let before = server_state.update_all(catalog);
    application_logins::inspect(databases, server_state, server).await?;
    if !is_new {
        wake_changed(databases, server_state, &before);
    }
    memory.prepared = Some(connection);
    Ok(findings)
}

/// Id of the server at the last inspection; None where an annotation lets another server replace it.
fn known_id(resource: &DatabaseServer) -> Option<&str> {
    let known = resource.status.as_ref()?.server_id.as_deref()?;
    let replaced = resource.annotations().get(names::REPLACES).map(String::as_str);
    (replaced != Some(known)).then_some(known)
}

/// Revokes privileges of PUBLIC as far as the server permits. The next inspection reports the rest.
async fn harden(server: &Server, catalog: &Catalog) -> bool {
    let weaknesses = weaknesses::weaknesses(catalog);
    let ours = weaknesses
        .iter()
        .filter(|weakness| weaknesses::is_ours_to_mend(weakness, catalog));
    let mut tried = false;
    for weakness in ours {
        tried = true;
        if let Err(error) = server.execute(std::slice::from_ref(&weakness.remedy)).await {
            tracing::info!("{}: {error}", weakness.what);
        }
    }
    tried
}

/// Revokes manual grants inside tenants' schemas as far as the server permits. They do no harm until somebody opens the schema too, which
/// each inspection reverts.
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
