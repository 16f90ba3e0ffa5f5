//! SecurityPolicies, which decide on the clients of routes.

use super::groups::{self, Group};
use super::{CREDENTIALS, POLICIES, class_name, object, tokens};
use crate::api::RateLimitPer;
use crate::cluster::{Desired, Key, Kind};
use crate::gateway::config::{API_KEY, ClientAccess, GatewayConfig, TENANT_CLIENT, ValidApiKey, Whom};
use crate::gateway::credential_class::Class;
use crate::names;
use serde_json::{Value, json};

/// The most characters of an expression (Envoy Gateway's own bound).
const EXPRESSION: usize = 4096;
/// The most places in an expression.
const PLACES: usize = 4;

/// Clients, and the places of the routes that admit them: the beginnings of the routes' names in Envoy; none for all routes of the policy.
pub type Admitted = (Whom, Vec<String>);

pub fn policies(way: &GatewayConfig) -> Vec<Desired> {
    if way.access != ClientAccess::Open {
        return Vec::new();
    }
    let mut groups = groups::groups(way);
    groups.sort_by(|a, b| (&a.class, &a.name).cmp(&(&b.class, &b.name)));
    groups.dedup_by(|a, b| a.name == b.name);
    groups.iter().filter_map(|group| policy(way, group)).collect()
}

/// Returns true where the rules of the group's policy are within the bounds of Envoy Gateway.
pub fn fits(way: &GatewayConfig, group: &Group<'_>) -> bool {
    let spec = spec(way, group).unwrap_or_default();
    let rules = spec.pointer("/authorization/rules").and_then(Value::as_array);
    let mut expressions = rules.into_iter().flatten().filter_map(|rule| rule["cel"].as_str());
    expressions.all(|cel| cel.len() <= EXPRESSION)
}

fn policy(way: &GatewayConfig, group: &Group<'_>) -> Option<Desired> {
    let mut spec = spec(way, group)?;
    spec["targetSelectors"] = selectors(way, &group.name);
    let name = class_name(&group.name);
    Some(object(way, Kind::SecurityPolicy, POLICIES, &name, &[], spec))
}

fn spec(way: &GatewayConfig, group: &Group<'_>) -> Option<Value> {
    match &group.class {
        Class::Open => without_client(way),
        Class::Key { .. } => Some(key(way, &admitted(way, group))),
        Class::Token { .. } => {
            let mut spec = tokens::policy(way, &admitted(way, group))?;
            let rules = spec.pointer_mut("/authorization/rules").and_then(Value::as_array_mut);
            if let Some(rules) = rules.filter(|_| counts_keys(way)) {
                rules.insert(0, json!({"action": "Deny", "cel": HAS_CLIENT}));
            }
            Some(spec)
        }
    }
}

/// The client's own header of the name by which keys are counted, on a route that asks for no key. Only its last filter drops it.
const HAS_CLIENT: &str = "'x-tenant-client' in request.headers";

/// Returns true where a limit counts the requests of each key.
fn counts_keys(way: &GatewayConfig) -> bool {
    way.all_rate_limits().any(|limit| limit.per() == RateLimitPer::Key)
}

/// Returns the policy of a route that asks for no credentials, where a client could use up a key's limit there.
fn without_client(way: &GatewayConfig) -> Option<Value> {
    let admits = json!([{"action": "Allow", "cel": format!("!({HAS_CLIENT})")}]);
    counts_keys(way).then(|| json!({"authorization": {"defaultAction": "Deny", "rules": admits}}))
}

/// Returns the same for the routes of a class that no route of the spec has.
pub fn of_answer(way: &GatewayConfig, class: &str) -> Option<Desired> {
    let mut spec = without_client(way)?;
    spec["targetSelectors"] = selectors(way, class);
    Some(object(
        way,
        Kind::SecurityPolicy,
        POLICIES,
        &class_name(class),
        &[],
        spec,
    ))
}

fn admitted(way: &GatewayConfig, group: &Group<'_>) -> Vec<Admitted> {
    let places = match group.is_mixed {
        true => group.places(way),
        false => vec![(group.class.clone(), Vec::new())],
    };
    let whom = |(class, places)| match class {
        Class::Open => None,
        Class::Key { whom, .. } | Class::Token { whom } => Some((whom, places)),
    };
    places.into_iter().filter_map(whom).collect()
}

/// Returns expressions of which one holds at each of these places; one without a condition where there are none.
pub fn at(places: &[String]) -> Vec<Option<String>> {
    let one = |places: &[String]| {
        let each: Vec<String> = places
            .iter()
            .map(|place| format!("xds.route_name.startsWith('{place}')"))
            .collect();
        Some(match each.as_slice() {
            [only] => only.clone(),
            several => format!("({})", several.join(" || ")),
        })
    };
    match places.is_empty() {
        true => vec![None],
        false => places.chunks(PLACES).map(one).collect(),
    }
}

/// The tenant's routes that are called so.
pub fn selectors(way: &GatewayConfig, class: &str) -> Value {
    json!([{
        "group": "gateway.networking.k8s.io",
        "kind": "HTTPRoute",
        "matchLabels": {(CREDENTIALS): class, (names::TENANT_ID): way.owner.id},
    }])
}

fn key(way: &GatewayConfig, admitted: &[Admitted]) -> Value {
    let mut spec = json!({"apiKeyAuth": {
        "credentialRefs": [{"group": "", "kind": "Secret", "name": names::API_KEYS_SECRET}],
        "extractFrom": [{"headers": [API_KEY]}],
        "forwardClientIDHeader": TENANT_CLIENT,
        "sanitize": true,
    }});
    if !matches!(admitted, [(Whom::All, places)] if places.is_empty()) {
        let rules: Vec<Value> = admitted.iter().flat_map(|one| clients(way, one)).collect();
        spec["authorization"] = json!({"defaultAction": "Deny", "rules": rules});
    }
    spec
}

/// Returns rules for the keys among these clients, at their places.
fn clients(way: &GatewayConfig, (whom, places): &Admitted) -> Vec<Value> {
    let fitting = way.gateway.keys.iter().filter(|key| whom.includes(&key.roles));
    // The key before it opens too, and the one that will take its place.
    let clients = |key: &ValidApiKey| {
        let [own, former] = names::api_key_clients(&key.name);
        [own, former, names::api_key_next(&key.name)]
    };
    let clients: Vec<String> = fitting.flat_map(clients).collect();
    let rule = |at: Option<String>| {
        let mut rule =
            json!({"action": "Allow", "principal": {"headers": [{"name": TENANT_CLIENT, "values": clients}]}});
        if let Some(at) = at {
            rule["cel"] = json!(at);
        }
        rule
    };
    match clients.is_empty() {
        true => Vec::new(),
        false => at(places).into_iter().map(rule).collect(),
    }
}

/// The key set by which tokens are known, where a policy has it in itself.
pub fn asked(key: &Key, policy: &Value) -> Option<String> {
    let inline = policy.pointer("/spec/jwt/providers/0/localJWKS/inline")?;
    (key.kind == Kind::SecurityPolicy)
        .then(|| inline.as_str().map(String::from))
        .flatten()
}
