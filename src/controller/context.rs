//! The context that all reconciles share.

use super::events::Events;
use super::rate_limit::Pace;
use crate::api::Tenant;
use crate::capability::{Pass, Platform};
use crate::cluster::{Queue, Writer, backoff::Backoff};
use crate::database::Databases;
use crate::telemetry::metrics::Metrics;
use crate::tenant::Capabilities;
use crate::tenant::observe::Caches;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;
use tokio::sync::mpsc::UnboundedSender;

/// The context that all reconciles share.
pub struct Context {
    pub caches: Caches,
    pub writer: Writer,
    pub databases: Arc<Databases>,
    pub capabilities: Capabilities,
    pub platform: RwLock<Platform>,
    pub metrics: Metrics,
    pub queue: Queue,
    pub backoff: Backoff,
    pub pace: Pace,
    pub events: Arc<Events>,
    /// Takes the names of tenants that were woken and are not in the store.
    pub missing: UnboundedSender<String>,
    /// Start of each tenant's present transition. The operator delays the report of a transition.
    pub underway: Mutex<HashMap<String, Instant>>,
}

impl Context {
    /// Returns the platform's settings, as known now.
    pub fn platform(&self) -> Platform {
        self.platform.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One pass over a tenant.
    pub fn pass<'a>(&'a self, platform: &'a Platform, tenant: &Tenant) -> Pass<'a> {
        Pass {
            writer: &self.writer,
            store: &self.caches.objects,
            platform,
            capabilities: &self.capabilities,
            policy: tenant.spec.deletion_policy.unwrap_or_default(),
        }
    }

    /// The name of a tenant's deletion, which is counted apart from what went on before.
    pub fn deletion_of(tenant: &str) -> String {
        format!("{tenant}/ending")
    }

    /// Since when this tenant has been on its way.
    pub fn underway_since(&self, tenant: &str) -> Instant {
        let mut all = self.underway.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(tenant.to_string()).or_insert_with(Instant::now)
    }

    /// Requests a look-up of a tenant that was woken and is not in the store.
    pub fn is_missing(&self, tenant: &str) {
        // The receiver ends only when the program does.
        let _ = self.missing.send(tenant.to_string());
    }

    /// The tenant does not exist any more.
    pub fn forget(&self, tenant: &str) {
        self.arrived(tenant);
        self.arrived(&Self::deletion_of(tenant));
        self.backoff.forget(tenant);
        self.pace.forget(tenant);
        for capability in &self.capabilities {
            capability.forget(tenant);
        }
    }

    /// Ends this tenant's transition.
    pub fn arrived(&self, tenant: &str) {
        self.underway
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(tenant);
    }
}
