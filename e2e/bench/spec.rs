//! The tenants that are measured.

use crate::timing::patience;
use crate::{application, database};
use anyhow::Result;
use serde_json::{Value, json};
use std::time::Duration;
use tenant_operator::api::{Tenant, TenantTier};

/// The label of the bench's Tenants.
pub const LABEL: &str = "bench.tenant-operator.io/run";
pub const TIER: &str = "bench";
/// The two runs' names begin so.
pub const FLOOR: &str = "floor";
pub const FLEET: &str = "fleet";

/// The one that tenants are made with, and another.
pub const DESTINATIONS: [&str; 2] = ["203.0.113.0/24", "198.51.100.0/24"];

/// Requests that the tier allows in a minute, and a lower number.
pub const LIMITS: [u32; 2] = [1000, 900];
/// The one API key of a tenant with a route.
pub const API_KEY: &str = "ci";

/// Every how many tenants one has a second namespace.
const STAGING_EVERY: usize = 4;

/// The kind of tenants in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A small, ordinary customer with a workload.
    Workload,
    /// The same, with a schema on a PostgreSQL server.
    Database,
    /// A customer of a shared application, with a host of its own, an API key and a limit, and no workload.
    Routes,
}

impl Profile {
    /// Returns the time in which so many must be Ready. A gateway computes everything anew on any change.
    pub fn patience(self, tenants: usize) -> Duration {
        match self {
            Self::Routes => patience(tenants * 3),
            Self::Workload | Self::Database => patience(tenants),
        }
    }
}

/// The plan of all of them. Their pods go to the nodes that KWOK plays.
pub fn tier(profile: Profile) -> Result<TenantTier> {
    let database = (profile == Profile::Database).then(|| {
        json!({
            "model": "Schema",
            "serverSelector": {"matchLabels": {LABEL: database::NAME}},
            "connectionLimit": 10,
            "statementTimeout": "30s",
            "maxStorage": "1Gi",
            "onStorageLimit": "ReadOnly",
        })
    });
    let gateway = (profile == Profile::Routes).then(|| {
        json!({
            "applications": [{"name": "web", "namespace": application::NAMESPACE, "service": application::NAME, "port": 80}],
            "rateLimits": [{"requests": LIMITS[0], "unit": "Minute"}],
        })
    });
    Ok(serde_json::from_value(json!({
        "apiVersion": "tenant-operator.io/v1alpha1",
        "kind": "TenantTier",
        "metadata": {"name": TIER},
        "spec": {
            "displayName": "Bench",
            "isolation": {"default": match profile {
                Profile::Routes => "SharedData",
                _ => "DedicatedApplication",
            }},
            "quota": {
                "requests.cpu": "4", "requests.memory": "8Gi", "limits.cpu": "8", "limits.memory": "16Gi",
                "pods": "50", "persistentvolumeclaims": "10", "requests.storage": "100Gi",
            },
            "containerDefaults": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}},
            "maxNamespaces": 3,
            "scheduling": {
                "nodeSelector": {"type": "kwok"},
                "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Equal", "value": "fake", "effect": "NoSchedule"}],
            },
            "network": {"egress": {"internet": "Deny"}},
            "database": database,
            "gateway": gateway,
        },
    }))?)
}

/// The name of the tenant of a run.
pub fn name(run: &str, index: usize) -> String {
    format!("{run}-{index:04}")
}

/// The group of a tenant's Admins.
pub fn admins(tenant: &str) -> String {
    format!("{tenant}-admins")
}

/// Returns the destinations of a tenant's pods outside of the cluster.
pub fn egress(cidr: &str) -> Value {
    json!({"to": [{"cidr": cidr, "ports": [{"port": 443, "protocol": "TCP"}]}]})
}

/// The host of a tenant with a route.
pub fn host(tenant: &str) -> String {
    format!("{tenant}.bench.example.com")
}

/// The limit of a tenant with a route.
pub fn limit(requests: u32) -> Value {
    json!([{"requests": requests, "unit": "Minute"}])
}

/// One tenant of a run, with two roles that have owners.
pub fn tenant(profile: Profile, run: &str, index: usize) -> Result<Tenant> {
    let name = name(run, index);
    let mut spec = match profile {
        Profile::Routes => routed(&name),
        Profile::Workload | Profile::Database => running(index),
    };
    spec["displayName"] = json!(format!("Customer {index}"));
    spec["tier"] = json!(TIER);
    spec["owners"] = json!([
        {"kind": "Group", "name": admins(&name), "role": "Admin"},
        {"kind": "Group", "name": format!("{name}-support"), "role": "Viewer"},
    ]);
    spec["deletionPolicy"] = json!("Delete");
    Ok(serde_json::from_value(json!({
        "apiVersion": "tenant-operator.io/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": name, "labels": {LABEL: run}},
        "spec": spec,
    }))?)
}

/// A way in to the shared application.
fn routed(name: &str) -> Value {
    json!({"gateway": {
        "hosts": [host(name)],
        "routes": [{"backend": {"application": "web"}}],
        "authentication": {"apiKeys": [{"name": API_KEY}]},
    }})
}

/// A web service with its configuration, here and there a second namespace.
fn running(index: usize) -> Value {
    let namespaces = match index % STAGING_EVERY {
        0 => json!([{"name": "staging", "quota": {"requests.cpu": "1", "requests.memory": "2Gi", "pods": "10"}}]),
        _ => json!([]),
    };
    json!({
        "namespaces": namespaces,
        "network": {
            "ingress": {"gateway": "Allow"},
            "egress": egress(DESTINATIONS[0]),
        },
        "workloads": [{
            "name": "api",
            "image": "executive-service:1.0.0",
            "replicas": 1,
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": "LOG_LEVEL", "value": "info"}],
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
        }],
        "configuration": {"branding": {"primaryColor": "#0a5"}, "features": {"callRecording": index.is_multiple_of(2)}},
    })
}
