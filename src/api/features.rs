//! Features of the platform, which it sells by tier.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The name of a feature, such as `callRecording`. A header lists these names.
const FEATURE_NAME: &str = r"^[A-Za-z]([-_.A-Za-z0-9]*[A-Za-z0-9])?$";

/// Features of the tenants of a tier. The platform chooses their names.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TierFeatures {
    /// Features that each tenant has unless it disables them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63), regex(pattern = FEATURE_NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub default: Vec<String>,
    /// Further features that a tenant can enable. Those of `default` are always allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63), regex(pattern = FEATURE_NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed: Vec<String>,
}

/// A feature that a tenant enables or disables.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantFeature {
    /// Its name, which the tier allows.
    #[schemars(length(min = 1, max = 63), regex(pattern = FEATURE_NAME))]
    pub name: String,
    /// False removes a feature that the tier gives by default.
    pub enabled: bool,
}
