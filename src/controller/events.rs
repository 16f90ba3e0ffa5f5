//! Events that a person can act on: one when a tenant's readiness changes, not one per pass.

use crate::api::{Tenant, TenantTier};
use crate::names;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use std::sync::{Mutex, PoisonError};

/// An Event's note may have 1,024 bytes.
const MAX_NOTE: usize = 1000;

/// Number of events after which the recorder begins anew: it remembers each for six minutes, to count repetitions.
const REMEMBERED: usize = 256;

/// Publishes events.
pub struct Events {
    client: Client,
    reporter: Reporter,
    /// The present recorder, and the number of its events.
    recorder: Mutex<(Recorder, usize)>,
}

impl Events {
    pub fn new(client: Client, instance: &str) -> Self {
        let reporter = Reporter {
            controller: names::MANAGER.into(),
            instance: Some(instance.into()),
        };
        Self {
            recorder: Mutex::new((Recorder::new(client.clone(), reporter.clone()), 0)),
            client,
            reporter,
        }
    }

    fn recorder(&self) -> Recorder {
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        if recorder.1 >= REMEMBERED {
            *recorder = (Recorder::new(self.client.clone(), self.reporter.clone()), 0);
        }
        recorder.1 += 1;
        recorder.0.clone()
    }

    /// Tells that a deleted tenant's data was given up. A failure to tell is no failure of the tenant.
    pub async fn abandoned(&self, tenant: &Tenant, server: &str) {
        let event = Event {
            type_: EventType::Warning,
            reason: "DatabaseAbandoned".into(),
            note: Some(format!(
                "abandoned as requested: the tenant's roles, logins and data remain on DatabaseServer {server}"
            )),
            action: "Abandon".into(),
            secondary: None,
        };
        if let Err(error) = self.recorder().publish(&event, &tenant.object_ref(&())).await {
            tracing::warn!(%error, "an event could not be published");
        }
    }

    /// Publishes that a change of a tier takes something from its tenants.
    pub async fn reduced(&self, tier: &TenantTier, note: String) {
        self.publish(&tier.object_ref(&()), note, "TierReduced", "Change", true)
            .await;
    }

    /// Tells that a tenant's readiness changed. A failure to tell is no failure of the tenant.
    pub async fn readiness(&self, tenant: &Tenant, ready: &Condition, warning: bool) {
        self.tell(tenant, ready, &ready.reason, "Reconcile", warning).await;
    }

    /// Publishes an event: a tenant is no longer isolated, or is isolated again.
    pub async fn isolation(&self, tenant: &Tenant, isolated: &Condition) {
        let is_violated = isolated.status == "False";
        let reason = if is_violated {
            "IsolationViolated"
        } else {
            "IsolationProven"
        };
        self.tell(tenant, isolated, reason, "Prove", is_violated).await;
    }

    /// Publishes that somebody dropped the place of a tenant's data, and that the operator made an empty one.
    pub async fn data_lost(&self, tenant: &Tenant, lost: &Condition) {
        self.tell(tenant, lost, &lost.reason, "Recreate", true).await;
    }

    async fn tell(&self, tenant: &Tenant, condition: &Condition, reason: &str, action: &str, warning: bool) {
        let note = condition.message.clone();
        self.publish(&tenant.object_ref(&()), note, reason, action, warning)
            .await;
    }

    async fn publish(&self, about: &ObjectReference, mut note: String, reason: &str, action: &str, warning: bool) {
        let words = names::digest(note.as_bytes());
        note.truncate(note.floor_char_boundary(MAX_NOTE));
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.into(),
            note: Some(note),
            // Events of one action are counted together under the first one's words; other words are another action.
            action: format!("{action}-{words:.8}"),
            secondary: None,
        };
        if let Err(error) = self.recorder().publish(&event, about).await {
            tracing::warn!(%error, "an event could not be published");
        }
    }
}
