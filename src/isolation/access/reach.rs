//! Access of a tenant's users and accounts beyond their tenant by RBAC. Pure.

use super::rbac::{ACCOUNT, ACCOUNTS, Binding, Discovered, Party, Rbac};
use super::rule_scope::{self, Attempt};
use crate::api::{Direction, Opener, Owner, OwnerKind};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Namespaces and identities of a tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantSubjects {
    pub name: String,
    pub namespaces: Vec<String>,
    pub owners: Vec<Owner>,
}

impl TenantSubjects {
    /// Returns true if it names this subject as an owner.
    pub fn owns(&self, party: &Party, subject: &str) -> bool {
        self.owners.iter().any(|owner| match (owner.kind, party) {
            (OwnerKind::User, Party::User(name)) | (OwnerKind::Group, Party::Group(name)) => owner.name == *name,
            (OwnerKind::ServiceAccount, Party::Accounts { namespace, .. }) => {
                owner.namespace.as_ref() == Some(namespace) && owner.name == subject
            }
            _ => false,
        })
    }
}

/// Everybody that a binding may concern.
#[derive(Debug)]
pub struct RbacContext<'a> {
    pub rbac: &'a Rbac,
    pub discovered: &'a Discovered,
    pub holders: &'a BTreeMap<String, TenantSubjects>,
    /// Namespaces with Secrets that give access to every tenant: the operator's own.
    pub operator_namespaces: &'a [String],
}

/// A way that RBAC leaves open from one tenant to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    pub opened_by: Opener,
    pub direction: Direction,
    /// The other tenant; empty means every tenant.
    pub counterpart: String,
    /// The binding that opens it.
    pub binding: String,
    /// Subject of the binding.
    pub who: Who,
    /// Namespace; None means all.
    pub namespace: Option<String>,
    /// Allowed actions; not empty.
    pub attempts: Vec<Attempt>,
}

/// A subject, as it would come to the API server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    pub user: String,
    pub groups: Vec<String>,
    /// The name for messages.
    pub title: String,
}

/// Number of attempts in a message.
const NAMED: usize = 3;

impl Opening {
    /// Returns the message of the violation.
    pub fn message(&self) -> String {
        let named: Vec<String> = self.attempts.iter().take(NAMED).map(Attempt::title).collect();
        let more = match self.attempts.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let place = match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in every namespace".to_string(),
        };
        format!(
            "{} lets {} {}{more} {place}",
            self.binding,
            self.who.title,
            named.join(", ")
        )
    }
}

