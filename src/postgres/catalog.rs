//! Catalog of a server: roles, schemas, databases, and the operator's marks on them.

use super::Names;
use super::text::Text;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads everything in one statement; see the file.
pub const QUERY: &str = include_str!("catalog.sql");

/// Roles by name.
pub type Roles = BTreeMap<Text, Arc<Role>>;
/// Kind and name of what a mark is on.
pub type MarkKey = (Text, Text);

/// A server as it was observed.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// `server_version_num`, such as 160010.
    pub version: i32,
    /// Drawn when the operator's records were made: another server, or one whose records are gone, has another.
    #[serde(default)]
    pub server_id: Option<String>,
    /// `server_version`, such as `16.10`.
    pub version_text: String,
    /// True if it refuses writes: a standby, or told so.
    pub read_only: bool,
    /// The database that holds the operator's records and the Schema tenants.
    pub database: String,
    pub admin: Admin,
    #[serde(skip)]
    pub roles: Roles,
    #[serde(skip)]
    pub schemas: BTreeMap<Text, Place>,
    #[serde(skip)]
    pub databases: BTreeMap<Text, Place>,
    /// Installed in [`Catalog::database`].
    pub extensions: Vec<String>,
    /// True if anyone may make large objects in [`Catalog::database`].
    pub large_objects_open: bool,
    /// True if anyone may ask for the statistics of everyone's tables in [`Catalog::database`].
    #[serde(default)]
    pub statistics_open: bool,
    /// True if anyone may ask which tables are locked in [`Catalog::database`].
    #[serde(default)]
    pub locks_open: bool,
    /// True if a former release made the group of the shared tables for these records.
    #[serde(default)]
    pub former_group: bool,
    #[serde(default)]
    pub connections: Connections,
    #[serde(skip)]
    pub marks: BTreeMap<MarkKey, Mark>,
    /// Intents by the name that the database will have.
    #[serde(skip)]
    pub intents: BTreeMap<Text, Intent>,
}

/// The role that the operator works as.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Admin {
    pub name: String,
    pub superuser: bool,
    pub create_role: bool,
    pub create_database: bool,
    /// True if it inherits the rights of the roles that it is a member of.
    #[serde(default)]
    pub inherit: bool,
}

/// Limits of the server's connections.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// `max_connections`.
    pub most: i32,
    /// `superuser_reserved_connections`.
    pub of_superusers: i32,
    /// `reserved_connections`; none before 16.
    pub reserved: Option<i32>,
    /// True if the operator's role may use these.
    pub uses_reserved: bool,
    /// `authentication_timeout`.
    pub authentication_seconds: i32,
}

/// A role.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub oid: i64,
    pub login: bool,
    pub inherit: bool,
    pub superuser: bool,
    pub create_role: bool,
    pub create_database: bool,
    pub replication: bool,
    pub bypass_rls: bool,
    pub connection_limit: i32,
    /// True if its password has an end.
    pub expires: bool,
    /// Sessions that it has now.
    pub sessions: i64,
    pub settings: Vec<Setting>,
    /// Roles of which it is a member.
    pub member_of: Vec<Membership>,
    /// Members of the role.
    pub members: Vec<Membership>,
    /// Its default privileges in [`Catalog::database`]: by type of object, whether they name PUBLIC.
    pub defaults: BTreeMap<char, bool>,
    /// Grants to others by its default privileges in [`Catalog::database`].
    #[serde(default)]
    pub given: Vec<DefaultGrant>,
    /// The databases in which something is its own, or was granted to it. [`Catalog::database`] only of logins.
    #[serde(default)]
    pub holdings: Vec<Holding>,
}

/// Default privileges on a role's future objects.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct DefaultGrant {
    /// In which schema only; none: in all.
    pub schema: Option<Text>,
    /// The type of object, as `pg_default_acl` has it.
    pub kind: Text,
    /// None is PUBLIC.
    pub grantee: Option<Text>,
}

