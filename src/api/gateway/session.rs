//! Sessions that stay at one pod.

use crate::api::schema;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mark by which the gateway knows the requests of one session.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type == 'Cookie' || has(self.sessionName)").message("a session by header needs sessionName: the name of the header"),
    validation = Rule::new("self.type == 'Cookie' || !has(self.absoluteTimeout)").message("absoluteTimeout belongs to a cookie"),
)]
pub struct SessionPersistence {
    /// Kind of the mark.
    #[serde(rename = "type")]
    pub type_: SessionPersistenceType,
    /// Name of the cookie or header. Absent means the cookie `tenant-session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[-A-Za-z0-9_]+$"))]
    pub session_name: Option<String>,
    /// Lifetime of the cookie, as a duration such as `8h`. Absent: until the client ends its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub absolute_timeout: Option<String>,
}

/// Kind of a session's mark.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionPersistenceType {
    /// A cookie, which the gateway creates where a request has none. Not every gateway creates it.
    #[default]
    Cookie,
    /// A header that the client sends.
    Header,
}
