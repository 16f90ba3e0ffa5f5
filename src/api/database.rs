//! Database fields of tenants, tiers and servers.

use super::schema;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Database model of a tenant, from the weakest separation to the strongest.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseModel {
    /// The platform's own tables, with row-level security on a tenant column.
    SharedTable,
    /// A schema and roles of its own in a shared database.
    Schema,
    /// A database of its own on a shared server.
    Database,
    /// A database of its own on a server without other tenants.
    Server,
}

impl DatabaseModel {
    /// Returns its name in a Tenant's spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SharedTable => "SharedTable",
            Self::Schema => "Schema",
            Self::Database => "Database",
            Self::Server => "Server",
        }
    }

    /// Finds the model of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::SharedTable, Self::Schema, Self::Database, Self::Server]
            .into_iter()
            .find(|model| model.as_str() == name)
    }
}

impl std::fmt::Display for DatabaseModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A tenant's database. Absent fields come from the tier.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantDatabase {
    /// Database model. It cannot change once there is data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<DatabaseModel>,
    /// Maximum number of connections of each of the tenant's logins; at most the tier's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub connection_limit: Option<i32>,
    /// Extensions to install. The server must allow them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub extensions: Vec<String>,
}

/// The databases of a tier's tenants.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.model) || !has(self.allowed) || size(self.allowed) == 0 || self.model in self.allowed").message("model must be one of allowed"))]
pub struct TierDatabase {
    /// Default model, with which every tenant of the tier has a database. Absent: only tenants with
    /// `spec.database` have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<DatabaseModel>,
    /// Models that a tenant may choose. Absent or empty means all that its isolation allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub allowed: Vec<DatabaseModel>,
    /// Selects the DatabaseServers for the tenants. Absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_selector: Option<LabelSelector>,
    /// Default and upper bound of the connections of each login. Absent means 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub connection_limit: Option<i32>,
    /// Time after which PostgreSQL cancels a statement, as a duration such as `30s`. A default that a session can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new(schema::duration_rule(&["self"], "duration(self) <= duration('596h')")).message("must be at most 596h: PostgreSQL counts milliseconds in 32 bits"))]
    pub statement_timeout: Option<String>,
    /// Time for which a statement waits for a lock. A default that a session can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new(schema::duration_rule(&["self"], "duration(self) <= duration('596h')")).message("must be at most 596h: PostgreSQL counts milliseconds in 32 bits"))]
    pub lock_timeout: Option<String>,
    /// Time after which PostgreSQL ends a session that idles in a transaction. A default that a session can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new(schema::duration_rule(&["self"], "duration(self) <= duration('596h')")).message("must be at most 596h: PostgreSQL counts milliseconds in 32 bits"))]
    pub idle_in_transaction_session_timeout: Option<String>,
    /// Memory of one sort or hash, such as `16Mi`. A default that a session can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub work_mem: Option<Quantity>,
    /// Storage limit of each tenant, such as `10Gi`. Absent means no limit. Does not apply to SharedTable, whose bytes PostgreSQL does not count by tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub max_storage: Option<Quantity>,
    /// Action at `maxStorage`. Absent means Report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_storage_limit: Option<StorageLimitAction>,
}

/// Action on a tenant at its storage limit.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageLimitAction {
    /// The conditions report it.
    #[default]
    Report,
    /// The tenant can read and delete, but not write.
    ReadOnly,
}

/// Location of a tenant's data.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStatus {
    /// The DatabaseServer.
    pub server: String,
    /// Database model.
    pub model: String,
    /// The database on that server.
    pub database: String,
    /// The schema in that database; absent for the SharedTable model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The Secret with its credentials, in the tenant's first namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretReference>,
    /// Creation time of the credentials in that Secret (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub credentials_issued_at: Option<String>,
    /// Time of their next rotation (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub next_rotation_at: Option<String>,
    /// The tenant's number in `tenant_registry.tenant`, for the SharedTable model. Absent if the server's databases have different numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
}

/// A Secret, by name; the referring field defines its namespace.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

/// Usage of a tenant's database.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseUsage {
    /// Bytes on disk of its tables, indexes and large values. Absent for SharedTable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Sessions of its logins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<i64>,
}
