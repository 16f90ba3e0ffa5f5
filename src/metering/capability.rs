//! The meter of requests as a capability: it plans nothing, and adds its figures to the status of tenants that a gateway leads to.

use super::meter::Meter;
use crate::api::TenantStatus;
use crate::capability::{Capability, Description, Observation, Stage, Watching};
use crate::conditions::{kind, reason};
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

const DESCRIPTION: Description = Description {
    name: "metering",
    condition: "",
    stage: Stage::Routes,
    rank: 6,
    not_ready: reason::PROGRESSING,
    ready: "",
    suspended: None,
    quarantined: None,
    awaits: "",
    gate: None,
};

/// The requests that a gateway counts.
pub struct Metering {
    meter: Arc<Meter>,
}

impl Metering {
    pub fn new(meter: Meter) -> Self {
        Self { meter: Arc::new(meter) }
    }
}

#[async_trait]
impl Capability for Metering {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    async fn observe(&self, _: &Observation<'_>, status: &mut TenantStatus) {
        let mut conditions = status.conditions.iter();
        if !conditions.any(|condition| condition.type_ == kind::GATEWAY_READY) {
            return;
        }
        if let Some(counted) = self.meter.usage(&status.namespaces) {
            status.usage.get_or_insert_default().gateway = Some(counted);
        }
    }

    fn forget(&self, tenant: &str) {
        self.meter.forget(tenant);
    }

    fn loops(self: Arc<Self>, _: &Watching) -> Vec<BoxFuture<'static, ()>> {
        let meter = self.meter.clone();
        vec![async move { meter.run().await }.boxed()]
    }
}
