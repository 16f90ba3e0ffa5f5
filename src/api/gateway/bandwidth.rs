//! Limits of bandwidth.

use crate::api::schema;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Limits of bytes in a second, such as `125M` for a gigabit.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BandwidthLimit {
    /// Bytes of requests in a second, at least `1Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub request: Option<Quantity>,
    /// Bytes of answers in a second, at least `1Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub response: Option<Quantity>,
}
