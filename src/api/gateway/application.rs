//! What tenants share.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An application of the platform that the plan's tenants share, and are told apart in by what the gateway says of each request.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.namespace.startsWith('kube-')").message("must not be a namespace that Kubernetes reserves"))]
pub struct Application {
    /// How routes call it.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Where it is: one of the namespaces that the chart names as `gateway.applicationNamespaces`, and no tenant's.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Its Service there.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub service: String,
    /// A TCP port of that Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}
