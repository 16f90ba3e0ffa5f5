//! Subtenants: what a tier allows, and what a tenant asks of its own.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The most levels below a tenant without a parent.
pub const MAX_DEPTH: usize = 8;

/// Bounds of the subtenants of a tier's tenants.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TierSubtenants {
    /// Maximum number of children of one tenant.
    #[schemars(range(min = 1, max = 500))]
    pub max: i32,
    /// Maximum number of levels below a tenant without a parent. Only the tier of the topmost tenant counts. Absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8))]
    pub max_depth: Option<i32>,
    /// Tiers that children may have. Absent or empty: only this tier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253)))]
    pub tiers: Vec<String>,
}

/// Rules for a tenant's subtenants.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantSubtenants {
    /// JSON pointers (RFC 6901) into the configuration, such as `/branding/logo`. All tenants below keep the values that this tenant has there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 253), regex(pattern = r"^(/([^~/]|~[01])*)+$"))
    )]
    pub locked_configuration: Vec<String>,
}
