//! HTTPRoutes: one for each way to be known and each class of credentials, since a policy is for whole routes.

use super::listeners::LISTENERS;
use super::{CLOSED, CREDENTIALS, POLICIES, ROUTES, class_name, fallbacks, object, object_of, tokens};
use crate::api::PathType;
use crate::cluster::{Desired, Identity, Kind};
use crate::gateway::Attachment;
use crate::gateway::config::{API_KEY, ClientAccess, Entry, GatewayConfig, Route, TENANT_CLIENT, TENANT_ID, Target};
use crate::gateway::credential_class::{self, Class};
use serde::Serialize;
use serde_json::{Value, json};

/// Limits of an HTTPRoute (Gateway API v1): 16 hosts, and 128 matches, of which a rule here has up to 18.
const HOSTS: usize = 16;
const RULES: usize = 7;
/// The filter that answers where nobody is let through.
const REFUSAL: &str = "tenant-closed";

/// Routes of one class of credentials.
struct Classed<'a> {
    class: Class,
    routes: Vec<&'a Route>,
}

pub fn routes(way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
    let mut objects = Vec::new();
    for entry in &way.entries {
        if let ClientAccess::Blocked(_) = way.access {
            let rules = vec![blocked(entry)];
            objects.extend(of_rules(way, to, entry, CLOSED, rules));
            continue;
        }
        for Classed { class, routes } in classes(way) {
            let rules = routes
                .into_iter()
                .flat_map(|route| rules(way, entry, &class, route))
                .collect();
            objects.extend(of_rules(way, to, entry, &class.name(), rules));
        }
    }
    let why = match way.access {
        ClientAccess::Blocked(why) => Some(why),
        // Until it is known that credentials are asked for, and where nothing is led to.
        ClientAccess::Open
            if way.has_loose_end()
                || objects
                    .iter()
                    .any(|route| super::guard(&route.key, &route.value).is_some()) =>
        {
            Some("this route is not open")
        }
        ClientAccess::Open => None,
    };
    if let Some(why) = why {
        objects.push(answer(&way.owner, why));
    }
    objects
}

/// Returns the answer to refused requests.
pub fn answer(owner: &Identity, why: &str) -> Desired {
    let body = json!({"status": 503, "reason": "TenantUnavailable", "message": why}).to_string();
    let spec = json!({"directResponse": {
        "statusCode": 503,
        "contentType": "application/json",
        "body": {"type": "Inline", "inline": body},
    }});
    object_of(owner, Kind::HttpRouteFilter, POLICIES, REFUSAL, &[], spec)
}

/// The tenant's routes by the credentials that they ask for.
fn classes(way: &GatewayConfig) -> Vec<Classed<'_>> {
    let mut classes: Vec<Classed<'_>> = Vec::new();
    for (class, route) in credential_class::routes(way) {
        match classes.iter_mut().find(|known| known.class == class) {
            Some(known) => known.routes.push(route),
            None => classes.push(Classed {
                class,
                routes: vec![route],
            }),
        }
    }
    classes
}

/// Returns as many HTTPRoutes as these rules and the entry's hosts need.
pub fn of_rules(way: &GatewayConfig, to: &Attachment, entry: &Entry, class: &str, rules: Vec<Value>) -> Vec<Desired> {
    let mut objects = Vec::new();
    for (i, hosts) in entry.hosts().chunks(HOSTS).enumerate() {
        for (j, rules) in rules.chunks(RULES).enumerate() {
            let part = match (i, j) {
                (0, 0) => String::new(),
                (i, j) => format!("-{}", i * 100 + j),
            };
            let name = format!("{}-{class}{part}", class_name(entry.as_str()));
            let spec = json!({
                "parentRefs": [parent(way, to, entry)],
                "hostnames": hosts,
                "rules": rules,
            });
            objects.push(object(
                way,
                Kind::HttpRoute,
                ROUTES,
                &name,
                &[(CREDENTIALS, class)],
                spec,
            ));
        }
    }
    objects
}

/// Returns the parent of an entry's routes: the platform's Gateway, or the tenant's listeners there for hosts with certificates of their own.
fn parent(way: &GatewayConfig, to: &Attachment, entry: &Entry) -> Value {
    let (kind, namespace, name) = match entry {
        Entry::SecureHosts(_) => (Kind::ListenerSet.as_str(), &way.owner.tenant, LISTENERS),
        _ => ("Gateway", &to.namespace, to.name.as_str()),
    };
    json!({"group": "gateway.networking.k8s.io", "kind": kind, "namespace": namespace, "name": name})
}

