//! What a plan's people may be.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How a role is called, in a token or by a key.
pub const ROLE_NAME: &str = r"^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$";
/// How what a role may do is called, such as `calls:read`.
pub const PERMISSION_NAME: &str = r"^[A-Za-z0-9]([-_.:/A-Za-z0-9]*[A-Za-z0-9])?$";

/// A role, and what whoever has it may do.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// How tokens, API keys and routes call it.
    #[schemars(length(min = 1, max = 63), regex(pattern = ROLE_NAME))]
    pub name: String,
    /// What it may do, in the platform's own words, such as `calls:read`. Absent or empty means nothing that a route asks for by permission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63), regex(pattern = PERMISSION_NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub permissions: Vec<String>,
}
