//! The metrics of tenants' requests.

use super::Counted;
use crate::telemetry::metrics::{Metrics, TENANT};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// The metrics of tenants' requests: their number, those refused by a limit, bytes received and sent. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct RequestMetrics([Family<TenantLabel, Counter>; 4]);

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash)]
struct TenantLabel {
    tenant: String,
}

impl RequestMetrics {
    /// New metrics, shown among those of the process.
    pub fn register(all: &Metrics) -> Self {
        let metrics = Self::default();
        all.register(TENANT, |tenant| {
            let [requests, limited, received, sent] = &metrics.0;
            for (name, help, family) in [
                (
                    "gateway_requests",
                    "Requests to the tenant, including those over a limit",
                    requests,
                ),
                (
                    "gateway_limited_requests",
                    "Requests that the gateway refused because of a limit",
                    limited,
                ),
                ("gateway_received_bytes", "Bytes from clients to the tenant", received),
                ("gateway_sent_bytes", "Bytes in the tenant's answers", sent),
            ] {
                tenant.register(name, help, family.clone());
            }
        });
        metrics
    }

    /// Adds the requests that the gateway counted for a tenant since the last round.
    pub fn count(&self, tenant: &str, counted: &Counted) {
        let counts = [
            counted.requests,
            counted.limited,
            counted.received_bytes,
            counted.sent_bytes,
        ];
        for (family, count) in self.0.iter().zip(counts) {
            let label = TenantLabel { tenant: tenant.into() };
            family.get_or_create(&label).inc_by(count);
        }
    }

    /// A tenant is no more.
    pub fn forget(&self, tenant: &str) {
        for family in &self.0 {
            family.remove(&TenantLabel { tenant: tenant.into() });
        }
    }
}
