//! Catalog of one database: its shared tables and the roles with access to them.

use crate::postgres::catalog::DefaultGrant;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// Reads everything in one statement, the registry's rows included; see the files.
pub const QUERY: &str = concat!(include_str!("catalog.sql"), include_str!("rows.sql"));
/// The same where there is no registry yet, or another's.
pub const BARE: &str = concat!(include_str!("catalog.sql"), include_str!("bare.sql"));

/// A database as it was observed.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct ObservedDatabase {
    /// `server_version_num`.
    pub version: i32,
    pub read_only: bool,
    /// The operator's role.
    pub admin: String,
    /// The name of the role that the tables are granted to.
    #[serde(default)]
    pub group: String,
    pub superuser: bool,
    /// True if the operator may make schemas.
    pub can_create: bool,
    /// True if the operator may let roles connect.
    pub can_admit: bool,
    /// The group, application and migration roles.
    pub roles: BTreeMap<String, Role>,
    /// The shared ones, and the registry's.
    pub schemas: HashMap<String, Schema>,
    /// Tables of these schemas, with their partitions and children elsewhere.
    pub tables: Vec<Table>,
    /// Views over the tables, directly or through other views.
    pub views: Vec<View>,
    /// SECURITY DEFINER functions whose owners can read some of the tables.
    pub functions: Vec<Function>,
    /// Default privileges that concern tables made later.
    pub defaults: Vec<DefaultPrivilege>,
    /// Default privileges that give to the group, or that it gives to others.
    #[serde(default)]
    pub given: Vec<Given>,
    /// Privileges of the group on any object in this database.
    pub holdings: Vec<Holding>,
    /// Policies of others, on any table of the database, that name the group or a tenant's role.
    pub named: Vec<Named>,
    /// The registry's rows, by id.
    pub tenants: HashMap<String, Tenant>,
    /// Tenants' ids by role.
    pub logins: HashMap<String, String>,
    /// Sources of policies, and PostgreSQL's text of them at creation.
    pub records: Vec<Record>,
}

/// A role of interest.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub oid: i64,
    pub login: bool,
    pub inherit: bool,
    pub superuser: bool,
    pub bypass_rls: bool,
    pub create_role: bool,
    pub member_of: Vec<String>,
    /// Members of the group only, except roles with a tenant's name.
    pub members: Vec<String>,
    /// Roles of interest that it can act as, directly or through others.
    pub reaches: Vec<String>,
}

/// A privilege on something.
#[derive(Deserialize, Clone, Debug)]
pub struct Grant {
    /// None is PUBLIC.
    pub grantee: Option<String>,
    pub privilege: String,
    #[serde(default)]
    pub grantable: bool,
    /// Column of a grant on a single column.
    #[serde(default)]
    pub column: Option<String>,
}

/// A schema.
#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    pub owner: String,
    /// True if the operator has its owner's rights.
    pub ours: bool,
    pub owner_superuser: bool,
    pub grants: Vec<Grant>,
}

/// A table, or a part of one.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    pub oid: i64,
    pub schema: String,
    pub name: String,
    /// `relkind`: r, p or f.
    pub kind: String,
    pub owner: String,
    /// True if the operator has its owner's rights.
    pub ours: bool,
    pub owner_superuser: bool,
    pub enabled: bool,
    pub forced: bool,
    pub partition: bool,
    pub parents: Vec<i64>,
    /// Those of interest; of the registry all.
    pub columns: BTreeMap<String, Column>,
    pub grants: Vec<Grant>,
    pub column_grants: Vec<Grant>,
    pub policies: Vec<Policy>,
    pub indexes: Vec<Index>,
    pub references: Vec<Reference>,
    /// Sequences of its columns.
    pub sequences: Vec<Sequence>,
}

/// A column.
#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    #[serde(rename = "type")]
    pub type_: String,
    pub not_null: bool,
}

/// A policy.
#[derive(Deserialize, Clone, Debug)]
pub struct Policy {
    pub name: String,
    pub permissive: bool,
    /// `polcmd`: `*` is all.
    pub command: String,
    /// Sorted; None is PUBLIC.
    pub roles: Vec<Option<String>>,
    pub qual: Option<String>,
    pub check: Option<String>,
}

