//! All that could be asked about one identity: every verb of every resource, in every place that is not its own. Pure.

use super::rbac::Discovered;
use super::rule_scope::{self, Attempt};
use k8s_openapi::api::rbac::v1::PolicyRule;

/// Verbs that no discovery lists: only authorizers know them.
const UNLISTED: &[(&str, &str, &str)] = &[
    ("impersonate", "", "users"),
    ("impersonate", "", "groups"),
    ("impersonate", "", "serviceaccounts"),
    ("impersonate", "authentication.k8s.io", "uids"),
    // Constrained impersonation (KEP-5284).
    ("impersonate:user-info", "authentication.k8s.io", "users"),
    ("impersonate:serviceaccount", "authentication.k8s.io", "serviceaccounts"),
    ("impersonate:arbitrary-node", "authentication.k8s.io", "nodes"),
    ("bind", "rbac.authorization.k8s.io", "clusterroles"),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
    ("bind", "rbac.authorization.k8s.io", "roles"),
    ("escalate", "rbac.authorization.k8s.io", "roles"),
    ("approve", "certificates.k8s.io", "signers"),
    ("sign", "certificates.k8s.io", "signers"),
    ("break-glass", "tenant-operator.io", "tenants"),
];

/// Actions beyond a tenant, the worst first. The same for all.
#[derive(Debug, Default, PartialEq)]
pub struct Attempts {
    /// Attempts in one namespace.
    inside: Vec<Attempt>,
    /// Attempts in all namespaces at once, and on cluster-wide objects.
    everywhere: Vec<Attempt>,
}

impl Attempts {
    pub fn of(discovered: &Discovered) -> Self {
        let mut all: Vec<Attempt> = Vec::new();
        for (name, verbs) in &discovered.verbs {
            let (group, resource) = name.split_once('/').unwrap_or(("", name));
            all.extend(verbs.iter().map(|verb| attempt(verb, group, resource)));
        }
        all.extend(
            UNLISTED
                .iter()
                .map(|(verb, group, resource)| attempt(verb, group, resource)),
        );
        all.sort_by_key(|attempt| (!attempt.resource.starts_with("secrets"), attempt.clone()));
        let keep = |scope: fn(&PolicyRule, &Discovered) -> Vec<Attempt>| {
            let is_in_scope = |attempt: &&Attempt| !scope(&rule(attempt), discovered).is_empty();
            all.iter().filter(is_in_scope).cloned().collect()
        };
        Self {
            inside: keep(rule_scope::inside),
            everywhere: keep(rule_scope::everywhere),
        }
    }
}

impl Attempts {
    /// All of them, some twice.
    pub fn all(&self) -> impl Iterator<Item = &Attempt> {
        self.inside.iter().chain(&self.everywhere)
    }
}

fn attempt(verb: &str, group: &str, resource: &str) -> Attempt {
    Attempt {
        verb: verb.into(),
        group: group.into(),
        resource: resource.into(),
        name: String::new(),
    }
}

fn rule(attempt: &Attempt) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![attempt.group.clone()]),
        resources: Some(vec![attempt.resource.clone()]),
        verbs: vec![attempt.verb.clone()],
        ..PolicyRule::default()
    }
}

/// Questions about one identity.
#[derive(Debug)]
pub struct AccessMatrix<'a> {
    pub attempts: &'a Attempts,
    /// Namespaces that it has no business in.
    pub places: &'a [&'a str],
}

impl<'a> AccessMatrix<'a> {
    /// Returns the number of questions in one lap. A lap asks about every attempt and every place. Laps as many as the fewer of both ask about every attempt in
    /// every place.
    pub fn lap(&self) -> u64 {
        (self.attempts.everywhere.len() + self.paired()) as u64
    }

    fn paired(&self) -> usize {
        match self.places.is_empty() {
            true => 0,
            false => self.places.len().max(self.attempts.inside.len()),
        }
    }

