//! Resolution of RBAC's roles and bindings. Pure.

use crate::isolation::memory_limit::{self, MemoryBudget, NamespacedName};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The roles and bindings of a cluster.
#[derive(Debug, Default)]
pub struct Rbac {
    roles: HashMap<NamespacedName, Vec<PolicyRule>>,
    bindings: BTreeMap<NamespacedName, Binding>,
    /// Memory limit for each kind.
    budgets: MemoryBudgets,
    /// Those that are kept only as far as they can be read.
    partial: Partial,
}

#[derive(Debug, Default)]
struct Partial {
    roles: HashSet<NamespacedName>,
    bindings: HashSet<NamespacedName>,
}

#[derive(Debug)]
struct MemoryBudgets {
    roles: MemoryBudget,
    bindings: MemoryBudget,
}

impl Default for MemoryBudgets {
    fn default() -> Self {
        Self {
            roles: MemoryBudget::new(memory_limit::WRITTEN),
            bindings: MemoryBudget::new(memory_limit::WRITTEN),
        }
    }
}

/// A RoleBinding or ClusterRoleBinding.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Namespace of the grant; None means all.
    pub namespace: Option<String>,
    pub name: String,
    role: NamespacedName,
    pub subjects: Vec<Subject>,
}

/// A subject without its API group, which follows from its kind.
fn kept(subject: &Subject) -> Subject {
    Subject {
        api_group: None,
        ..subject.clone()
    }
}

impl Binding {
    fn new(metadata: &ObjectMeta, role: &RoleRef, subjects: Option<&Vec<Subject>>) -> Self {
        let namespace = metadata.namespace.clone();
        let home = match role.kind.as_str() {
            "Role" => namespace.clone().unwrap_or_default(),
            _ => String::new(),
        };
        Self {
            namespace,
            name: metadata.name.clone().unwrap_or_default(),
            role: (home, role.name.clone()),
            subjects: subjects.into_iter().flatten().map(kept).collect(),
        }
    }

    /// Returns the name for messages.
    pub fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("RoleBinding {namespace}/{}", self.name),
            None => format!("ClusterRoleBinding {}", self.name),
        }
    }
}

/// A kind that RBAC is made of.
pub trait Part {
    /// Takes in an object of this kind, anew or as it now is.
    fn put(&self, rbac: &mut Rbac);
    /// Records whether an object was read whole or in part.
    fn note(&self, rbac: &mut Rbac, is_whole: bool);
    /// Forgets an object of this kind.
    fn remove(&self, rbac: &mut Rbac);
    /// Forgets the objects of this kind that are not among these.
    fn retain(rbac: &mut Rbac, listed: &HashSet<NamespacedName>);
}

/// Roles and ClusterRoles, and their bindings, are kept together: their content is the same, and their keys differ.
macro_rules! parts {
    ($table:ident: $($kind:ident namespaced $is_namespaced:literal),+; |$object:ident| $kept:expr) => {$(
        impl Part for $kind {
            fn put(&self, rbac: &mut Rbac) {
                let $object = self;
                let (key, kept) = (key(&self.metadata), $kept);
                let old = rbac.$table.get(&key).map_or(0, Kept::size);
                if rbac.budgets.$table.reserve(&key, old, kept.size()) {
                    rbac.$table.insert(key, kept);
                } else {
                    rbac.$table.remove(&key);
                }
            }

            fn note(&self, rbac: &mut Rbac, is_whole: bool) {
                let key = key(&self.metadata);
                match is_whole {
                    true => rbac.partial.$table.remove(&key),
                    false => rbac.partial.$table.insert(key),
                };
            }

            fn remove(&self, rbac: &mut Rbac) {
                let key = key(&self.metadata);
                rbac.partial.$table.remove(&key);
                let old = rbac.$table.remove(&key).map_or(0, |kept| kept.size());
                rbac.budgets.$table.release(&key, old);
            }

            fn retain(rbac: &mut Rbac, listed: &HashSet<NamespacedName>) {
                let is_kept = |key: &NamespacedName| key.0.is_empty() == $is_namespaced || listed.contains(key);
                rbac.partial.$table.retain(is_kept);
                let budgets = &mut rbac.budgets.$table;
                rbac.$table.retain(|key, kept| {
                    let is_kept = is_kept(key);
                    if !is_kept {
                        budgets.release(key, kept.size());
                    }
                    is_kept
                });
                if $is_namespaced {
                    budgets.retain(listed);
                }
            }
        }
    )+};
}

