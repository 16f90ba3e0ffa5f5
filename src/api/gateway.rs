//! How a tenant is reached from outside of the cluster.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A tenant's way in.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantGateway {
    /// Host names that are this tenant's alone, in lower case and without a dot at the end; `*.` stands for every name below. The tenant's own Ingresses and
    /// HTTPRoutes may name these and no others. What another tenant has is refused, and so is what lies below its wildcard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(
            length(min = 3, max = 253),
            regex(pattern = r"^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hosts: Vec<String>,
}
