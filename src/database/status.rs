//! The status of a DatabaseServer.

use super::inspection::Findings;
use super::server_state::ServerState;
use super::servers::Databases;
use crate::api::{DatabaseServer, DatabaseServerStatus};
use crate::cluster::{Error, decode::Read, write::has_code};
use crate::conditions::{are, reason};
use crate::names;
use crate::postgres::client;
use crate::postgres::shared::Severity;
use crate::time::seconds;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

/// Maximum length of a condition's message in bytes.
const MAX_MESSAGE: usize = 2048;
/// Minimum time between two writes for figures and times alone.
const PERIOD: SignedDuration = SignedDuration::from_mins(5);

/// Type, status, reason and message of a condition.
struct ConditionUpdate(&'static str, &'static str, &'static str, String);

/// Returns the status to write.
pub fn status(
    server: &DatabaseServer,
    inspected: &Result<Findings, client::Error>,
    tls: &str,
    tenants: usize,
    bytes: i64,
    now: Timestamp,
) -> DatabaseServerStatus {
    let old = server.status.clone().unwrap_or_default();
    let now = seconds(now);
    let conditions = conditions(server, inspected, tenants)
        .into_iter()
        .map(|ConditionUpdate(kind, status, reason, mut message)| {
            message.truncate(message.floor_char_boundary(MAX_MESSAGE));
            let before = old.conditions.iter().find(|condition| condition.type_ == kind);
            let since = before.filter(|condition| condition.status == status);
            Condition {
                type_: kind.into(),
                status: status.into(),
                reason: reason.into(),
                message,
                observed_generation: server.metadata.generation,
                last_transition_time: since.map_or(Time(now), |condition| condition.last_transition_time.clone()),
            }
        })
        .collect();
    let found = inspected.as_ref().ok();
    DatabaseServerStatus {
        observed_generation: server.metadata.generation,
        conditions,
        server_id: found.and_then(|findings| findings.server_id.clone()).or(old.server_id),
        server_version: found.map(|findings| findings.version.clone()).or(old.server_version),
        tls: found.map(|_| tls.to_string()).or(old.tls),
        tenants: i32::try_from(tenants).ok(),
        bytes: found.map(|_| bytes).or(old.bytes),
        last_checked_at: found.map(|_| now.to_string()).or(old.last_checked_at),
    }
}

fn conditions(
    server: &DatabaseServer,
    inspected: &Result<Findings, client::Error>,
    tenants: usize,
) -> Vec<ConditionUpdate> {
    let findings = match inspected {
        Ok(findings) => findings,
        Err(error) => {
            let (reason, message) = (error.reason(), error.to_string());
            let unknown = |kind| {
                ConditionUpdate(
                    kind,
                    "Unknown",
                    reason,
                    "the operator could not check the server".into(),
                )
            };
            let mut all = vec![
                ConditionUpdate("Ready", "False", reason, message.clone()),
                ConditionUpdate("Reachable", "False", reason, message),
                unknown("Hardened"),
                unknown("LeastPrivilege"),
                unknown("ConnectionsReserved"),
            ];
            if !server.spec.shared_tables.is_empty() {
                all.push(unknown("SharedTablesProtected"));
            }
            return all;
        }
    };
    let full = |most: i32| i32::try_from(tenants).is_ok_and(|tenants| tenants >= most);
    let most = server.spec.capacity.as_ref().and_then(|capacity| capacity.max_tenants);
    let ready = match (findings.missing_privilege, most.filter(|most| full(*most))) {
        _ if server.metadata.deletion_timestamp.is_some() => {
            let message = format!("it is being deleted, and {} still on it", are(tenants, "tenant"));
            ConditionUpdate("Ready", "False", reason::IN_USE, message)
        }
        (Some(lack), _) => ConditionUpdate("Ready", "False", reason::INSUFFICIENT_PRIVILEGE, lack.into()),
        (None, Some(most)) => {
            let message = format!(
                "{} on it, and capacity.maxTenants is {most}: it takes no more",
                are(tenants, "tenant")
            );
            ConditionUpdate("Ready", "False", reason::FULL, message)
        }
        (None, None) => ConditionUpdate("Ready", "True", reason::READY, "tenants can be placed on it".into()),
    };
    let hardened = match findings.weaknesses.is_empty() {
        true => ConditionUpdate(
            "Hardened",
            "True",
            reason::CLOSED,
            "the operator found no privilege that it should close".into(),
        ),
        false => {
            let what: Vec<&str> = findings
                .weaknesses
                .iter()
                .map(|weakness| weakness.what.as_str())
                .collect();
            let message = format!(
                "{}. `tenant-operator database-script` prints what a superuser executes once",
                what.join("; ")
            );
            ConditionUpdate("Hardened", "False", reason::OPEN, message)
        }
    };
    let privilege = match findings.excess_privilege {
        None => ConditionUpdate(
            "LeastPrivilege",
            "True",
            reason::SUFFICIENT,
            "the operator's role can do what it needs".into(),
        ),
        Some(excess) => ConditionUpdate("LeastPrivilege", "False", reason::EXCESSIVE, excess.into()),
    };
    let reachable = ConditionUpdate("Reachable", "True", reason::REACHABLE, "it answers".into());
    let connections = match findings.connection_risks.is_empty() {
        true => ConditionUpdate(
            "ConnectionsReserved",
            "True",
            reason::CONNECTIONS_RESERVED,
            "tenants cannot use up the connections that the operator needs".into(),
        ),
        false => ConditionUpdate(
            "ConnectionsReserved",
            "False",
            reason::CONNECTIONS_SHARED,
            findings.connection_risks.join("; "),
        ),
    };
    let mut all = vec![ready, reachable, hardened, privilege, connections];
    if let Some(report) = &findings.shared {
        let of = |severity: Severity| {
            let found = report
                .findings
                .iter()
                .filter(move |finding| finding.severity == severity);
            found.map(ToString::to_string).collect::<Vec<_>>()
        };
        let (violations, weaknesses) = (of(Severity::Violation), of(Severity::Weakness));
        let tables = format!(
            "{} tables are protected, {} are kept closed to tenants",
            report.protected, report.closed
        );
        let message = [vec![tables], violations.clone(), weaknesses].concat().join("; ");
        all.push(match violations.is_empty() {
            true => ConditionUpdate("SharedTablesProtected", "True", reason::PROTECTED, message),
            false => ConditionUpdate("SharedTablesProtected", "False", reason::UNPROTECTED, message),
        });
    }
    all
}

/// Returns true if anything but the figures differs, or if old figures differ.
fn is_worth_writing(old: Option<&DatabaseServerStatus>, new: &DatabaseServerStatus, now: Timestamp) -> bool {
    let Some(old) = old else { return true };
    let still = |status: &DatabaseServerStatus| DatabaseServerStatus {
        bytes: None,
        last_checked_at: None,
        ..status.clone()
    };
    let checked = old.last_checked_at.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
    let recent = checked.is_some_and(|at| (SignedDuration::ZERO..PERIOD).contains(&now.duration_since(at)));
    still(old) != still(new) || (!recent && old != new)
}

/// Writes the status if it is worth a write.
///
/// # Errors
/// The API server's.
pub async fn report(
    databases: &Databases,
    server: &DatabaseServer,
    server_state: &ServerState,
    inspected: &Result<Findings, client::Error>,
) -> Result<(), Error> {
    let name = server.name_any();
    let tenants = count(databases, &name);
    let (bytes, tls) = {
        let snapshot = server_state.snapshot();
        let encrypted = snapshot
            .connection
            .as_ref()
            .is_some_and(|connection| connection.address.trust.is_some());
        (snapshot.usage.bytes, if encrypted { "TLS" } else { "none" })
    };
    let now = Timestamp::now();
    // What was read last may be older than what this agent wrote last.
    let new = status(server, inspected, tls, tenants, bytes, now);
    if !is_worth_writing(server.status.as_ref(), &new, now) {
        return Ok(());
    }
    let api: Api<Read<DatabaseServer>> = Api::all(databases.client.clone());
    let patch: json_patch::Patch = serde_json::from_value(json!([
        {"op": "test", "path": "/metadata/uid", "value": server.metadata.uid},
        {"op": "add", "path": "/status", "value": new},
    ]))
    .map_err(kube::Error::SerdeError)?;
    let patch = Patch::<DatabaseServer>::Json(patch);
    match api.patch_status(&name, &PatchParams::default(), &patch).await {
        Err(error) if !has_code(&error, 404) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Returns the number of tenants with data on a server, retained data included.
fn count(databases: &Databases, server: &str) -> usize {
    let placed = databases.placements();
    placed.iter().filter(|(_, place)| place.server == server).count()
}

/// Keeps the finalizer while tenants are on the server: without the resource the operator could not reach their data.
///
/// # Errors
/// The API server's.
pub async fn reconcile_finalizer(databases: &Databases, server: &DatabaseServer) -> Result<(), Error> {
    let name = server.name_any();
    let has_finalizer = server
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == names::FINALIZER);
    let wanted = server.metadata.deletion_timestamp.is_none() || count(databases, &name) > 0;
    if has_finalizer == wanted || (!has_finalizer && server.metadata.deletion_timestamp.is_some()) {
        return Ok(());
    }
    let mut finalizers = server.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != names::FINALIZER);
    if wanted {
        finalizers.push(names::FINALIZER.into());
    }
    let api: Api<DatabaseServer> = Api::all(databases.client.clone());
    let patch = json!({"metadata": {
        "resourceVersion": server.metadata.resource_version,
        "uid": server.metadata.uid,
        "finalizers": finalizers,
    }});
    match api
        .patch_metadata(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        // Written in between: the next look sees it.
        Err(error) if !has_code(&error, 404) && !has_code(&error, 409) => Err(error.into()),
        _ => Ok(()),
    }
}
