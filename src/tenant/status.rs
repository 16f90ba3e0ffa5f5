//! What to say of a tenant: conditions by kstatus' rules, and figures. Pure; the clock is an argument.

use super::ValidTenant;
use super::own_keys::Outcome as OwnKeys;
use super::provision::Progress;
use super::routes::Outcome as Routes;
use crate::api::{
    Allowed, CredentialsStatus, Effective, EffectiveNetwork, PeerStatus, Tenant, TenantStatus, TenantView,
    TenantViewSpec, Usage,
};
use crate::capability::{Capability, Quarantine, State};
use crate::cluster::{Identity, Kind, Live, metadata};
use crate::conditions::{ConditionUpdate, are, kind, merge, reason};
use crate::database::pass::Outcome as Data;
use crate::names;
use crate::quantity::Amount;
use crate::time::seconds;
use crate::{credentials, database, gateway};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Usage alone is no reason to write more often than this.
const USAGE_PERIOD: SignedDuration = SignedDuration::from_mins(5);
/// Nor when it moved by less than this.
const USAGE_STEP: f64 = 0.05;

/// What a reconcile found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReconcileOutcome {
    /// The environment was planned and came this far.
    Planned(Progress),
    /// It cannot go on until somebody changes something.
    Stalled { reason: &'static str, message: String },
    /// It goes on by itself.
    Waiting { reason: &'static str, message: String },
}

impl ReconcileOutcome {
    /// Whether it ends by itself soon, so that saying so at once would only be noise.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Planned(Progress::Complete) | Self::Stalled { .. } => false,
            Self::Planned(Progress::Part { state, .. }) => !state.is_stalled(),
            // Kubernetes may still come round; whether it does is told by time.
            Self::Planned(Progress::Workloads(_) | Progress::Namespaces(_)) | Self::Waiting { .. } => true,
        }
    }
}

/// What was found of the parts that stand apart from the cluster's own, as far as things came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen<'a> {
    pub database: Option<&'a Data>,
    pub credentials: Option<&'a OwnKeys>,
    pub gateway: Option<&'a Routes>,
}

/// The status to write.
pub fn status(
    tenant: &Tenant,
    verdict: &ReconcileOutcome,
    valid: Option<&ValidTenant>,
    seen: Seen<'_>,
    namespaces: Vec<String>,
    usage: Usage,
    now: Timestamp,
) -> TenantStatus {
    let data = seen.database;
    let old = tenant.status.clone().unwrap_or_default();
    let generation = tenant.metadata.generation;
    let id = valid
        .filter(|_| !namespaces.is_empty())
        .map(|valid| valid.core.owner.id.clone())
        .or(old.id);
    let has_database = valid.is_none_or(|valid| valid.database.is_some());
    let database = data
        .map(|data| data.status.clone())
        .filter(|status| !status.server.is_empty());
    let database = database.or(old.database).filter(|_| has_database);
    let known = database.is_some() || valid.is_some_and(|valid| valid.database.is_some());
    let credentials = seen.credentials.map(|seen| seen.status.clone());
    let credentials = credentials.or(old.credentials);
    let credentials = credentials.filter(|known| *known != CredentialsStatus::default());
    let has_keys = match valid {
        Some(valid) => valid.signing_key.is_some() || valid.encryption_key,
        None => credentials.is_some(),
    };
    // What is told of keys is forgotten only when a pass has come to an end without any.
    let is_over = matches!(verdict, ReconcileOutcome::Planned(_));
    let has_gateway = !is_over || valid.is_none_or(|valid| valid.gateway.is_some());
    let gateway = seen.gateway.map(|gateway| gateway.status.clone());
    let gateway = gateway.or(old.gateway).filter(|_| has_gateway);
    let is_led_to = gateway.is_some() || valid.is_some_and(|valid| valid.gateway.is_some());
    let core = valid.map(|valid| &valid.core);
    let part = |capability: &Capability, state: Option<&State>| match state {
        Some(state) => capability.condition(state, core),
        None => unseen(verdict, capability),
    };
    let conditions = conditions(verdict, valid)
        .into_iter()
        .chain(known.then(|| part(&database::CAPABILITY, data.map(|data| &data.state))))
        .chain(has_keys.then(|| part(&credentials::CAPABILITY, seen.credentials.map(|seen| &seen.state))))
        .chain(is_led_to.then(|| part(&gateway::CAPABILITY, seen.gateway.map(|seen| &seen.state))))
        .map(|new| merge(new, &old.conditions, generation, now))
        .collect();
    TenantStatus {
        observed_generation: generation,
        id,
        conditions,
        namespace_count: i32::try_from(namespaces.len()).ok(),
        namespaces,
        // Where the spec makes no sense, what it last amounted to still stands.
        effective: valid.map(effective).or(old.effective),
        database,
        credentials,
        gateway,
        isolation: None,
        usage: Some(Usage {
            database: data
                .and_then(|data| data.usage.clone())
                .or(old.usage.as_ref().and_then(|usage| usage.database.clone()))
                .filter(|_| has_database),
            gateway: usage
                .gateway
                .or(old.usage.and_then(|usage| usage.gateway))
                .filter(|_| is_led_to),
            ..usage
        }),
    }
}

