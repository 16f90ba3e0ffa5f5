//! A tenant's status: conditions by kstatus' rules, and figures. Pure; the clock is an argument.

use crate::api::{
    Allowed, Effective, EffectiveNetwork, ParentStatus, PeerStatus, Tenant, TenantStatus, TenantView, TenantViewStatus,
    Usage,
};
use crate::capability::{Capability, Family, Quarantine, ReconcileOutcome, State, ValidTenant};
use crate::cluster::{Desired, Identity, Kind, Live, metadata};
use crate::conditions::{ConditionUpdate, kind, merge, reason};
use crate::names;
use crate::namespaces::ValidNamespaces;
use crate::quantity::Amount;
use crate::time::seconds;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Resource;
use serde_json::{Value, json};
use std::sync::Arc;

/// Usage alone is no reason to write more often than this.
const USAGE_PERIOD: SignedDuration = SignedDuration::from_mins(5);
/// Nor when it moved by less than this.
const USAGE_STEP: f64 = 0.05;

/// The message of conditions while the operator does not act on the spec.
const UNTOUCHED: &str = "the operator left existing resources unchanged";

/// The observed part of a status.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Its namespaces that exist.
    pub namespaces: Vec<String>,
    pub usage: Usage,
}

/// The status to write.
pub fn status(
    capabilities: &[Arc<dyn Capability>],
    tenant: &Tenant,
    outcome: &ReconcileOutcome,
    valid: Option<&ValidTenant>,
    observed: Observed,
    now: Timestamp,
) -> TenantStatus {
    let old = tenant.status.clone().unwrap_or_default();
    let generation = tenant.metadata.generation;
    let Observed { namespaces, usage } = observed;
    let former = old.usage.unwrap_or_default();
    let mut status = TenantStatus {
        observed_generation: generation,
        id: valid
            .filter(|_| !namespaces.is_empty())
            .map(|valid| valid.core.owner.id.clone())
            .or(old.id),
        parent: valid.map_or(old.parent, |valid| parent(&valid.core.family)),
        conditions: Vec::new(),
        namespace_count: i32::try_from(namespaces.len()).ok(),
        namespaces,
        // Where the spec makes no sense, what it last amounted to still stands.
        effective: valid.map(effective).or(old.effective),
        database: old.database,
        credentials: old.credentials,
        gateway: old.gateway,
        isolation: None,
        quota: old.quota,
        usage: Some(Usage {
            database: usage.database.or(former.database),
            gateway: usage.gateway.or(former.gateway),
            ..usage
        }),
    };
    let is_over = outcome.reports().is_some();
    let mut conditions = readiness(outcome, valid);
    for capability in capabilities {
        let report = outcome.report(capability.description().condition);
        if let Some(write) = report.and_then(|report| report.status.as_ref()) {
            write(&mut status);
        }
        match capability.concerns(valid, &status, is_over) {
            true => conditions.push(match report {
                Some(report) => report
                    .description
                    .condition(&report.state, valid.map(|valid| &valid.core)),
                None => unseen(outcome, capability.as_ref()),
            }),
            false => capability.clear(&mut status),
        }
    }
    let conditions = conditions.into_iter();
    status.conditions = conditions
        .map(|new| merge(new, &old.conditions, generation, now))
        .collect();
    status
}

/// Returns true where a status is worth a write: anything but its figures differs, or these are old and have moved.
pub fn is_worth_writing(old: Option<&TenantStatus>, new: &TenantStatus, now: Timestamp) -> bool {
    let Some(old) = old else { return true };
    let without_usage = |status: &TenantStatus| TenantStatus {
        usage: None,
        ..status.clone()
    };
    without_usage(old) != without_usage(new) || usage_moved(old.usage.as_ref(), new.usage.as_ref(), now)
}

