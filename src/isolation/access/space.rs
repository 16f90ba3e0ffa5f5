//! All that could be asked about one identity: every verb of every resource, in every place that is not its own. Pure.

use super::harm::{self, Deed};
use super::rbac::Discovered;
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

/// What can be done beyond a tenant, the worst first. The same for all.
#[derive(Debug, Default, PartialEq)]
pub struct Deeds {
    /// In one namespace.
    inside: Vec<Deed>,
    /// In all namespaces at once, and with what is in none.
    everywhere: Vec<Deed>,
}

impl Deeds {
    pub fn of(discovered: &Discovered) -> Self {
        let mut all: Vec<Deed> = Vec::new();
        for (name, verbs) in &discovered.verbs {
            let (group, resource) = name.split_once('/').unwrap_or(("", name));
            all.extend(verbs.iter().map(|verb| deed(verb, group, resource)));
        }
        all.extend(
            UNLISTED
                .iter()
                .map(|(verb, group, resource)| deed(verb, group, resource)),
        );
        all.sort_by_key(|deed| (!deed.resource.starts_with("secrets"), deed.clone()));
        let keep = |harm: fn(&PolicyRule, &Discovered) -> Vec<Deed>| {
            let harms = |deed: &&Deed| !harm(&rule(deed), discovered).is_empty();
            all.iter().filter(harms).cloned().collect()
        };
        Self {
            inside: keep(harm::inside),
            everywhere: keep(harm::everywhere),
        }
    }
}

impl Deeds {
    /// All of them, some twice.
    pub fn all(&self) -> impl Iterator<Item = &Deed> {
        self.inside.iter().chain(&self.everywhere)
    }
}

fn deed(verb: &str, group: &str, resource: &str) -> Deed {
    Deed {
        verb: verb.into(),
        group: group.into(),
        resource: resource.into(),
        name: String::new(),
    }
}

fn rule(deed: &Deed) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![deed.group.clone()]),
        resources: Some(vec![deed.resource.clone()]),
        verbs: vec![deed.verb.clone()],
        ..PolicyRule::default()
    }
}

/// What can be asked about one identity.
#[derive(Debug)]
pub struct Space<'a> {
    pub deeds: &'a Deeds,
    /// Namespaces that it has no business in.
    pub places: &'a [&'a str],
}

impl<'a> Space<'a> {
    /// How many questions one lap has. In each every deed is asked about, and every place; after as many laps as there are places, or
    /// deeds if these are fewer, every deed was asked about in every place.
    pub fn lap(&self) -> u64 {
        (self.deeds.everywhere.len() + self.paired()) as u64
    }

    fn paired(&self) -> usize {
        match self.places.is_empty() {
            true => 0,
            false => self.places.len().max(self.deeds.inside.len()),
        }
    }

    /// The question of this number, where it is asked (None is everywhere); None where there is nothing to ask.
    pub fn question(&self, number: u64) -> Option<(Option<&'a str>, &'a Deed)> {
        let lap = number.checked_div(self.lap())?;
        let step = usize::try_from(number % self.lap()).unwrap_or(0);
        let (everywhere, paired) = (self.deeds.everywhere.len(), self.paired());
        // One kind and the other by turns, while there are both: the worst of both come first.
        let both = 2 * everywhere.min(paired);
        let (is_paired, index) = match step {
            step if step < both => (step % 2 == 1, step / 2),
            step => (paired > everywhere, step - both / 2),
        };
        if !is_paired {
            return Some((None, self.deeds.everywhere.get(index)?));
        }
        let (places, deeds) = (self.places.len(), self.deeds.inside.len());
        let shift = |of: usize| (index + usize::try_from(lap % of as u64).unwrap_or(0)) % of;
        let (place, deed) = match deeds >= places {
            true => (shift(places), index),
            false => (index, shift(deeds)),
        };
        Some((Some(*self.places.get(place)?), self.deeds.inside.get(deed)?))
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

    fn titles(deeds: &[Deed]) -> Vec<String> {
        deeds.iter().map(Deed::title).collect()
    }

    #[test]
    fn what_reaches_nobody_is_not_asked_and_the_worst_comes_first() {
        let deeds = Deeds::of(&discovered());
        assert_eq!(
            titles(&deeds.inside),
            ["get secrets", "list secrets", "create pods/exec", "get pods"]
        );
        let everywhere = titles(&deeds.everywhere);
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

    /// Each pair of place and deed, and how often it was asked about in so many laps.
    fn asked(space: &Space<'_>, laps: u64) -> BTreeMap<(Option<String>, String), u64> {
        let mut asked = BTreeMap::new();
        for number in 0..laps * space.lap() {
            let (place, deed) = space.question(number).expect("a question");
            *asked.entry((place.map(str::to_string), deed.title())).or_insert(0) += 1;
        }
        asked
    }

    #[test]
    fn a_lap_has_every_deed_and_every_place_and_some_laps_every_pair() {
        let deeds = Deeds::of(&discovered());
        let names: Vec<String> = (0..30).map(|number| format!("n{number}")).collect();
        for count in [1, 3, 4, 5, 30] {
            let places: Vec<&str> = names[..count].iter().map(String::as_str).collect();
            let space = Space {
                deeds: &deeds,
                places: &places,
            };
            let lap = asked(&space, 1);
            let seen: BTreeSet<&str> = lap.keys().filter_map(|(place, _)| place.as_deref()).collect();
            assert_eq!(seen.len(), count);
            let inside: BTreeSet<&str> = lap
                .keys()
                .filter(|(place, _)| place.is_some())
                .map(|(_, deed)| deed.as_str())
                .collect();
            assert_eq!(inside.len(), deeds.inside.len());
            let everywhere = lap.keys().filter(|(place, _)| place.is_none()).count();
            assert_eq!(everywhere, deeds.everywhere.len());
            // Nothing twice within a lap, nor within all of them but what is asked in each.
            assert!(lap.values().all(|times| *times == 1));
            let all = asked(&space, count.min(deeds.inside.len()) as u64);
            let pairs: Vec<_> = all.iter().filter(|((place, _), _)| place.is_some()).collect();
            assert_eq!(pairs.len(), count * deeds.inside.len());
            assert!(pairs.iter().all(|(_, times)| **times == 1));
        }
    }

    #[test]
    fn without_a_place_or_a_deed_there_is_less_to_ask() {
        let deeds = Deeds::of(&discovered());
        let space = Space {
            deeds: &deeds,
            places: &[],
        };
        assert_eq!(space.lap(), deeds.everywhere.len() as u64);
        assert!(asked(&space, 2).keys().all(|(place, _)| place.is_none()));
        let none = Deeds::default();
        let nothing = Space {
            deeds: &none,
            places: &[],
        };
        assert_eq!(nothing.question(7), None);
    }
}