/// Whether a status is worth a write: anything but its figures differs, or these are old and have moved.
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
pub fn view(tenant: &Tenant, status: &TenantStatus) -> TenantViewSpec {
    TenantViewSpec {
        id: status.id.clone(),
        display_name: tenant.spec.display_name.clone(),
        tier: tenant.spec.tier.clone(),
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
        usage: status.usage.clone(),
    }
}

/// The view as an object.
pub fn view_object(owner: &Identity, spec: TenantViewSpec) -> TenantView {
    let mut view = TenantView::new(&owner.tenant, spec);
    view.metadata = metadata::meta(owner, &owner.tenant, &owner.tenant);
    view
}

/// What the tenant's quotas say is used, over all namespaces.
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

fn effective(valid: &ValidTenant) -> Effective {
    let network = &valid.core.network;
    let unbounded = Allowed {
        service_types: Some(Vec::new()),
        annotations: Some(Vec::new()),
        ..Allowed::default()
    };
    Effective {
        isolation: valid.core.isolation,
        pod_security: valid.pod_security,
        quota: valid.quota.clone(),
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
        },
        allowed: Some(valid.core.allowed.clone()).filter(|allowed| *allowed != unbounded),
        workloads: valid.workloads.iter().map(|workload| workload.name.clone()).collect(),
    }
}

