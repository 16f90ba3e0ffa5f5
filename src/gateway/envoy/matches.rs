//! Matches of HTTPRoutes: the requests that take a tenant's route by one of its entries. Pure.

use crate::api::PathType;
use crate::gateway::config::{API_KEY, Entry, Route, TENANT_ID};
use crate::gateway::credential_class::Class;
use serde_json::{Value, json};

/// Returns true where the gateway rewrites the path, for which a rule may have but one match.
pub fn is_rewritten(entry: &Entry) -> bool {
    matches!(entry, Entry::Path { .. })
}

/// Returns a route's path as clients see it.
fn path(entry: &Entry, route: &Route) -> Value {
    let (type_, value) = (route.path.type_.as_str(), &route.path.value);
    let whole = match entry {
        Entry::Path { prefix, .. } if value == "/" && route.path.type_ == PathType::PathPrefix => prefix.clone(),
        Entry::Path { prefix, .. } => format!("{prefix}{value}"),
        _ => value.clone(),
    };
    json!({"type": type_, "value": whole})
}

/// One match for each method and each value of the header that there may be.
pub fn matches(entry: &Entry, class: &Class, route: &Route) -> Vec<Value> {
    let path = path(entry, route);
    let mut headers = Vec::new();
    if class.is_told_by_header() {
        headers.push(json!({"type": "RegularExpression", "name": API_KEY, "value": ".+"}));
    }
    let methods: Vec<Option<&str>> = match route.methods.as_slice() {
        [] => vec![None],
        methods => methods.iter().map(|method| Some(method.as_str())).collect(),
    };
    let mut matches = Vec::new();
    for with in known_by(entry) {
        for method in &methods {
            let mut one = json!({"path": path});
            let headers: Vec<Value> = with.iter().chain(&headers).cloned().collect();
            if !headers.is_empty() {
                one["headers"] = json!(headers);
            }
            if let Some(method) = method {
                one["method"] = json!(method);
            }
            matches.push(one);
        }
    }
    matches
}

/// Returns the headers that a request must have, in any of these combinations.
pub fn known_by(entry: &Entry) -> Vec<Vec<Value>> {
    match entry {
        Entry::Header { values, .. } => values
            .iter()
            .map(|value| vec![json!({"type": "Exact", "name": TENANT_ID, "value": value})])
            .collect(),
        _ => vec![Vec::new()],
    }
}