    /// Returns the question of this number and its namespace (None for everywhere); None where there is no question.
    pub fn question(&self, number: u64) -> Option<(Option<&'a str>, &'a Attempt)> {
        let lap = number.checked_div(self.lap())?;
        let step = usize::try_from(number % self.lap()).unwrap_or(0);
        let (everywhere, paired) = (self.attempts.everywhere.len(), self.paired());
        // One kind and the other by turns, while there are both: the worst of both come first.
        let both = 2 * everywhere.min(paired);
        let (is_paired, index) = match step {
            step if step < both => (step % 2 == 1, step / 2),
            step => (paired > everywhere, step - both / 2),
        };
        if !is_paired {
            return Some((None, self.attempts.everywhere.get(index)?));
        }
        let (places, attempts) = (self.places.len(), self.attempts.inside.len());
        let shift = |of: usize| (index + usize::try_from(lap % of as u64).unwrap_or(0)) % of;
        let (place, attempt) = match attempts >= places {
            true => (shift(places), index),
            false => (index, shift(attempts)),
        };
        Some((Some(*self.places.get(place)?), self.attempts.inside.get(attempt)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn discovered() -> Discovered {
        let table: [(&str, bool, &[&str]); 7] = [
            ("/secrets", true, &["get", "list"]),
            ("/pods", true, &["get"]),
            ("/pods/exec", true, &["create"]),
            ("/nodes", false, &["get", "delete"]),
            ("/nodes/proxy", false, &["get"]),
            ("storage.k8s.io/storageclasses", false, &["get"]),
            ("authorization.k8s.io/selfsubjectaccessreviews", false, &["create"]),
        ];
        let own = |verbs: &[&str]| verbs.iter().map(ToString::to_string).collect();
        Discovered {
            resources: table
                .iter()
                .filter(|(name, ..)| name.matches('/').count() == 1)
                .map(|(name, namespaced, _)| (name.to_string(), *namespaced))
                .collect(),
            verbs: table
                .iter()
                .map(|(name, _, verbs)| (name.to_string(), own(verbs)))
                .collect(),
        }
    }

    fn titles(attempts: &[Attempt]) -> Vec<String> {
        attempts.iter().map(Attempt::title).collect()
    }

    #[test]
    fn what_reaches_nobody_is_not_asked_and_the_worst_comes_first() {
        let attempts = Attempts::of(&discovered());
        assert_eq!(
            titles(&attempts.inside),
            ["get secrets", "list secrets", "create pods/exec", "get pods"]
        );
        let everywhere = titles(&attempts.everywhere);
        assert_eq!(everywhere[..2], ["get secrets", "list secrets"]);
        for asked in [
            "create pods/exec",
            "delete nodes",
            "get nodes/proxy",
            "impersonate users",
            "escalate clusterroles.rbac.authorization.k8s.io",
            "sign signers.certificates.k8s.io",
        ] {
            assert!(everywhere.contains(&asked.to_string()), "{asked} in {everywhere:?}");
        }
        for harmless in [
            "get nodes",
            "get storageclasses.storage.k8s.io",
            "create selfsubjectaccessreviews.authorization.k8s.io",
        ] {
            assert!(!everywhere.contains(&harmless.to_string()), "{harmless}");
        }
    }

    /// Each pair of place and attempt, and how often it was asked about in so many laps.
    fn asked(matrix: &AccessMatrix<'_>, laps: u64) -> BTreeMap<(Option<String>, String), u64> {
        let mut asked = BTreeMap::new();
        for number in 0..laps * matrix.lap() {
            let (place, attempt) = matrix.question(number).expect("a question");
            *asked.entry((place.map(str::to_string), attempt.title())).or_insert(0) += 1;
        }
        asked
    }

    #[test]
    fn a_lap_has_every_attempt_and_every_place_and_some_laps_every_pair() {
        let attempts = Attempts::of(&discovered());
        let names: Vec<String> = (0..30).map(|number| format!("n{number}")).collect();
        for count in [1, 3, 4, 5, 30] {
            let places: Vec<&str> = names[..count].iter().map(String::as_str).collect();
            let matrix = AccessMatrix {
                attempts: &attempts,
                places: &places,
            };
            let lap = asked(&matrix, 1);
            let seen: BTreeSet<&str> = lap.keys().filter_map(|(place, _)| place.as_deref()).collect();
            assert_eq!(seen.len(), count);
            let inside: BTreeSet<&str> = lap
                .keys()
                .filter(|(place, _)| place.is_some())
                .map(|(_, attempt)| attempt.as_str())
                .collect();
            assert_eq!(inside.len(), attempts.inside.len());
            let everywhere = lap.keys().filter(|(place, _)| place.is_none()).count();
            assert_eq!(everywhere, attempts.everywhere.len());
            // Nothing twice within a lap, nor within all of them but what is asked in each.
            assert!(lap.values().all(|times| *times == 1));
            let all = asked(&matrix, count.min(attempts.inside.len()) as u64);
            let pairs: Vec<_> = all.iter().filter(|((place, _), _)| place.is_some()).collect();
            assert_eq!(pairs.len(), count * attempts.inside.len());
            assert!(pairs.iter().all(|(_, times)| **times == 1));
        }
    }

    #[test]
    fn without_a_place_or_an_attempt_there_is_less_to_ask() {
        let attempts = Attempts::of(&discovered());
        let matrix = AccessMatrix {
            attempts: &attempts,
            places: &[],
        };
        assert_eq!(matrix.lap(), attempts.everywhere.len() as u64);
        assert!(asked(&matrix, 2).keys().all(|(place, _)| place.is_none()));
        let none = Attempts::default();
        let nothing = AccessMatrix {
            attempts: &none,
            places: &[],
        };
        assert_eq!(nothing.question(7), None);
    }
}