fn usage_moved(old: Option<&Usage>, new: Option<&Usage>, now: Timestamp) -> bool {
    let (Some(old), Some(new)) = (old, new) else {
        return old.is_none() && new.is_some();
    };
    if old.gateway.is_some() != new.gateway.is_some() {
        return true;
    }
    let age = old
        .observed_at
        .as_ref()
        .and_then(|at| at.parse::<Timestamp>().ok())
        .map(|at| now.duration_since(at));
    // A time in the future was written by a clock that was wrong.
    if age.is_some_and(|age| (SignedDuration::ZERO..USAGE_PERIOD).contains(&age)) {
        return false;
    }
    let amount = |text: &Option<String>| {
        text.as_ref()
            .and_then(|t| Amount::parse(t).ok())
            .map_or(0.0, Amount::as_f64)
    };
    let bytes = |usage: &Usage| {
        let bytes = usage.database.as_ref().and_then(|database| database.bytes);
        bytes.unwrap_or(0) as f64
    };
    let passed = |usage: &Usage| {
        let passed = usage.gateway.clone().unwrap_or_default();
        [
            passed.requests,
            passed.limited_requests,
            passed.received_bytes,
            passed.sent_bytes,
        ]
        .map(|count| count as f64)
    };
    let moved = |old: f64, new: f64| (new - old).abs() > USAGE_STEP * old.abs().max(new.abs());
    moved(amount(&old.cpu), amount(&new.cpu))
        || moved(amount(&old.memory), amount(&new.memory))
        || moved(amount(&old.storage), amount(&new.storage))
        || moved(old.pods.unwrap_or(0) as f64, new.pods.unwrap_or(0) as f64)
        || moved(bytes(old), bytes(new))
        || passed(old)
            .into_iter()
            .zip(passed(new))
            .any(|(old, new)| moved(old, new))
}

/// The same, as the tenant's owners may see it.
pub fn view(tenant: &Tenant, status: &TenantStatus) -> TenantViewStatus {
    TenantViewStatus {
        id: status.id.clone(),
        display_name: tenant.spec.display_name.clone(),
        tier: tenant.spec.tier.clone(),
        parent: status.parent.as_ref().map(|parent| parent.name.clone()),
        conditions: status
            .conditions
            .iter()
            .map(crate::isolation::condition::redacted)
            .collect(),
        namespaces: status.namespaces.clone(),
        effective: status.effective.clone(),
        database: status.database.clone(),
        credentials: status.credentials.clone(),
        gateway: status.gateway.clone(),
        quota: status.quota.clone(),
        usage: status.usage.clone(),
    }
}

/// The view as an object.
pub fn view_object(owner: &Identity, status: &TenantViewStatus) -> Desired {
    let meta = metadata::meta(owner, &owner.tenant, &owner.tenant);
    let object = json!({
        "apiVersion": TenantView::api_version(&()),
        "kind": TenantView::kind(&()),
        "metadata": meta,
        "status": status,
    });
    metadata::desired(Kind::TenantView, &meta, &object)
}

/// Sums up what the tenant's quotas report as used, over all namespaces.
pub fn usage<'a>(quotas: impl Iterator<Item = &'a Live>, now: Timestamp) -> Usage {
    let mut sums: [Option<Amount>; 4] = [None; 4];
    for quota in quotas.filter(|live| live.key.kind == Kind::ResourceQuota) {
        let keys = ["requests.cpu", "requests.memory", "pods", "requests.storage"];
        for (sum, key) in sums.iter_mut().zip(keys) {
            let used = quota
                .value
                .pointer("/status/used")
                .and_then(|used| used.get(key))
                .and_then(Value::as_str);
            if let Some(amount) = used.and_then(|text| Amount::parse(text).ok()) {
                *sum = Some(sum.map_or(amount, |sum| sum.plus(amount)));
            }
        }
    }
    let [cpu, memory, pods, storage] = sums;
    Usage {
        cpu: cpu.map(|amount| amount.to_string()),
        memory: memory.map(|amount| amount.to_string()),
        pods: pods.map(Amount::ceil),
        storage: storage.map(|amount| amount.to_string()),
        database: None,
        gateway: None,
        observed_at: Some(seconds(now).to_string()),
    }
}

fn parent(family: &Family) -> Option<ParentStatus> {
    let (parent, root) = family.parent().zip(family.root())?;
    Some(ParentStatus {
        name: parent.tenant.clone(),
        id: parent.id.clone(),
        root: root.tenant.clone(),
        root_id: root.id.clone(),
    })
}

fn effective(valid: &ValidTenant) -> Effective {
    let network = &valid.core.network;
    let unbounded = Allowed {
        service_types: Some(Vec::new()),
        annotations: Some(Vec::new()),
        ..Allowed::default()
    };
    Effective {
        isolation: valid.core.isolation,
        pod_security: valid
            .part::<ValidNamespaces>()
            .map(|part| part.pod_security)
            .unwrap_or_default(),
        quota: valid.core.quota.clone(),
        network: EffectiveNetwork {
            gateway: network.gateway,
            internet: network.internet,
            api_server: network.api_server,
            peers: network
                .peers
                .iter()
                .map(|peer| PeerStatus {
                    name: peer.name.clone(),
                    state: peer.state,
                })
                .collect(),
            applications: network.applications.keys().cloned().collect(),
        },
        allowed: Some(valid.core.allowed.clone()).filter(|allowed| *allowed != unbounded),
        features: valid.core.features.clone(),
        configuration_digest: valid.core.configuration.as_ref().map(names::sha256),
        workloads: valid
            .core
            .workloads
            .iter()
            .map(|workload| workload.name.clone())
            .collect(),
    }
}