/// A database in which something hangs on a role.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    pub database: Text,
    /// True if it owns something there, as opposed to being granted it.
    pub owns: bool,
}

/// A setting of a role, `name=value` as the catalog keeps it.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// In which database only; none: in all.
    pub database: Option<Text>,
    pub setting: Text,
}

/// One role in another.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The other one.
    pub role: Text,
    /// Grantor; from 16 on only that role's grant can be revoked.
    #[serde(default)]
    pub grantor: Option<Text>,
    pub admin: bool,
    pub inherit: bool,
    pub set: bool,
}

/// A schema or a database.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub oid: i64,
    pub owner: Text,
    /// True if connections are allowed; of databases only.
    #[serde(default)]
    pub open: bool,
    /// Number of its relations and functions; only for the schema of a catalog of one tenant.
    #[serde(default)]
    pub objects: Option<i64>,
    /// To others than its owner.
    #[serde(skip)]
    pub grants: Vec<Grant>,
}

/// A privilege that was granted.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// None is PUBLIC.
    pub grantee: Option<Text>,
    pub privilege: Text,
    pub grantable: bool,
}

/// The record that something is the operator's own, for a tenant.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// OID of the object: another object of the same name is not the operator's.
    pub oid: i64,
    pub tenant_id: Text,
    /// Revision of a database's last setup, or pending work of an owner role.
    pub revision: Option<Text>,
}

/// A database that is about to be made, under a name that nobody can guess.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    pub nonce: String,
    pub tenant_id: String,
}

impl Intent {
    /// Name of the database until it has its mark.
    pub fn database(&self) -> String {
        format!("new_{}", self.nonce)
    }
}

impl Place {
    /// Returns true if this role, or PUBLIC where there is none, was granted a privilege directly.
    pub fn grants(&self, grantee: Option<&str>, privilege: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.grantee.as_deref() == grantee && grant.privilege == privilege)
    }
}

impl Catalog {
    /// Returns true if the mark of this very object names this tenant.
    pub fn is_ours(&self, kind: &str, name: &str, oid: i64, tenant_id: &str) -> bool {
        self.mark(kind, name)
            .is_some_and(|mark| mark.oid == oid && mark.tenant_id == tenant_id)
    }

    /// The mark on a name.
    pub fn mark(&self, kind: &str, name: &str) -> Option<&Mark> {
        self.marks.get(&(kind.into(), name.into()))
    }

    /// Returns true if anything is recorded for this tenant.
    pub fn knows(&self, tenant_id: &str) -> bool {
        self.marks.values().any(|mark| mark.tenant_id == tenant_id)
            || self.intents.values().any(|intent| intent.tenant_id == tenant_id)
    }

    /// Replaces one tenant's part by a new observation.
    pub fn take(&mut self, names: &Names, seen: Self) {
        let ours = |name: &str| names.roles().iter().any(|role| role.as_str() == name);
        self.roles.retain(|name, _| !ours(name));
        self.schemas.retain(|name, _| !ours(name));
        self.databases.retain(|name, _| !ours(name));
        for intent in self.intents.iter().filter(|(name, _)| ours(name)) {
            self.databases.remove(intent.1.database().as_str());
        }
        self.marks.retain(|(_, name), _| !ours(name));
        self.intents.retain(|name, _| !ours(name));
        let main = seen.databases.get(seen.database.as_str()).cloned();
        if let (Some(known), Some(main)) = (self.databases.get_mut(seen.database.as_str()), main) {
            known.grants.retain(|grant| !grant.grantee.as_deref().is_none_or(ours));
            known.grants.extend(main.grants);
        }
        self.extensions = seen.extensions;
        self.former_group = seen.former_group;
        self.roles.extend(seen.roles);
        self.marks.extend(seen.marks);
        self.intents.extend(seen.intents);
        self.schemas.extend(seen.schemas);
        for (name, place) in seen.databases {
            self.databases.entry(name).or_insert(place);
        }
    }
}