impl RbacContext<'_> {
    /// Returns the openings of each tenant: access that it must not have, or that others must not have to it. Tenants without any are left out.
    pub fn openings(&self) -> BTreeMap<String, Vec<Opening>> {
        let homes: BTreeMap<&str, &TenantSubjects> = self
            .holders
            .values()
            .flat_map(|holder| {
                holder
                    .namespaces
                    .iter()
                    .map(move |namespace| (namespace.as_str(), holder))
            })
            .collect();
        let owners = self.owners();
        let mut found: BTreeMap<String, BTreeSet<Opening>> = BTreeMap::new();
        for binding in self.rbac.bindings() {
            let there = binding.namespace.as_deref();
            let reached = there.and_then(|namespace| homes.get(namespace).copied());
            let is_operators =
                there.is_some_and(|namespace| self.operator_namespaces.iter().any(|own| own == namespace));
            // Access to a namespace that belongs to nobody concerns no tenant.
            if there.is_some() && reached.is_none() && !is_operators {
                continue;
            }
            let mut attempts: Option<Vec<Attempt>> = None;
            for subject in binding.subjects.iter() {
                let party = Party::of(subject, there);
                if party == Party::System || reached.is_some_and(|holder| holder.owns(&party, &subject.name)) {
                    continue;
                }
                let comes_from: Vec<&TenantSubjects> = match &party {
                    Party::Accounts { namespace, .. } => match homes.get(namespace.as_str()) {
                        Some(home) => vec![*home],
                        None => guests(&owners, &party),
                    },
                    Party::System => Vec::new(),
                    Party::Everybody => match reached {
                        // The finding belongs to the tenant that is open.
                        Some(_) => Vec::new(),
                        None => self.holders.values().collect(),
                    },
                    Party::User(_) | Party::Group(_) => owners.get(&party).cloned().unwrap_or_default(),
                };
                let is_stranger = |holder: &&&TenantSubjects| reached.is_none_or(|reached| reached.name != holder.name);
                let strangers: Vec<&TenantSubjects> = comes_from.iter().filter(is_stranger).copied().collect();
                let is_open = party == Party::Everybody && reached.is_some();
                if strangers.is_empty() && !is_open {
                    continue;
                }
                let attempts = attempts.get_or_insert_with(|| self.attempts(binding));
                if attempts.is_empty() {
                    continue;
                }
                // A tenant may admit anyone to its own namespace, except others' ServiceAccounts.
                let opened_by = match (reached, &party) {
                    (Some(_), Party::User(_) | Party::Group(_)) => Opener::Counterpart,
                    _ => Opener::Platform,
                };
                let opening = |direction: Direction, counterpart: &str| Opening {
                    direction,
                    opened_by,
                    counterpart: counterpart.to_string(),
                    binding: binding.title(),
                    who: who(&party, &subject.name),
                    namespace: binding.namespace.clone(),
                    attempts: attempts.clone(),
                };
                let mut say = |tenant: &str, direction: Direction, counterpart: &str| {
                    found
                        .entry(tenant.to_string())
                        .or_default()
                        .insert(opening(direction, counterpart));
                };
                let other = reached.map_or("", |reached| reached.name.as_str());
                // Access that everybody has is not this one tenant's doing.
                let direction = match party {
                    Party::Everybody => Direction::Inward,
                    _ => Direction::Outward,
                };
                for stranger in &strangers {
                    say(&stranger.name, direction, other);
                    if let Some(reached) = reached {
                        say(&reached.name, Direction::Inward, &stranger.name);
                    }
                }
                if let (true, Some(reached)) = (is_open, reached) {
                    say(&reached.name, Direction::Inward, "");
                }
            }
        }
        found
            .into_iter()
            .map(|(tenant, openings)| (tenant, openings.into_iter().collect()))
            .collect()
    }

    /// Returns the tenants of each owner, a person or a group.
    fn owners(&self) -> HashMap<Party, Vec<&TenantSubjects>> {
        let mut owners: HashMap<Party, Vec<&TenantSubjects>> = HashMap::new();
        for holder in self.holders.values() {
            for owner in &holder.owners {
                let party = match owner.kind {
                    OwnerKind::User => Party::User(owner.name.clone()),
                    OwnerKind::Group => Party::Group(owner.name.clone()),
                    OwnerKind::ServiceAccount => Party::Accounts {
                        namespace: owner.namespace.clone().unwrap_or_default(),
                        account: Some(owner.name.clone()),
                    },
                };
                let holders = owners.entry(party).or_default();
                if !holders.iter().any(|known| known.name == holder.name) {
                    holders.push(holder);
                }
            }
        }
        owners
    }

    fn attempts(&self, binding: &Binding) -> Vec<Attempt> {
        let rules = self.rbac.rules(binding).iter();
        let mut attempts: Vec<Attempt> = match binding.namespace {
            None => rules
                .flat_map(|rule| rule_scope::everywhere(rule, self.discovered))
                .collect(),
            Some(_) => rules
                .flat_map(|rule| rule_scope::inside(rule, self.discovered))
                .collect(),
        };
        // Read access to Secrets comes first.
        attempts.sort_by_key(|attempt| (!attempt.resource.starts_with("secrets"), attempt.clone()));
        attempts.dedup();
        attempts
    }
}

/// Returns the tenants that a ServiceAccount outside of all tenants' namespaces owns.
fn guests<'a>(owners: &HashMap<Party, Vec<&'a TenantSubjects>>, party: &Party) -> Vec<&'a TenantSubjects> {
    let is_meant = |owner: &Party| match (owner, party) {
        (
            Party::Accounts { namespace, .. },
            Party::Accounts {
                namespace: all,
                account: None,
            },
        ) => namespace == all,
        _ => owner == party,
    };
    let mut found: Vec<&TenantSubjects> = Vec::new();
    for holder in owners
        .iter()
        .filter(|(owner, _)| is_meant(owner))
        .flat_map(|(_, holders)| holders)
    {
        if !found.iter().any(|known| known.name == holder.name) {
            found.push(holder);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// User and groups of a subject at the API server.
pub fn who(party: &Party, subject: &str) -> Who {
    let name = |name: &str| name.to_string();
    let everybody = || name("system:authenticated");
    match party {
        Party::Accounts { namespace, account } => Who {
            // A group of all has each of them as a member.
            user: format!("{ACCOUNT}{namespace}:{}", account.as_deref().unwrap_or("default")),
            groups: vec![
                name("system:serviceaccounts"),
                format!("{ACCOUNTS}{namespace}"),
                everybody(),
            ],
            title: match account {
                Some(account) => format!("ServiceAccount {namespace}/{account}"),
                None => format!("every ServiceAccount of {namespace}"),
            },
        },
        Party::User(user) => Who {
            user: user.clone(),
            groups: vec![everybody()],
            title: format!("User {user}"),
        },
        Party::Group(group) => Who {
            user: name("tenant-operator:proof"),
            groups: vec![group.clone(), everybody()],
            title: format!("Group {group}"),
        },
        Party::Everybody | Party::System => match subject {
            "system:anonymous" | "system:unauthenticated" => Who {
                user: name("system:anonymous"),
                groups: vec![name("system:unauthenticated")],
                title: "everybody, even without credentials,".into(),
            },
            "system:serviceaccounts" => Who {
                user: name("system:serviceaccount:default:default"),
                groups: vec![name("system:serviceaccounts"), everybody()],
                title: "every ServiceAccount".into(),
            },
            _ => Who {
                user: name("tenant-operator:proof"),
                groups: vec![everybody()],
                title: "everybody with credentials".into(),
            },
        },
    }
}

#[cfg(test)]
#[path = "reach_test.rs"]
mod tests;
