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
    /// The login of the application on the tier's DatabaseServers. The platform creates it; the operator lets it become one tenant's role for a
    /// transaction (`SET LOCAL ROLE`), in tenants with isolation SharedApplication. Absent: the application reaches no tenant's database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("size(bytes(self)) <= 63 && !self.startsWith('pg_') && self != 'public' && self != 'none'").message("must be a role: not public, none, or PostgreSQL's own, and at most 63 bytes long"))]
    pub database_role: Option<String>,
}
