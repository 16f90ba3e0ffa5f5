//! Matches that a route with credentials keeps until other routes have them. A request that the route gave up would otherwise take the next best route, which
//! may ask for no credentials. Pure.

use super::routes::refused;
use super::{blocked, class_of, rules};
use serde_json::{Value, json};

/// The most hosts of an HTTPRoute (Gateway API v1).
const HOSTS: usize = 16;
const RULES: usize = 16;
const MATCHES: usize = 128;

/// Returns `after` for the time before the routes that take over its matches: it also keeps the matches of `before`. There it still admits clients with the
/// same credentials and refuses all others.
pub fn transitional(before: &Value, after: &Value, planned: &[&Value]) -> Value {
    let mut hosts: Vec<&Value> = hostnames(after).collect();
    // No other route of the tenant matches the requests that it gave up.
    let moved =
        hostnames(before).filter(|host| planned.iter().any(|route| hostnames(route).any(|taken| taken == *host)));
    for host in moved {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let mut all = rules(after).to_vec();
    for rule in rules(before) {
        let lost = matches(rule).filter(|one| !all_matches(after).any(|kept| kept == *one));
        let (same, others): (Vec<&Value>, Vec<&Value>) = lost.partition(|one| {
            let mut alike = planned.iter().filter(|route| class_of(route) == class_of(before));
            alike.any(|route| all_matches(route).any(|taken| taken == *one))
        });
        if !same.is_empty() {
            let mut rule = rule.clone();
            rule["matches"] = json!(same);
            all.push(rule);
        }
        if !others.is_empty() {
            all.push(refused(others));
        }
    }
    let number: usize = all.iter().map(|rule| matches(rule).count()).sum();
    if hosts.len() > HOSTS || all.len() > RULES || number > MATCHES {
        let mut whole = blocked(after.clone());
        whole["spec"]["hostnames"] = before["spec"]["hostnames"].clone();
        whole["spec"]["rules"] = blocked(before.clone())["spec"]["rules"].clone();
        return whole;
    }
    let mut transitional = after.clone();
    transitional["spec"]["hostnames"] = json!(hosts);
    transitional["spec"]["rules"] = json!(all);
    transitional
}

fn list<'a>(value: Option<&'a Value>) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn hostnames(route: &Value) -> impl Iterator<Item = &Value> {
    list(route.pointer("/spec/hostnames"))
}

fn matches(rule: &Value) -> impl Iterator<Item = &Value> {
    list(rule.get("matches"))
}

fn all_matches(route: &Value) -> impl Iterator<Item = &Value> {
    rules(route).iter().flat_map(matches)
}

#[cfg(test)]
#[path = "handover_test.rs"]
mod tests;