fn conditions(verdict: &ReconcileOutcome, valid: Option<&ValidTenant>) -> Vec<ConditionUpdate> {
    let say = |kind, status, reason, message: &str| ConditionUpdate {
        kind,
        status,
        reason,
        message: message.to_string(),
    };
    let suspended = valid.is_some_and(|valid| valid.core.suspend);
    let workloads = valid.map_or(0, |valid| valid.workloads.len());
    let available = || match workloads {
        0 => ("True", reason::NO_WORKLOADS, "no workloads are asked for".to_string()),
        n => ("True", reason::READY, format!("{} available", are(n, "workload"))),
    };
    let ready = |status, reason, message: &str| say(kind::READY, status, reason, message);
    let quarantine = valid
        .and_then(|valid| valid.core.quarantine.as_ref())
        .map(Quarantine::message);
    let (first, moving, stalled, namespaces, running) = match verdict {
        ReconcileOutcome::Planned(Progress::Complete) if quarantine.is_some() => {
            let message = quarantine.unwrap_or_default();
            (
                ready("False", reason::QUARANTINED, &message),
                None,
                Some((reason::QUARANTINED, message)),
                ("True", reason::READY, "bounds and access are in place".to_string()),
                match suspended {
                    true => ("False", reason::SUSPENDED, "suspended as asked".to_string()),
                    false => (
                        "Unknown",
                        reason::QUARANTINED,
                        "what runs goes on, and reaches nothing".to_string(),
                    ),
                },
            )
        }
        ReconcileOutcome::Planned(Progress::Complete) if suspended => (
            ready(
                "True",
                reason::SUSPENDED,
                "suspended as asked: nothing runs, all data is kept",
            ),
            None,
            None,
            ("True", reason::READY, "bounds and access are in place".to_string()),
            ("False", reason::SUSPENDED, "suspended as asked".to_string()),
        ),
        ReconcileOutcome::Planned(Progress::Complete) => (
            ready("True", reason::READY, "everything that was asked for was observed"),
            None,
            None,
            ("True", reason::READY, "bounds and access are in place".to_string()),
            available(),
        ),
        ReconcileOutcome::Planned(Progress::Namespaces(message)) => (
            ready("False", reason::PROGRESSING, message),
            Some((reason::PROGRESSING, message.clone())),
            None,
            ("False", reason::PROGRESSING, message.clone()),
            ("Unknown", reason::PROGRESSING, "the namespaces come first".to_string()),
        ),
        ReconcileOutcome::Planned(Progress::Part {
            capability,
            state,
            unseen,
        }) => {
            let problem = state.problem().map(|note| note.message.as_str()).unwrap_or_default();
            let message = format!("{}: {problem}", capability.name);
            let said = (capability.not_ready, message.clone());
            (
                ready("False", capability.not_ready, &message),
                (!state.is_stalled()).then(|| said.clone()),
                state.is_stalled().then_some(said),
                ("True", reason::READY, "bounds and access are in place".to_string()),
                match (unseen, workloads) {
                    (_, 0) | (None, _) => available(),
                    (Some(note), _) => ("Unknown", note.reason, note.message.clone()),
                },
            )
        }
        ReconcileOutcome::Planned(Progress::Workloads(unavailable)) => {
            let message = format!("workload {}: {}", unavailable.workload, unavailable.message);
            (
                ready("False", reason::WORKLOADS_UNAVAILABLE, &message),
                (!unavailable.stuck).then(|| (reason::PROGRESSING, message.clone())),
                unavailable
                    .stuck
                    .then(|| (reason::WORKLOADS_UNAVAILABLE, message.clone())),
                ("True", reason::READY, "bounds and access are in place".to_string()),
                ("False", reason::WORKLOADS_UNAVAILABLE, message),
            )
        }
        ReconcileOutcome::Stalled { reason, message } => (
            ready("False", reason, message),
            None,
            Some((*reason, message.clone())),
            ("Unknown", *reason, "what was there before is left as it is".to_string()),
            ("Unknown", *reason, "what was there before is left as it is".to_string()),
        ),
        ReconcileOutcome::Waiting { reason, message } => (
            ready("False", reason, message),
            Some((*reason, message.clone())),
            None,
            ("Unknown", *reason, message.clone()),
            ("Unknown", *reason, message.clone()),
        ),
    };
    let flag = |kind, said: Option<(&'static str, String)>, otherwise: &str| match said {
        Some((reason, message)) => ConditionUpdate {
            kind,
            status: "True",
            reason,
            message,
        },
        None => say(kind, "False", reason::IDLE, otherwise),
    };
    let (status, reason, message) = match (namespaces, valid) {
        (("True", ..), Some(valid)) if !valid.captures.is_empty() => {
            ("True", reason::CAPTURES_NAMES, valid.captures.join("; "))
        }
        (said, _) => said,
    };
    let namespaces = ConditionUpdate {
        kind: kind::NAMESPACES_READY,
        status,
        reason,
        message,
    };
    let (status, reason, message) = running;
    let running = ConditionUpdate {
        kind: kind::WORKLOADS_AVAILABLE,
        status,
        reason,
        message,
    };
    vec![
        first,
        flag(kind::RECONCILING, moving, "nothing is under way"),
        flag(kind::STALLED, stalled, "nothing is in the way"),
        namespaces,
        running,
    ]
}

/// The condition of a capability that the pass did not come to.
fn unseen(verdict: &ReconcileOutcome, capability: &Capability) -> ConditionUpdate {
    let (reason, message) = match verdict {
        ReconcileOutcome::Planned(_) => (reason::PROGRESSING, capability.awaits.into()),
        ReconcileOutcome::Stalled { reason, .. } => (*reason, "what was there before is left as it is".into()),
        ReconcileOutcome::Waiting { reason, message } => (*reason, message.clone()),
    };
    ConditionUpdate {
        kind: capability.condition,
        status: "Unknown",
        reason,
        message,
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
