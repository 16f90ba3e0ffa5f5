//! What a route that asks for credentials goes on matching until others have it: what it no longer matched would take the next best route meanwhile, which
//! may ask for none. Pure.

use super::routes::refused;
use super::{blocked, class_of, rules};
use serde_json::{Value, json};

/// What an HTTPRoute has at most (Gateway API v1).
const HOSTS: usize = 16;
const RULES: usize = 16;
const MATCHES: usize = 128;

/// The route `after` as it is to be written before those in whose favour it lets go of something: with what `before` matches besides. Who asks for the same
/// credentials there is passed on as before, all others are refused.
pub fn transitional(before: &Value, after: &Value, planned: &[&Value]) -> Value {
    let mut hosts: Vec<&Value> = hostnames(after).collect();
    // What the tenant gave up is matched by no other route of its.
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
        let mut closed = blocked(after.clone());
        closed["spec"]["hostnames"] = before["spec"]["hostnames"].clone();
        closed["spec"]["rules"] = blocked(before.clone())["spec"]["rules"].clone();
        return closed;
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
