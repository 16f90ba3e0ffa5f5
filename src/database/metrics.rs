//! The metrics of database servers.

use crate::telemetry::metrics::{Metrics, OPERATOR};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// The metrics of database servers. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct DatabaseMetrics {
    statements: Family<ServerLabel, Counter>,
    connections: Family<ServerLabel, Gauge>,
    up: Family<ServerLabel, Gauge>,
}

#[derive(EncodeLabelSet, Clone, Debug, PartialEq, Eq, Hash)]
struct ServerLabel {
    server: String,
}

impl DatabaseMetrics {
    /// New metrics, shown among those of the process.
    pub fn register(all: &Metrics) -> Self {
        let metrics = Self::default();
        all.register(OPERATOR, |ours| {
            ours.register(
                "database_statements",
                "SQL statements of the operator",
                metrics.statements.clone(),
            );
            ours.register(
                "database_connections",
                "Open connections of the operator",
                metrics.connections.clone(),
            );
            ours.register(
                "database_server_up",
                "1 while the operator can manage tenants' databases on this server, else 0",
                metrics.up.clone(),
            );
        });
        metrics
    }

    /// Records an inspection: the statements since the former one, the open connections, and whether the operator can work with
    /// the server.
    pub fn record_server(&self, server: &str, statements: u64, connections: usize, up: bool) {
        let label = ServerLabel { server: server.into() };
        self.statements.get_or_create(&label).inc_by(statements);
        let connections = i64::try_from(connections).unwrap_or(i64::MAX);
        self.connections.get_or_create(&label).set(connections);
        self.up.get_or_create(&label).set(i64::from(up));
    }

    /// Removes the series of a deleted server.
    pub fn forget_server(&self, server: &str) {
        let label = ServerLabel { server: server.into() };
        self.statements.remove(&label);
        self.connections.remove(&label);
        self.up.remove(&label);
    }
}
