//! The rules of a tenant's HTTPRoutes. Envoy counts connections and concurrent requests for each rule, so routes to one workload share one as far as they can. Pure.

use super::matches::{is_rewritten, matches};
use super::{class_name, security};
use crate::gateway::config::{Entry, GatewayConfig, Route, Target};
use crate::gateway::credential_class::{self, Class};
use crate::names;
use serde_json::{Value, json};

/// The most hosts of an HTTPRoute, and matches of a rule (Gateway API v1). An HTTPRoute may have twice as many matches, and more rules: they are room for a handover.
pub const HOSTS: usize = 16;
const MATCHES: usize = 64;
const RULES: usize = 7;

/// Rules of one entry that one policy guards.
pub struct Group<'a> {
    pub entry: &'a Entry,
    /// The class of the routes; of the first one where they differ in the clients that they admit.
    pub class: Class,
    /// The value of the label by which the policy selects the HTTPRoutes.
    pub name: String,
    pub rules: Vec<Rule<'a>>,
    /// True where the routes differ in the clients that they admit.
    pub is_mixed: bool,
}

/// A rule of an HTTPRoute.
pub struct Rule<'a> {
    /// Empty where the gateway answers itself.
    pub targets: &'a [Target],
    /// The route whose path the gateway rewrites, which is then the only one.
    pub rewritten: Option<&'a Route>,
    pub matches: Vec<Match>,
}

/// A match of a rule.
pub struct Match {
    /// The clients that its route admits.
    pub class: Class,
    pub value: Value,
}

/// Routes with their classes; never empty.
type Classed<'a> = Vec<(Class, &'a Route)>;

/// All groups of a tenant's routes, by entry.
pub fn groups(way: &GatewayConfig) -> Vec<Group<'_>> {
    way.entries.iter().flat_map(|entry| of_entry(way, entry)).collect()
}

/// Returns the rules in as many parts as they need HTTPRoutes, by the number of a rule's matches.
pub fn parts<T>(rules: &[T], matches: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut parts, mut begin, mut number) = (Vec::new(), 0, 0);
    for (i, rule) in rules.iter().enumerate() {
        if i > begin && (i - begin == RULES || number + matches(rule) > MATCHES) {
            parts.push(&rules[begin..i]);
            (begin, number) = (i, 0);
        }
        number += matches(rule);
    }
    parts.extend((begin < rules.len()).then(|| &rules[begin..]));
    parts
}

/// The name of an HTTPRoute for a part of an entry's hosts and a part of its rules.
pub fn route_name(entry: &Entry, class: &str, hosts: usize, rules: usize) -> String {
    let part = match (hosts, rules) {
        (0, 0) => String::new(),
        (i, j) => format!("-{}", i * 100 + j),
    };
    format!("{}-{class}{part}", class_name(entry.as_str()))
}

/// The groups of an entry: one for each class. Where concurrent requests have a limit, classes with the same kind of credentials are one group if some of their
/// routes lead to the same workload.
fn of_entry<'a>(way: &'a GatewayConfig, entry: &'a Entry) -> Vec<Group<'a>> {
    let all: Classed<'a> = credential_class::routes(way).collect();
    let by_class = |all| {
        partition(all, |a, b| a.0 == b.0)
            .into_iter()
            .map(|routes| group(entry, routes))
    };
    if way.gateway.concurrent_requests.is_none() || is_rewritten(entry) {
        return by_class(all).collect();
    }
    let mut groups = Vec::new();
    for routes in partition(all, |a, b| a.0.kind() == b.0.kind()) {
        let mixed = gains(&routes).then(|| group(entry, routes.clone()));
        match mixed.filter(|mixed| security::fits(way, mixed)) {
            Some(mixed) => groups.push(mixed),
            None => groups.extend(by_class(routes)),
        }
    }
    groups
}

fn partition<'a>(
    all: Classed<'a>,
    is_same: impl Fn(&(Class, &'a Route), &(Class, &'a Route)) -> bool,
) -> Vec<Classed<'a>> {
    let mut parts: Vec<Classed<'a>> = Vec::new();
    for one in all {
        match parts.iter_mut().find(|part| is_same(&part[0], &one)) {
            Some(part) => part.push(one),
            None => parts.push(vec![one]),
        }
    }
    parts
}

/// Returns true where classes lead to the same workload.
fn gains(together: &Classed<'_>) -> bool {
    together.iter().any(|(class, route)| {
        let mut others = together.iter().filter(|(other, _)| other != class);
        !route.targets.is_empty() && others.any(|(_, other)| other.targets == route.targets)
    })
}

fn group<'a>(entry: &'a Entry, routes: Classed<'a>) -> Group<'a> {
    let class = routes[0].0.clone();
    let is_mixed = routes.iter().any(|(other, _)| *other != class);
    let mut rules: Vec<Rule<'a>> = Vec::new();
    for (class, route) in routes {
        let targets = route.targets.as_slice();
        for value in matches(entry, &class, route) {
            let of_rule = |rule: &&mut Rule<'_>| rule.targets == targets && rule.matches.len() < MATCHES;
            let found = rules.iter_mut().find(of_rule).filter(|_| !is_rewritten(entry));
            let class = class.clone();
            let one = Match { class, value };
            match found {
                Some(rule) => rule.matches.push(one),
                None => rules.push(Rule {
                    targets,
                    rewritten: is_rewritten(entry).then_some(route),
                    matches: vec![one],
                }),
            }
        }
    }
    let name = match is_mixed {
        true => mixed_name(&class, &rules),
        false => class.name(),
    };
    Group {
        entry,
        class,
        name,
        rules,
        is_mixed,
    }
}

/// A name that changes with each place of a match that a policy relies on: a policy is never in force on other routes than it was written for.
fn mixed_name(class: &Class, rules: &[Rule<'_>]) -> String {
    let places: Vec<Vec<Value>> = rules
        .iter()
        .map(|rule| {
            rule.matches
                .iter()
                .map(|one| json!([one.class.name(), one.value]))
                .collect()
        })
        .collect();
    let digest = names::digest(json!(places).to_string().as_bytes());
    format!("{}-routes-{}", class.kind(), &digest[..8])
}

impl Group<'_> {
    /// Returns each class of the group, with the beginnings of the names by which Envoy knows its matches (`irRouteName` of Envoy Gateway 1.9).
    pub fn places(&self, way: &GatewayConfig) -> Vec<(Class, Vec<String>)> {
        let hosts = self.entry.hosts().len().div_ceil(HOSTS);
        let mut places: Vec<(Class, Vec<String>)> = Vec::new();
        for (j, rules) in parts(&self.rules, |rule| rule.matches.len()).into_iter().enumerate() {
            for (number, rule) in rules.iter().enumerate() {
                for (position, one) in rule.matches.iter().enumerate() {
                    let begins = (0..hosts).map(|i| {
                        let name = route_name(self.entry, &self.name, i, j);
                        format!("httproute/{}/{name}/rule/{number}/match/{position}/", way.owner.tenant)
                    });
                    match places.iter_mut().find(|(class, _)| *class == one.class) {
                        Some((_, known)) => known.extend(begins),
                        None => places.push((one.class.clone(), begins.collect())),
                    }
                }
            }
        }
        places
    }
}
