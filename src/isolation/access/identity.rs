//! The identities of a tenant, and the questions about each.

use super::access_matrix::{AccessMatrix, Attempts};
use super::rbac::Party;
use super::reach::{TenantSubjects, Who, who};
use super::review::Question;
use super::rule_scope::Attempt;
use crate::api::OwnerKind;
use std::collections::{BTreeMap, BTreeSet};

/// Number of questions about one identity in its turn.
pub const QUESTIONS_PER_TURN: u64 = 5;

/// Somebody of a tenant's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub tenant: String,
    pub(super) party: Party,
    /// As a binding would name it.
    pub(super) subject: String,
    pub(super) who: Who,
}

impl Identity {
    pub(super) fn new(tenant: &str, party: Party, subject: &str) -> Self {
        Self {
            tenant: tenant.into(),
            who: who(&party, subject),
            subject: subject.into(),
            party,
        }
    }

    /// A tenant's owners, the ServiceAccounts that are known by name (namespace, name), and one for all others of each namespace.
    pub fn all<'a>(holder: &TenantSubjects, accounts: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeSet<Self> {
        let account = |namespace: &str, account: Option<&str>| {
            let party = Party::Accounts {
                namespace: namespace.into(),
                account: account.map(str::to_string),
            };
            Self::new(&holder.name, party, account.unwrap_or("default"))
        };
        let person = |party: Party, name: &str| Self::new(&holder.name, party, name);
        let owners = holder.owners.iter().map(|owner| match owner.kind {
            OwnerKind::User => person(Party::User(owner.name.clone()), &owner.name),
            OwnerKind::Group => person(Party::Group(owner.name.clone()), &owner.name),
            OwnerKind::ServiceAccount => account(owner.namespace.as_deref().unwrap_or_default(), Some(&owner.name)),
        });
        let namespaces = holder.namespaces.iter().map(|namespace| account(namespace, None));
        let named = accounts.map(|(namespace, name)| account(namespace, Some(name)));
        owners.chain(namespaces).chain(named).collect()
    }

    /// Returns the namespaces that the identity must not use, with their tenants; empty is the operator.
    pub(super) fn places<'a>(
        &self,
        holders: &'a BTreeMap<String, TenantSubjects>,
        operator_namespaces: &'a [String],
    ) -> BTreeMap<&'a str, &'a str> {
        let is_other =
            |holder: &&TenantSubjects| holder.name != self.tenant && !holder.owns(&self.party, &self.subject);
        let theirs = holders.values().filter(is_other).flat_map(|holder| {
            let namespaces = holder.namespaces.iter().map(String::as_str);
            namespaces.map(|namespace| (namespace, holder.name.as_str()))
        });
        theirs
            .chain(operator_namespaces.iter().map(|namespace| (namespace.as_str(), "")))
            .collect()
    }

    /// Returns this turn's questions about the identity, and the number of questions in its lap.
    pub fn questions(
        &self,
        turn: u64,
        attempts: &Attempts,
        holders: &BTreeMap<String, TenantSubjects>,
        operator_namespaces: &[String],
    ) -> (Vec<Asked>, u64) {
        let owned = self.places(holders, operator_namespaces);
        let places: Vec<&str> = owned.keys().copied().collect();
        let places = &places;
        let matrix = AccessMatrix { attempts, places };
        let numbers = turn.wrapping_mul(QUESTIONS_PER_TURN)
            ..turn
                .wrapping_mul(QUESTIONS_PER_TURN)
                .saturating_add(QUESTIONS_PER_TURN.min(matrix.lap()));
        let asked = |(place, attempt): (Option<&str>, &Attempt)| Asked {
            identity: self.clone(),
            place: place.map(str::to_string),
            counterpart: place
                .and_then(|place| owned.get(place))
                .copied()
                .unwrap_or_default()
                .into(),
            attempt: attempt.clone(),
        };
        let questions = numbers.filter_map(|number| matrix.question(number)).map(asked);
        (questions.collect(), matrix.lap())
    }
}

/// A question about an identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub identity: Identity,
    /// None is everywhere.
    pub place: Option<String>,
    /// The tenant of the place; empty for every tenant, or the operator.
    pub counterpart: String,
    pub attempt: Attempt,
}

impl Asked {
    /// The question whose yes is a finding.
    pub fn question(&self) -> Question {
        Question {
            user: self.identity.who.user.clone(),
            groups: self.identity.who.groups.clone(),
            namespace: self.place.clone(),
            verb: self.attempt.verb.clone(),
            group: self.attempt.group.clone(),
            resource: self.attempt.resource.clone(),
            name: self.attempt.name.clone(),
        }
    }

    /// The same question about an arbitrary user.
    pub fn about_anybody(&self) -> Question {
        let anybody = who(&Party::Everybody, "");
        Question {
            user: anybody.user,
            groups: anybody.groups,
            ..self.question()
        }
    }

    pub(super) fn spot(&self) -> Spot {
        (self.identity.clone(), self.place.clone())
    }
}

/// One identity in one place.
pub(super) type Spot = (Identity, Option<String>);
