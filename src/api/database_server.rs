//! `DatabaseServer`: one PostgreSQL server that tenants can be placed on.

#![allow(clippy::duplicated_attributes, reason = "each printer column has a type")]
#![allow(
    dead_code,
    reason = "the schema is derived from a copy of the type, of which nobody reads what is skipped"
)]

use super::{SecretReference, Unread, schema};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A PostgreSQL server: its address, its capacity, and its shared tables.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "tenant-operator.io",
    version = "v1alpha1",
    kind = "DatabaseServer",
    plural = "databaseservers",
    shortname = "dbs",
    category = "tenancy",
    status = "DatabaseServerStatus",
    derive = "PartialEq",
    doc = "One PostgreSQL server for tenants; a shard.",
    printcolumn(name = "Host", type_ = "string", json_path = ".spec.host"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "True if it accepts new tenants"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(
        name = "Hardened",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Hardened')].status",
        description = "True if no role has more privileges than a tenant needs"
    ),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.serverVersion"),
    printcolumn(name = "TLS", type_ = "string", json_path = ".status.tls"),
    printcolumn(name = "Tenants", type_ = "integer", json_path = ".status.tenants"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseServerSpec {
    /// The server's name or address. Tenants' pods use it too.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9._:]*[A-Za-z0-9.:])?$")
    )]
    #[x_kube(validation = Rule::new("!self.contains(':') || isIP(self)").message("must be a name or an address: set the port in spec.port"))]
    pub host: String,
    /// Port of the server. Absent means 5432.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// TLS of the connection. Absent means VerifyFull with the system's certificate authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<DatabaseTls>,
    /// The Secret in the operator's namespace with `username` and `password` of a role with CREATEROLE and CREATEDB, or a
    /// superuser.
    pub admin_secret_ref: SecretReference,
    /// The database of tenants of the Schema model, and of the operator's own records. The operator creates it if it is missing.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("!(self in ['postgres', 'template0', 'template1'])").message("must be a database of its own, not postgres, template0 or template1, which all roles share"),
        validation = Rule::new("self == oldSelf").message("is immutable: it contains the operator's records"),
        validation = Rule::new("size(bytes(self)) <= 63").message("must be at most 63 bytes long, as every name in PostgreSQL"))]
    pub database: String,
    /// Capacity of the server. Absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<DatabaseCapacity>,
    /// Extensions that tenants may request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub extensions: Vec<String>,
    /// Addresses of the server for tenants' pods, in CIDR notation. Absent: the host if it is an address, or the
    /// namespace of a Service with the name `<service>.<namespace>.svc`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(a, isCIDR(a))").message("must be CIDRs such as 203.0.113.0/24"))]
    pub addresses: Vec<String>,
    /// Maximum number of the operator's own connections. Absent means 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3, max = 64))]
    pub operator_connections: Option<i32>,
    /// The platform's own tables that tenants of the SharedTable model share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub shared_tables: Vec<SharedTables>,
    /// Unreadable parts of the object, which are absent here. Not a field of the resource.
    #[serde(skip)]
    pub unread: Vec<Unread>,
}

/// TLS of the connection.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.mode) || self.mode != 'VerifyCA' || has(self.caSecretRef)").message("VerifyCA needs a caSecretRef: public authorities issue certificates to anyone"),
    validation = Rule::new("!has(self.minVersion) || !has(self.mode) || self.mode != 'Disable'").message("minVersion needs TLS: remove it, or set another mode than Disable"))]
pub struct DatabaseTls {
    /// Verification of the certificate. Absent means VerifyFull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<TlsMode>,
    /// The Secret in the operator's namespace with the certificate authority in `ca.crt`. Absent: the system's
    /// certificate authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretReference>,
    /// The oldest version of TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_version: Option<DatabaseTlsVersion>,
}

/// The oldest version of TLS for the operator, and for tenants' clients with libpq (`ssl_min_protocol_version`). Absent means TLSv1.2 for the operator, and
/// each client's default.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseTlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "TLSv1.2")]
    V1_2,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "TLSv1.3")]
    V1_3,
}

impl DatabaseTlsVersion {
    /// Returns libpq's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_2 => "TLSv1.2",
            Self::V1_3 => "TLSv1.3",
        }
    }
}

