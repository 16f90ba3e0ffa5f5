//! What tenants, tiers and servers say of databases and credentials.

use super::schema;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a tenant's data is kept apart from the others', from the weakest to the strongest.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseModel {
    /// The platform's own tables, with row-level security on a tenant column.
    SharedTable,
    /// A schema and roles of its own in a shared database.
    Schema,
    /// A database of its own on a shared server.
    Database,
    /// A database of its own on a server that has no other tenant.
    Server,
}

impl DatabaseModel {
    /// Its name in a Tenant's spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SharedTable => "SharedTable",
            Self::Schema => "Schema",
            Self::Database => "Database",
            Self::Server => "Server",
        }
    }

    /// The model of this name.
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

/// A tenant's database. What is left out is as the tier says.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantDatabase {
    /// How the data is kept apart. It cannot change once there is data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<DatabaseModel>,
    /// How many connections each of the tenant's logins may have at once; at most the tier's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub connection_limit: Option<i32>,
    /// Extensions to install, of those that the server allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub extensions: Vec<String>,
}

/// The databases of a plan's tenants.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.model) || !has(self.allowed) || size(self.allowed) == 0 || self.model in self.allowed").message("model must be one of allowed"))]
pub struct TierDatabase {
    /// The model of tenants that name none; with it every tenant of the plan has a database. Absent: only those that ask
    /// for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<DatabaseModel>,
    /// The models that a tenant may name. Absent or empty means all that its isolation allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub allowed: Vec<DatabaseModel>,
    /// Which DatabaseServers the tenants may be placed on. Absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_selector: Option<LabelSelector>,
    /// Default and upper bound of the connections of each login. Absent means 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub connection_limit: Option<i32>,
    /// After how long a statement is cancelled, as a duration such as `30s`. A default that a session can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('596h')").message("must be at most 596h: PostgreSQL counts milliseconds in 32 bits"))]
    pub statement_timeout: Option<String>,
    /// How long a statement waits for a lock. A default that a session can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('596h')").message("must be at most 596h: PostgreSQL counts milliseconds in 32 bits"))]
    pub lock_timeout: Option<String>,
    /// After how long a session that idles within a transaction is ended. A default that a session can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('596h')").message("must be at most 596h: PostgreSQL counts milliseconds in 32 bits"))]
    pub idle_in_transaction_session_timeout: Option<String>,
    /// Memory of one sort or hash, such as `16Mi`. A default that a session can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub work_mem: Option<Quantity>,
    /// How much each tenant may store, such as `10Gi`. Absent means that it is not bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub max_storage: Option<Quantity>,
    /// What happens at `maxStorage`. Absent means Report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_storage_limit: Option<StorageLimitAction>,
}

/// What happens to a tenant that stores more than it may.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageLimitAction {
    /// It is said in the conditions.
    #[default]
    Report,
    /// The tenant can read and delete, and write no more.
    ReadOnly,
}

/// Where a tenant's data is.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStatus {
    /// The DatabaseServer.
    pub server: String,
    /// How the data is kept apart.
    pub model: String,
    /// The database on that server.
    pub database: String,
    /// The schema in that database; absent for the SharedTable model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The Secret in the tenant's first namespace that opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretReference>,
    /// When the credentials in that Secret were made (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub credentials_issued_at: Option<String>,
    /// When they are renewed next (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub next_rotation_at: Option<String>,
}

/// A Secret, by name; where it is follows from who refers to it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

/// What a tenant's database uses.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseUsage {
    /// Bytes on disk of its tables, indexes and large values. For SharedTable not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Sessions of its logins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<i64>,
}
