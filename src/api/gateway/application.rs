//! Applications that tenants share.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An application of the platform that the tier's tenants share. The gateway's headers identify the tenant of each request.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.namespace.startsWith('kube-')").message("must not be a namespace that Kubernetes reserves"))]
pub struct Application {
    /// Name of the application in routes.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its namespace: one of the chart's `gateway.applicationNamespaces`, which cannot be a tenant's.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Its Service in that namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub service: String,
    /// A TCP port of that Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}
