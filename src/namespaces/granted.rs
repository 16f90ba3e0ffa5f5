//! The condition of the quota's grants: the namespaces that wait for a part of the quota, and those that hold it.

use super::grants::{Holder, Shortfall, Waiting, Withheld};
use crate::api::{QuotaStatus, TenantStatus};
use crate::capability::{Capability, Description, Note, Pass, Planned, Report, Stage, State, ValidTenant, WriteStatus};
use crate::cluster::Error;
use crate::conditions::{kind, reason};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

const DESCRIPTION: Description = Description {
    name: "",
    condition: kind::QUOTA_GRANTED,
    stage: Stage::Access,
    rank: 1,
    not_ready: reason::QUOTA_NOT_GRANTED,
    ready: "every namespace has its share of the quota",
    suspended: None,
    quarantined: None,
    awaits: "waiting for the namespaces",
    gate: None,
};
/// The time in which pods that end release their quota.
const GRACE: Duration = Duration::from_secs(5);
/// The most keys that a message names.
const NAMED: usize = 4;

/// The shortfalls of a tenant's quota, as the namespaces' pass left them.
#[derive(Clone, Debug, Default)]
pub struct Shortfalls {
    pub all: Vec<Shortfall>,
    /// The keys of which the subtenants leave namespaces nothing, and these namespaces.
    pub squeezed: Vec<(String, Vec<String>)>,
    /// The quota by key, of a tenant with a book.
    pub quota: Vec<QuotaStatus>,
}

/// Grants of the quota. The namespaces' capability writes them.
pub struct QuotaGrants;

#[async_trait]
impl Capability for QuotaGrants {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    async fn apply(&self, _: &Pass<'_>, tenant: &mut ValidTenant, _: Vec<Planned>) -> Result<Option<Report>, Error> {
        let shortfalls = tenant.part::<Shortfalls>();
        Ok(shortfalls.map(|shortfalls| Report {
            grace: Some(GRACE),
            status: Some(write(shortfalls.quota.clone())),
            ..Report::new(&DESCRIPTION, state(shortfalls))
        }))
    }

    fn concerns(&self, _: Option<&ValidTenant>, _: &TenantStatus, _: bool) -> bool {
        true
    }
}

fn write(quota: Vec<QuotaStatus>) -> WriteStatus {
    Arc::new(move |to: &mut TenantStatus| to.quota.clone_from(&quota))
}

/// The state of the grants. Pure.
fn state(shortfalls: &Shortfalls) -> State {
    let Shortfalls {
        all: shortfalls,
        squeezed,
        ..
    } = shortfalls;
    let waits: Vec<&Shortfall> = shortfalls.iter().filter(|one| !one.waiting.is_empty()).collect();
    let all: Vec<&Shortfall> = shortfalls.iter().collect();
    match (all.is_empty(), waits.is_empty()) {
        (true, _) if squeezed.is_empty() => State::default(),
        (true, _) => State::Ready(Some(Note::new(reason::LENT_TO_SUBTENANTS, lent(squeezed)))),
        // Each namespace has its share, and some use more of it than they should: nothing more is admitted there.
        (false, true) => State::Ready(Some(Note::new(reason::USED_ABOVE_QUOTA, message(&all)))),
        (false, false) => {
            let note = Note::new(reason::WAITING_FOR_RELEASE, message(&waits));
            let uses = |holder: &Holder| matches!(holder, Holder::Uses { .. });
            match waits.iter().any(|one| one.holders.iter().any(uses)) {
                true => State::Stalled(note),
                false => State::Progressing(note),
            }
        }
    }
}

fn message(shortfalls: &[&Shortfall]) -> String {
    let mut parts: Vec<String> = shortfalls.iter().take(NAMED).map(|one| clause(one)).collect();
    if shortfalls.len() > NAMED {
        parts.push(format!("and {} more keys", shortfalls.len() - NAMED));
    }
    let uses = |one: &&&Shortfall| one.holders.iter().any(|holder| matches!(holder, Holder::Uses { .. }));
    let used: Vec<&str> = shortfalls.iter().filter(uses).map(|one| one.key.as_str()).collect();
    let (ends, stays): (Vec<&str>, Vec<&str>) = used.into_iter().partition(|key| ends_with_pods(key));
    if !ends.is_empty() {
        parts.push("pods give back what they use when they end: scale down, or raise the quota".into());
    }
    if !stays.is_empty() {
        let keys = stays.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        parts.push(format!(
            "objects keep their {keys} until they are deleted: delete some, or raise the quota"
        ));
    }
    parts.join("; ")
}

fn lent(squeezed: &[(String, Vec<String>)]) -> String {
    let one = |(key, namespaces): &(String, Vec<String>)| {
        let named = namespaces[..namespaces.len().min(NAMED)].join(", ");
        format!("of {key} to {named}")
    };
    let mut parts: Vec<String> = squeezed.iter().take(NAMED).map(one).collect();
    if squeezed.len() > NAMED {
        parts.push(format!("of {} more keys", squeezed.len() - NAMED));
    }
    format!(
        "the subtenants' quotas leave nothing {}: lower these, or raise the tenant's quota",
        parts.join(", ")
    )
}

fn clause(shortfall: &Shortfall) -> String {
    let mut clauses: Vec<String> = shortfall.holders.iter().map(holds).collect();
    clauses.extend(shortfall.withheld.as_ref().map(withheld));
    if clauses.is_empty() {
        clauses.push("the quota controller has not counted the use of all namespaces yet".into());
    }
    clauses.extend(shortfall.waiting.iter().map(|waiting| {
        let Waiting { namespace, has, share } = waiting;
        format!("namespace {namespace} waits with {has} of {share}")
    }));
    format!("{}: {}", shortfall.key, clauses.join(", "))
}

fn withheld(part: &Withheld) -> String {
    let Withheld {
        parent,
        granted,
        asked,
        holders,
    } = part;
    let holders: Vec<String> = holders
        .iter()
        .map(|(holder, amount)| format!("{holder} holds {amount}"))
        .collect();
    match holders.is_empty() {
        true => format!("tenant {parent} has granted {granted} of {asked}"),
        false => format!(
            "tenant {parent} has granted {granted} of {asked} ({})",
            holders.join(", ")
        ),
    }
}

fn holds(holder: &Holder) -> String {
    match holder {
        Holder::Uses { namespace, used, share } => format!("namespace {namespace} uses {used} of its share of {share}"),
        Holder::Lowered {
            namespace,
            reserved,
            share,
        } => {
            format!("the quota controller has not lowered namespace {namespace} from {reserved} to {share} yet")
        }
        Holder::Subtenant {
            holder,
            reserved,
            asked,
        } => {
            format!("{holder} holds {reserved}, and asks for {asked}")
        }
        Holder::Leaving {
            namespace,
            reserved: Some(reserved),
        } => format!("namespace {namespace} holds {reserved} until it is gone"),
        Holder::Leaving {
            namespace,
            reserved: None,
        } => {
            format!("namespace {namespace} holds an unknown amount until it is gone")
        }
    }
}

/// Returns true for keys that pods use: they give it back when they end.
fn ends_with_pods(key: &str) -> bool {
    let key = key.trim_start_matches("count/");
    let of_pods = ["pods", "jobs.batch", "cpu", "memory", "ephemeral-storage"];
    let is_request = |prefix: &str| key.strip_prefix(prefix).is_some_and(|resource| resource != "storage");
    of_pods.contains(&key) || is_request("requests.") || is_request("limits.") || key.starts_with("hugepages-")
}

#[cfg(test)]
#[path = "granted_test.rs"]
mod tests;