/// Verification of the server's certificate; libpq's `sslmode`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// No TLS at all.
    Disable,
    /// Encrypted, without verification of the server.
    Require,
    /// Verifies that the authority signed the certificate.
    VerifyCA,
    /// Also verifies the host name.
    #[default]
    VerifyFull,
}

impl TlsMode {
    /// Returns true if this mode refuses foreign certificates.
    pub fn is_verified(self) -> bool {
        matches!(self, Self::VerifyCA | Self::VerifyFull)
    }

    /// Returns libpq's name of it.
    pub fn sslmode(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Require => "require",
            Self::VerifyCA => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Capacity of a server.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseCapacity {
    /// Maximum number of tenants. Absent means any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_tenants: Option<i32>,
    /// Storage, such as `1Ti`, at which it accepts no new tenants. Absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub max_storage: Option<Quantity>,
}

/// Tables of the platform with a tenant column.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.subtenantColumn) || !has(self.type) || self.type != 'Integer'").message("subtenantColumn needs ids: the type Uuid or Text"),
    validation = Rule::new("!has(self.subtenantColumn) || self.subtenantColumn != (has(self.column) ? self.column : 'tenant_id')").message("subtenantColumn must be another column than column"),
)]
pub struct SharedTables {
    /// Database of the tables.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("!(self in ['postgres', 'template0', 'template1'])").message("must be the platform's database, not postgres, template0 or template1, which are closed to tenants"),
        validation = Rule::new("size(bytes(self)) <= 63").message("must be at most 63 bytes long, as every name in PostgreSQL"))]
    pub database: String,
    /// Schema of the tables.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("!self.startsWith('pg_') && self != 'information_schema'").message("must not be a schema of PostgreSQL"),
        validation = Rule::new("size(bytes(self)) <= 63").message("must be at most 63 bytes long, as every name in PostgreSQL"))]
    pub schema: String,
    /// The tables, by name, or with `*` for any characters: `*` is every table of the schema, including later ones.
    #[schemars(length(min = 1, max = 256), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(t, size(bytes(t)) <= 63)").message("must be at most 63 bytes long each, as every name in PostgreSQL"))]
    pub tables: Vec<String>,
    /// The column with the tenant of a row. Absent means `tenant_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("size(bytes(self)) <= 63").message("must be at most 63 bytes long, as every name in PostgreSQL"))]
    pub column: Option<String>,
    /// That column's type. Absent means Uuid.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<TenantColumnType>,
    /// The column with the subtenant of a row, of the same type. The tenant column then has the topmost tenant of the family, which sees all its family's
    /// rows; a subtenant sees those of itself and of the tenants below it. Absent: each tenant sees its own rows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("size(bytes(self)) <= 63").message("must be at most 63 bytes long, as every name in PostgreSQL"))]
    pub subtenant_column: Option<String>,
    /// Roles of the platform's application, which serves all tenants and sets `app.current_tenant_id` in each transaction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(r, size(bytes(r)) <= 63 && !r.startsWith('pg_') && r != 'public' && r != 'none')").message("must be roles: not public, none, or PostgreSQL's own, and at most 63 bytes long"))]
    pub application_roles: Vec<String>,
    /// The role that changes the tables' structure and sees every row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("size(bytes(self)) <= 63 && !self.startsWith('pg_') && self != 'public' && self != 'none'").message("must be a role: not public, none, or PostgreSQL's own, and at most 63 bytes long"))]
    pub migration_role: Option<String>,
}

/// The type of a tenant column, and its content.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TenantColumnType {
    /// The tenant's id.
    #[default]
    Uuid,
    /// The tenant's id, as text.
    Text,
    /// The tenant's number in the registry table.
    Integer,
}

/// Observed state of a server.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseServerStatus {
    /// The generation of the spec that the conditions describe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: it accepts new tenants. Reachable: it answers. Hardened: no role has more privileges than a tenant needs.
    /// LeastPrivilege: the operator's role has no excess privileges. ConnectionsReserved: tenants cannot use up the
    /// connections that the operator needs. SharedTablesProtected: row-level security protects every shared table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The id of the operator's records on it, which distinguishes it from another server with the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// The server's version, such as `16.10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// The protocol of the operator's connection, such as `TLSv1.3`; `none` without encryption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Number of its tenants, including retained ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<i32>,
    /// Bytes of all databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Time of the last check (RFC 3339), at most five minutes old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_checked_at: Option<String>,
}