parts!(roles: Role namespaced true, ClusterRole namespaced false; |role| role.rules.clone().unwrap_or_default());
parts!(bindings: RoleBinding namespaced true, ClusterRoleBinding namespaced false; |binding| {
    Binding::new(&binding.metadata, &binding.role_ref, binding.subjects.as_ref())
});

/// Kept part of an object.
trait Kept {
    /// Returns the approximate size.
    fn size(&self) -> usize;
}

impl Kept for Vec<PolicyRule> {
    fn size(&self) -> usize {
        size(self)
    }
}

impl Kept for Binding {
    fn size(&self) -> usize {
        size(&self.subjects)
    }
}

/// A list's, with the names and the rest of the object that it is of.
fn size(list: &impl Serialize) -> usize {
    const REST: usize = 256;
    REST + serde_json::to_string(list).map_or(0, |text| text.len())
}

/// Key of an object.
pub fn key(metadata: &ObjectMeta) -> NamespacedName {
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

impl Rbac {
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values()
    }

    /// Returns the namespaces with unread objects; an empty name stands for cluster-wide ones.
    pub fn unread(&self) -> BTreeSet<String> {
        let MemoryBudgets { roles, bindings } = &self.budgets;
        let partial = self.partial.roles.iter().chain(&self.partial.bindings);
        let partial = partial.map(|(namespace, _)| namespace.clone());
        let exceeded = [roles.exceeded(), bindings.exceeded()];
        exceeded.into_iter().flatten().chain(partial).collect()
    }

    #[cfg(test)]
    pub fn role_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.roles.keys().map(|(_, name)| name.clone()).collect();
        names.sort();
        names
    }

    /// Returns the rules of a binding; none if its role does not exist.
    pub fn rules(&self, binding: &Binding) -> &[PolicyRule] {
        self.roles.get(&binding.role).map_or(&[], Vec::as_slice)
    }
}

/// Owner of a subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// ServiceAccounts of a namespace.
    Accounts {
        namespace: String,
        /// One of them; None is all.
        account: Option<String>,
    },
    /// A person, by name.
    User(String),
    /// A group of people, by name.
    Group(String),
    /// All clients of the API server, including every tenant's users and accounts.
    Everybody,
    /// The system itself.
    System,
}

/// Groups and users that every request is, or may be, made as.
const EVERYBODY: &[&str] = &[
    "system:authenticated",
    "system:unauthenticated",
    "system:anonymous",
    "system:serviceaccounts",
];
/// Before a namespace: the group of its ServiceAccounts.
pub const ACCOUNTS: &str = "system:serviceaccounts:";
/// Before a namespace and a name: one ServiceAccount.
pub const ACCOUNT: &str = "system:serviceaccount:";

impl Party {
    pub fn of(subject: &Subject, namespace: Option<&str>) -> Self {
        let name = subject.name.as_str();
        let accounts = |namespace: &str, account: Option<&str>| Self::Accounts {
            namespace: namespace.to_string(),
            account: account.map(str::to_string),
        };
        match subject.kind.as_str() {
            // The API server refuses one without a namespace; in a RoleBinding it was once taken from there.
            "ServiceAccount" => {
                let home = subject.namespace.as_deref().or(namespace).unwrap_or_default();
                accounts(home, Some(name))
            }
            _ if EVERYBODY.contains(&name) => Self::Everybody,
            "Group" => match name.strip_prefix(ACCOUNTS) {
                Some(namespace) => accounts(namespace, None),
                None if name.starts_with("system:") => Self::System,
                None => Self::Group(name.to_string()),
            },
            _ => match name.strip_prefix(ACCOUNT).and_then(|rest| rest.split_once(':')) {
                Some((namespace, account)) => accounts(namespace, Some(account)),
                None if name.starts_with("system:") => Self::System,
                None => Self::User(name.to_string()),
            },
        }
    }
}

/// Resources by discovery of the API server, `group/resource`: whether each is namespaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    pub resources: BTreeMap<String, bool>,
    /// Verbs of each; `group/resource` or `group/resource/subresource`.
    pub verbs: BTreeMap<String, BTreeSet<String>>,
}

impl Discovered {
    /// Returns true for a namespaced resource, false for a cluster-wide one, None for an unknown one. A subresource is as its resource.
    pub fn is_namespaced(&self, group: &str, resource: &str) -> Option<bool> {
        let main = resource.split('/').next().unwrap_or(resource);
        self.resources.get(&format!("{group}/{main}")).copied()
    }
}
