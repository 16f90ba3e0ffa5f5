//! HTTPRoutes: one for each way to be known and each class of credentials, since a policy is for whole routes.

use super::groups::{self, HOSTS, Rule};
use super::listeners::LISTENERS;
use super::matches::known_by;
use super::{CLOSED, CREDENTIALS, POLICIES, ROUTES, fallbacks, object, object_of, tokens};
use crate::api::PathType;
use crate::cluster::{Desired, Identity, Kind};
use crate::gateway::Attachment;
use crate::gateway::config::{API_KEY, ClientAccess, Entry, GatewayConfig, TENANT_CLIENT, Target};
use crate::gateway::credential_class::Class;
use serde::Serialize;
use serde_json::{Value, json};

/// The filter that answers where nobody is let through.
const REFUSAL: &str = "tenant-closed";

pub fn routes(way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
    let mut objects = Vec::new();
    match way.access {
        ClientAccess::Blocked(_) => {
            let closed = way.entries.iter();
            objects.extend(closed.flat_map(|entry| of_rules(way, to, entry, CLOSED, &[blocked(entry)])));
        }
        ClientAccess::Open => {
            for group in groups::groups(way) {
                let rules: Vec<Value> = group.rules.iter().map(|one| rule(way, &group.class, one)).collect();
                objects.extend(of_rules(way, to, group.entry, &group.name, &rules));
            }
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

/// Returns as many HTTPRoutes as these rules and the entry's hosts need.
pub fn of_rules(way: &GatewayConfig, to: &Attachment, entry: &Entry, class: &str, rules: &[Value]) -> Vec<Desired> {
    let number = |rule: &Value| rule["matches"].as_array().map_or(0, Vec::len);
    let mut objects = Vec::new();
    for (i, hosts) in entry.hosts().chunks(HOSTS).enumerate() {
        for (j, rules) in groups::parts(rules, number).into_iter().enumerate() {
            let name = groups::route_name(entry, class, i, j);
            let spec = json!({
                "parentRefs": [parent(way, to, entry)],
                "hostnames": hosts,
                "rules": rules,
            });
            let labels = [(CREDENTIALS, class)];
            objects.push(object(way, Kind::HttpRoute, ROUTES, &name, &labels, spec));
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

fn rule(way: &GatewayConfig, class: &Class, rule: &Rule<'_>) -> Value {
    let matches: Vec<&Value> = rule.matches.iter().map(|one| &one.value).collect();
    if rule.targets.is_empty() {
        return refused(matches);
    }
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
    if let Some(route) = rule.rewritten {
        let rewrite = match route.path.type_ {
            PathType::PathPrefix => json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": route.path.value}),
            PathType::Exact => json!({"type": "ReplaceFullPath", "replaceFullPath": route.path.value}),
        };
        filters.push(json!({"type": "URLRewrite", "urlRewrite": {"path": rewrite}}));
    }
    let refer = match fallbacks::has_one(rule.targets) {
        true => fallbacks::reference,
        false => backend,
    };
    let backends: Vec<Value> = rule.targets.iter().map(refer).collect();
    json!({"matches": matches, "filters": filters, "backendRefs": backends})
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
