//! The extensions that a server can install for a tenant, in the order in which they require each other. Pure.

use super::Identifier;
use std::collections::{BTreeMap, BTreeSet};

/// Reads the extensions whose files a server has, each with those that its default version requires
/// (<https://www.postgresql.org/docs/current/view-pg-available-extension-versions.html>).
pub const QUERY: &str = "SELECT coalesce(json_object_agg(a.name, to_json(coalesce(v.requires, '{}'))), '{}') \
     FROM pg_catalog.pg_available_extensions a \
     JOIN pg_catalog.pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version";

/// Extensions by name, each with those that it requires.
pub type Available = BTreeMap<String, Vec<String>>;

/// The extensions of a tenant that can be installed, and the reasons why others cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// In this order, each finds those that it requires.
    pub install: Vec<Identifier>,
    /// One message for each of the others.
    pub problems: Vec<String>,
}

/// Orders the requested extensions. Each finds those that it requires among the installed and the requested ones, and in no other place: nobody asked for others.
pub fn order(asked: &[Identifier], installed: &BTreeSet<String>, available: &Available) -> Order {
    let mut order = Order::default();
    let mut there = installed.clone();
    let mut left: Vec<&Identifier> = asked.iter().collect();
    loop {
        let fits = |name: &&Identifier| {
            let required = available.get(name.as_str());
            installed.contains(name.as_str())
                || required.is_some_and(|names| names.iter().all(|name| there.contains(name)))
        };
        let (next, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(fits);
        left = rest;
        if next.is_empty() {
            break;
        }
        there.extend(next.iter().map(|name| name.as_str().to_string()));
        order.install.extend(next.into_iter().cloned());
    }
    let problem = |name: &&Identifier| {
        let Some(required) = available.get(name.as_str()) else {
            return format!("{}: the server does not have this extension", name.as_str());
        };
        let is_asked = |required: &&String| asked.iter().any(|asked| asked.as_str() == required.as_str());
        let missing: Vec<&String> = required.iter().filter(|required| !there.contains(*required)).collect();
        match missing.iter().copied().find(|missing| !is_asked(missing)) {
            Some(missing) => format!(
                "{} requires {missing}: add it to spec.database.extensions",
                name.as_str()
            ),
            None => format!("{} requires {}, which cannot be installed", name.as_str(), missing[0]),
        }
    };
    order.problems = left.iter().map(problem).collect();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Identifier> {
        names
            .iter()
            .map(|name| Identifier::new(*name).expect("a name"))
            .collect()
    }

    fn of(asked: &[&str], installed: &[&str]) -> (Vec<String>, Vec<String>) {
        let available = [
            ("abug", &["cube"][..]),
            ("cube", &[]),
            ("earthdistance", &["cube"]),
            ("hstore", &[]),
            ("hstore_plperl", &["hstore", "plperl"]),
            ("plperl", &[]),
            ("atlas", &["abug", "earthdistance"]),
            ("broken", &["nowhere"]),
        ];
        let available = available
            .iter()
            .map(|(name, requires)| (name.to_string(), requires.iter().map(ToString::to_string).collect()))
            .collect();
        let installed = installed.iter().map(ToString::to_string).collect();
        let Order { install, problems } = order(&names(asked), &installed, &available);
        (install.iter().map(|name| name.as_str().to_string()).collect(), problems)
    }

    #[test]
    fn an_extension_comes_after_those_that_it_requires() {
        for (asked, expected) in [
            (&["abug", "cube"][..], &["cube", "abug"][..]),
            (
                &["abug", "atlas", "cube", "earthdistance"],
                &["cube", "abug", "earthdistance", "atlas"],
            ),
            (
                &["hstore", "hstore_plperl", "plperl"],
                &["hstore", "plperl", "hstore_plperl"],
            ),
        ] {
            let (install, problems) = of(asked, &["plpgsql"]);
            assert_eq!(install, expected);
            assert_eq!(problems, Vec::<String>::new());
        }
    }

    #[test]
    fn what_another_tenant_had_installed_serves_too() {
        assert_eq!(of(&["abug"], &["cube"]), (vec!["abug".into()], vec![]));
        // Its files may be gone since.
        assert_eq!(of(&["old"], &["old"]), (vec!["old".into()], vec![]));
    }

    #[test]
    fn one_that_cannot_be_installed_holds_up_only_those_that_require_it() {
        let (install, problems) = of(&["broken", "cube", "earthdistance", "missing"], &[]);
        assert_eq!(install, ["cube", "earthdistance"]);
        assert_eq!(
            problems,
            [
                "broken requires nowhere: add it to spec.database.extensions",
                "missing: the server does not have this extension",
            ]
        );
        let (install, problems) = of(&["abug", "hstore"], &[]);
        assert_eq!(install, ["hstore"]);
        assert_eq!(problems, ["abug requires cube: add it to spec.database.extensions"]);
        let (install, problems) = of(&["broken", "nowhere"], &[]);
        assert_eq!(install, Vec::<String>::new());
        assert_eq!(
            problems,
            [
                "broken requires nowhere, which cannot be installed",
                "nowhere: the server does not have this extension",
            ]
        );
    }
}