/// Ready, Reconciling and Stalled by kstatus' rules.
fn readiness(outcome: &ReconcileOutcome, valid: Option<&ValidTenant>) -> Vec<ConditionUpdate> {
    let core = valid.map(|valid| &valid.core);
    let quarantine = core.and_then(|core| core.quarantine.as_ref());
    let is_suspended = core.is_some_and(|core| core.suspend);
    let (ready, moving, stalled) = match outcome {
        ReconcileOutcome::Planned(reports) => match (reports.problem(quarantine.is_some()), quarantine) {
            (Some(report), _) => {
                let description = report.description;
                let problem = report.state.problem().map(|note| note.message.as_str());
                let problem = problem.unwrap_or_default();
                let (reason, message) = match (report.because, description.name) {
                    (Some(because), _) => (because, problem.to_string()),
                    (None, "") => (description.not_ready, problem.to_string()),
                    (None, name) => (description.not_ready, format!("{name}: {problem}")),
                };
                let cause = (reason, message.clone());
                let ready = ("False", reason, message);
                match matches!(report.state, State::Stalled(_)) {
                    true => (ready, None, Some(cause)),
                    false => (ready, Some(cause), None),
                }
            }
            (None, Some(quarantine)) => {
                let message = Quarantine::message(quarantine);
                let ready = ("False", reason::QUARANTINED, message.clone());
                (ready, None, Some((reason::QUARANTINED, message)))
            }
            (None, None) if is_suspended => {
                let by = core.and_then(|core| core.family.suspended_by.as_ref());
                let by = by
                    .map(|name| format!(", because Tenant {name} above it is"))
                    .unwrap_or_default();
                let message = format!("the tenant is suspended{by}: no pod runs, all data is kept");
                (("True", reason::SUSPENDED, message), None, None)
            }
            (None, None) => {
                let message = "all resources are in the desired state".to_string();
                (("True", reason::READY, message), None, None)
            }
        },
        ReconcileOutcome::Stalled { reason, message } => {
            let cause = (*reason, message.clone());
            (("False", *reason, message.clone()), None, Some(cause))
        }
        // A deletion that makes no headway goes on when somebody has removed what blocks it.
        ReconcileOutcome::Waiting { reason, message } if *reason == reason::DRAIN_BLOCKED => {
            let cause = (*reason, message.clone());
            (("False", *reason, message.clone()), None, Some(cause))
        }
        ReconcileOutcome::Waiting { reason, message } => {
            let cause = (*reason, message.clone());
            (("False", *reason, message.clone()), Some(cause), None)
        }
    };
    let update = |kind, (status, reason, message)| ConditionUpdate {
        kind,
        status,
        reason,
        message,
    };
    let flag = |cause: Option<(&'static str, String)>, otherwise: &str| match cause {
        Some((reason, message)) => ("True", reason, message),
        None => ("False", reason::IDLE, otherwise.to_string()),
    };
    vec![
        update(kind::READY, ready),
        update(kind::RECONCILING, flag(moving, "no reconciliation is in progress")),
        update(kind::STALLED, flag(stalled, "reconciliation is not stalled")),
    ]
}

/// The condition of a capability that the pass did not come to.
fn unseen(outcome: &ReconcileOutcome, capability: &dyn Capability) -> ConditionUpdate {
    let description = capability.description();
    match outcome {
        ReconcileOutcome::Planned(reports) => {
            let gate = reports.gate().filter(|gate| gate.stage == description.stage);
            description.unseen(reason::PROGRESSING, gate.map_or(description.awaits, |gate| gate.why))
        }
        ReconcileOutcome::Stalled { reason, .. } => description.unseen(reason, UNTOUCHED),
        ReconcileOutcome::Waiting { reason, message } => description.unseen(reason, message.as_str()),
    }
}

/// The namespaces of a tenant that exist, the first one first, then by name.
pub fn existing_namespaces<'a>(tenant: &str, objects: impl Iterator<Item = &'a Live>) -> Vec<String> {
    let mut found: Vec<String> = objects
        .filter(|live| live.key.kind == Kind::Namespace && live.label(names::RETAINED).is_none())
        .map(|live| live.key.name.clone())
        .collect();
    found.sort_by_key(|name| (name != tenant, name.clone()));
    found
}

#[cfg(test)]
#[path = "status_test.rs"]
mod tests;
