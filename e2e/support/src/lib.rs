//! A real cluster as the tests see it: requests, tenants, waiting, databases, gateways.

pub mod audit;
pub mod certificate;
pub mod cluster;
pub mod database;
pub mod discovery;
pub mod example;
pub mod gateway;
pub mod issuer;
pub mod kubectl;
pub mod operator;
pub mod outside;
pub mod pods;
pub mod probe;
pub mod quantity;
pub mod rights;
pub mod scene;
pub mod sweep;
pub mod tenant;
pub mod wait;

pub use cluster::{Cluster, admin, forbidden, path, refused, text};
pub use scene::Scene;
pub use tenant::{TestTenant, condition, summary};
pub use wait::{eventually, meanwhile, secs, steadily};

/// The checkout, whose scripts and chart the tests use.
pub const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The image of the samples: an HTTP server on port 8080 which can also probe other addresses (`/agnhost connect`).
pub const SERVER_IMAGE: &str = "executive-service:1.0.0";
/// An image with a shell.
pub const SHELL_IMAGE: &str = "e2e.example.com/busybox:e2e";

/// A workload of one small server, with a Service.
pub fn server_workload(name: &str) -> serde_json::Value {
    serde_json::json!({"name": name, "image": SERVER_IMAGE, "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080}], "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}}})
}

/// A workload in which commands can be run.
pub fn shell_workload(name: &str) -> serde_json::Value {
    serde_json::json!({"name": name, "image": SHELL_IMAGE, "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}}})
}
