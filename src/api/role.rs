//! Roles of a tier's users.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The name of a role, in a token or for a key.
pub const ROLE_NAME: &str = r"^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$";
/// The name of a permission, such as `calls:read`.
pub const PERMISSION_NAME: &str = r"^[A-Za-z0-9]([-_.:/A-Za-z0-9]*[A-Za-z0-9])?$";

/// A role and its permissions.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Name of the role in tokens, API keys and routes.
    #[schemars(length(min = 1, max = 63), regex(pattern = ROLE_NAME))]
    pub name: String,
    /// Permissions, whose names the platform chooses, such as `calls:read`. Absent or empty means none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63), regex(pattern = PERMISSION_NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub permissions: Vec<String>,
}
