//! Events on TenantNamespaces, in the tenant's first namespace.

use crate::api::{TenantNamespace, TenantNamespaceStatus};
use crate::conditions::{kind, reason};
use crate::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};

/// An Event's note may have 1,024 bytes.
const MAX_NOTE: usize = 1000;

/// Publishes events on TenantNamespaces.
pub struct Events {
    client: Client,
    reporter: Reporter,
}

impl Events {
    pub fn new(client: Client, instance: &str) -> Self {
        let reporter = Reporter {
            controller: names::MANAGER.into(),
            instance: Some(instance.into()),
        };
        Self { client, reporter }
    }

    /// Tells that a TenantNamespace became ready, or that somebody must act. A failure to tell is no failure of the tenant.
    pub async fn readiness(&self, object: &TenantNamespace, status: &TenantNamespaceStatus) {
        let Some(event) = event(object, status) else { return };
        // Each tells something new: a recorder that lives on would only remember it.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        if let Err(error) = recorder.publish(&event, &object.object_ref(&())).await {
            tracing::warn!(%error, "an event could not be published");
        }
    }
}

/// The event for a new status, if it says something new. Pure.
fn event(object: &TenantNamespace, status: &TenantNamespaceStatus) -> Option<Event> {
    let find = |conditions: &[Condition], kind: &str| conditions.iter().find(|one| one.type_ == kind).cloned();
    let before = object
        .status
        .as_ref()
        .and_then(|status| find(&status.conditions, kind::READY));
    let ready = find(&status.conditions, kind::READY)?;
    let is_stalled = find(&status.conditions, kind::STALLED).is_some_and(|stalled| stalled.status == "True");
    let is_news = before.is_none_or(|before| (&before.status, &before.reason) != (&ready.status, &ready.reason));
    let is_ready = ready.reason == reason::READY;
    if !is_news || !(is_ready || is_stalled) {
        return None;
    }
    let mut note = ready.message;
    note.truncate(note.floor_char_boundary(MAX_NOTE));
    Some(Event {
        type_: if is_ready {
            EventType::Normal
        } else {
            EventType::Warning
        },
        reason: ready.reason,
        note: Some(note),
        action: "Reconcile".into(),
        secondary: None,
    })
}

#[cfg(test)]
#[path = "events_test.rs"]
mod tests;