/// An index.
#[derive(Deserialize, Clone, Debug)]
pub struct Index {
    pub name: String,
    pub unique: bool,
    pub primary: bool,
    pub exclusion: bool,
    /// Valid, and of all rows.
    pub usable: bool,
    /// None is an expression.
    pub columns: Vec<Option<String>>,
}

/// A foreign key.
#[derive(Deserialize, Clone, Debug)]
pub struct Reference {
    pub name: String,
    /// The table that is referenced.
    pub target: i64,
    /// Its columns and theirs.
    pub pairs: Vec<(String, String)>,
}

/// A sequence.
#[derive(Deserialize, Clone, Debug)]
pub struct Sequence {
    pub oid: i64,
    pub schema: String,
    pub name: String,
    /// To the group.
    pub grants: Vec<String>,
}

/// A view.
#[derive(Deserialize, Clone, Debug)]
pub struct View {
    pub schema: String,
    pub name: String,
    /// `relkind`: v or m.
    pub kind: String,
    pub owner: String,
    /// The tables it shows.
    pub bases: Vec<i64>,
    /// True if it runs with its user's rights.
    pub invoker: bool,
    /// Roles of interest that can use it.
    pub users: Vec<String>,
}

/// A function that has its owner's rights.
#[derive(Deserialize, Clone, Debug)]
pub struct Function {
    pub schema: String,
    pub name: String,
    pub arguments: String,
    pub owner: String,
    pub users: Vec<String>,
}

/// A default privilege.
#[derive(Deserialize, Clone, Debug)]
pub struct DefaultPrivilege {
    /// Owner of the tables.
    pub role: String,
    /// None: in every schema.
    pub schema: Option<String>,
    pub grantee: Option<String>,
    pub privilege: String,
}

/// A role's default privileges.
#[derive(Deserialize, Clone, Debug)]
pub struct Given {
    pub role: String,
    /// True if the operator can act as the role.
    pub ours: bool,
    #[serde(flatten)]
    pub default: DefaultGrant,
}

/// Something that is granted to the group.
#[derive(Deserialize, Clone, Debug)]
pub struct Holding {
    pub oid: i64,
    /// The catalog it is in.
    pub class: String,
    pub kind: String,
    pub identity: String,
    pub schema: Option<String>,
    pub name: Option<String>,
}

/// A policy that the members of a role it names can drop.
#[derive(Deserialize, Clone, Debug)]
pub struct Named {
    /// The table's.
    pub oid: i64,
    pub schema: String,
    pub table: String,
    pub policy: String,
    pub permissive: bool,
    /// The group, or else one of the tenants' roles.
    pub role: String,
}

/// A row of `tenant_registry.tenant`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub name: String,
    pub parent: Option<String>,
    #[serde(default)]
    pub root: Option<String>,
    /// Itself and the tenants below it, where it is a subtenant.
    #[serde(default)]
    pub members: Vec<String>,
    pub tier: Option<String>,
    pub number: Option<i64>,
    #[serde(flatten)]
    pub details: Details,
}

/// The columns of a tenant that only applications need.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    pub display_name: Option<String>,
    pub domain: Option<String>,
    /// The digest that was written with the settings.
    pub settings_digest: Option<String>,
    /// RFC 3339, in UTC, in seconds.
    pub created_at: Option<String>,
}

/// Record of a policy.
#[derive(Deserialize, Clone, Debug)]
pub struct Record {
    pub relation: i64,
    pub name: String,
    pub source: String,
    pub qual: Option<String>,
    pub check: Option<String>,
    /// The table is no more.
    pub gone: bool,
}

impl ObservedDatabase {
    /// The role of this name, if there is one.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// The table of this OID.
    pub fn table(&self, oid: i64) -> Option<&Table> {
        self.tables.iter().find(|table| table.oid == oid)
    }
}

impl Table {
    /// For people.
    pub fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Returns the direct grants of a role, or of PUBLIC.
    pub fn granted<'a>(&'a self, grantee: Option<&'a str>) -> impl Iterator<Item = &'a Grant> {
        self.grants
            .iter()
            .filter(move |grant| grant.grantee.as_deref() == grantee)
    }
}