fn rules(way: &GatewayConfig, entry: &Entry, class: &Class, route: &Route) -> Vec<Value> {
    let mut headers = Vec::new();
    if class.is_told_by_header() {
        headers.push(json!({"type": "RegularExpression", "name": API_KEY, "value": ".+"}));
    }
    let path = path(entry, route);
    let context = way.context().into_iter();
    let context: Vec<Value> = context
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let mut modifier = json!({"set": context});
    let removed = removed(way, class);
    if !removed.is_empty() {
        modifier["remove"] = json!(removed);
    }
    let mut filters = vec![json!({"type": "RequestHeaderModifier", "requestHeaderModifier": modifier})];
    if let Entry::Path { .. } = entry {
        let rewrite = match route.path.type_ {
            PathType::PathPrefix => json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": route.path.value}),
            PathType::Exact => json!({"type": "ReplaceFullPath", "replaceFullPath": route.path.value}),
        };
        filters.push(json!({"type": "URLRewrite", "urlRewrite": {"path": rewrite}}));
    }
    let matches = matches(entry, &path, headers, route);
    // A path that is rewritten may have but one match.
    let each = match entry {
        Entry::Path { .. } => 1,
        _ => matches.len(),
    };
    let refer = if fallbacks::has_one(route) {
        fallbacks::reference
    } else {
        backend
    };
    let backends: Vec<Value> = route.targets.iter().map(refer).collect();
    let rule = |matches: &[Value]| match backends.as_slice() {
        [] => refused(matches),
        backends => json!({"matches": matches, "filters": filters, "backendRefs": backends}),
    };
    matches.chunks(each.max(1)).map(rule).collect()
}

/// Returns the client's headers that the workload must not get.
fn removed<'a>(way: &'a GatewayConfig, class: &Class) -> Vec<&'a str> {
    let mut removed: Vec<&str> = way.absent();
    // With a key they are set by the filter that looks at it, which comes before this one.
    if !class.has_client() {
        removed.push(TENANT_CLIENT);
        // A client may send a key to a route that asks for none; the gateway hides it from the workload.
        if !way.gateway.keys.is_empty() {
            removed.push(API_KEY);
        }
    }
    match class {
        // The filter that looks at the token drops the client's, also where the token lacks the claim.
        Class::Token { .. } => removed.extend(tokens::unsent(way).into_iter().map(|(header, _)| header)),
        Class::Open | Class::Key { .. } => removed.extend(way.claim_headers().iter().map(|sent| sent.header.as_str())),
    }
    removed
}

fn backend(target: &Target) -> Value {
    let Target { backend, weight, .. } = target;
    let mut reference =
        json!({"group": "", "kind": "Service", "name": backend.service, "port": backend.port, "weight": weight});
    if let Some(namespace) = &backend.namespace {
        reference["namespace"] = json!(namespace);
    }
    reference
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
fn matches(entry: &Entry, path: &Value, headers: Vec<Value>, route: &Route) -> Vec<Value> {
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
fn known_by(entry: &Entry) -> Vec<Vec<Value>> {
    match entry {
        Entry::Header { values, .. } => values
            .iter()
            .map(|value| vec![json!({"type": "Exact", "name": TENANT_ID, "value": value})])
            .collect(),
        _ => vec![Vec::new()],
    }
}

/// Answers everything that comes by this entry.
fn blocked(entry: &Entry) -> Value {
    let prefix = match entry {
        Entry::Path { prefix, .. } => prefix,
        _ => "/",
    };
    let path = json!({"type": "PathPrefix", "value": prefix});
    let matches: Vec<Value> = known_by(entry)
        .into_iter()
        .map(|headers| match headers.is_empty() {
            true => json!({"path": path}),
            false => json!({"path": path, "headers": headers}),
        })
        .collect();
    refused(&matches)
}

/// A rule that answers these matches with 503.
pub fn refused(matches: impl Serialize) -> Value {
    json!({"matches": matches, "filters": [{
        "type": "ExtensionRef",
        "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": REFUSAL},
    }]})
}
