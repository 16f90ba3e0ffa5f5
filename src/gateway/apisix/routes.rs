//! ApisixRoutes: one for each way to be known. APISIX counts requests for each rule of a route, so that paths which differ in nothing else share one.

use super::limits::Limits;
use super::{NAME, key_set, object, plugin, security, upstreams};
use crate::api::{HttpMethod, PathType, RateLimit};
use crate::capability::canonical;
use crate::cluster::{Desired, Kind, Live};
use crate::gateway::Attachment;
use crate::gateway::config::{
    API_KEY, Backend, ClientAccess, Entry, GatewayConfig, Route, TENANT_CLIENT, TENANT_ID, Target, Unsupported,
};
use crate::gateway::credential_class::{self, Class};
use crate::names;
use serde_json::{Value, json};

/// The plugin that answers by itself.
const MOCKING: &str = "mocking";

/// Routes that differ in their paths only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub entry: usize,
    pub class: Class,
    pub targets: Vec<Target>,
    methods: Vec<HttpMethod>,
    type_: PathType,
    /// Below the entry, as the workload sees them.
    paths: Vec<String>,
    /// The reason why the route admits nobody: this gateway cannot decide whom to admit, or the route has no backend.
    pub blocked: Option<&'static str>,
    /// The limits of its only route, and a digest of that route.
    pub limited: Option<(String, Vec<RateLimit>)>,
    /// The JSON Schema of the bodies of its requests.
    schema: Option<Value>,
}

/// Returns the rules of each entry, the most specific first.
pub fn rules(way: &GatewayConfig, reads_tokens: bool, unsupported: &mut Vec<Unsupported>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for entry in 0..way.entries.len() {
        for (class, route) in credential_class::routes(way) {
            let rule = rule(entry, class, route, reads_tokens);
            match rules.iter_mut().find(|known| known.differs_in_paths_only(&rule)) {
                Some(known) => known.paths.extend(rule.paths),
                None => rules.push(rule),
            }
        }
    }
    let starred = way.gateway.routes.iter().filter(|route| route.path.value.contains('*'));
    unsupported.extend(starred.map(|route| {
        let message = format!(
            "{}: APISIX treats * as a wildcard, so it answers this route and all paths with the same beginning with 503",
            route.path.value
        );
        Unsupported::feature("spec.gateway.routes[].path", message)
    }));
    rules
}

fn rule(entry: usize, class: Class, route: &Route, reads_tokens: bool) -> Rule {
    let blocked = match &class {
        _ if route.path.value.contains('*') => Some("this path is ambiguous"),
        _ if route.targets.is_empty() => Some("there is no such application"),
        Class::Token { .. } if !reads_tokens => Some("this gateway cannot verify the required tokens"),
        _ => None,
    };
    Rule {
        entry,
        class,
        targets: route.targets.clone(),
        methods: route.methods.clone(),
        type_: route.path.type_,
        paths: vec![route.path.value.clone()],
        blocked,
        schema: route.request_schema.clone(),
        limited: (!route.rate_limits.is_empty()).then(|| (digest(route), route.rate_limits.clone())),
    }
}

/// Returns a digest of the requests that a route is for.
fn digest(route: &Route) -> String {
    let methods: Vec<&str> = route.methods.iter().map(|method| method.as_str()).collect();
    let requests = json!([route.path.type_.as_str(), route.path.value, methods]);
    names::digest(requests.to_string().as_bytes())[..8].into()
}

impl Rule {
    fn differs_in_paths_only(&self, other: &Self) -> bool {
        let paths = self.paths.clone();
        *self == Self { paths, ..other.clone() }
    }

    /// A name that stays when other rules come and go: APISIX counts by it.
    fn name(&self) -> String {
        let exact = match self.type_ {
            PathType::Exact => "-exact",
            PathType::PathPrefix => "",
        };
        let methods: Vec<&str> = self.methods.iter().map(|method| method.as_str()).collect();
        let methods = match methods.is_empty() {
            true => String::new(),
            false => format!("-{}", methods.join("-").to_lowercase()),
        };
        let blocked = if self.blocked.is_some() { "-barred" } else { "" };
        let names: Vec<String> = self.targets.iter().map(|target| target_name(&target.backend)).collect();
        let to = match names.as_slice() {
            [] => "nowhere".into(),
            [only] => only.clone(),
            // Another weight is the same name.
            [first, ..] => format!("{first}-{}", &names::digest(names.join(",").as_bytes())[..8]),
        };
        let limited = self.limited.as_ref();
        let limited = limited.map_or_else(String::new, |(digest, _)| format!("-{digest}"));
        let schema = self.schema.as_ref().map(canonical);
        let schema = schema.map_or_else(String::new, |text| format!("-{}", &names::digest(text.as_bytes())[..8]));
        format!("{to}-{}{exact}{methods}{blocked}{limited}{schema}", self.class.name())
    }

    /// Returns the precedence among rules with the same path; a longer path wins in any case.
    fn priority(&self) -> u8 {
        let exact = u8::from(self.type_ == PathType::Exact);
        let methods = u8::from(!self.methods.is_empty());
        4 * exact + 2 * methods + u8::from(self.class.is_told_by_header())
    }

    /// Returns the rule's paths as clients see them.
    fn paths(&self, entry: &Entry) -> Vec<String> {
        let prefix = match entry {
            Entry::Path { prefix, .. } => prefix,
            _ => "",
        };
        let both = |path: &String| match (self.type_, path.as_str()) {
            (PathType::Exact, path) => vec![format!("{prefix}{path}")],
            (PathType::PathPrefix, "/") => below(prefix),
            (PathType::PathPrefix, path) => below(&format!("{prefix}{path}")),
        };
        self.paths.iter().flat_map(both).collect()
    }
}

fn target_name(backend: &Backend) -> String {
    let Backend {
        service,
        namespace,
        port,
    } = backend;
    match namespace {
        None => format!("{service}-{port}"),
        Some(namespace) => format!("{service}.{namespace}-{port}"),
    }
}

/// A path and everything below it.
fn below(path: &str) -> Vec<String> {
    let all = format!("{path}/*");
    match path {
        "" => vec![all],
        path => vec![path.to_string(), all],
    }
}

pub fn open(
    way: &GatewayConfig,
    to: &Attachment,
    rules: &[Rule],
    limits: &Limits,
    tokens: Option<&Value>,
) -> Vec<Desired> {
    let of_entry = |(i, entry): (usize, &Entry)| {
        let rules = rules.iter().filter(|rule| rule.entry == i);
        let rules = rules.map(|rule| http(way, entry, rule, limits, tokens));
        let rules: Vec<Value> = rules.chain(key_set::http(way, entry)).collect();
        route(way, to, entry, &rules)
    };
    way.entries.iter().enumerate().map(of_entry).collect()
}

/// Returns an open route's object with the route blocked.
pub fn blocked_with_reason(live: &Live, why: &str) -> Option<Desired> {
    let mut value = live.value.clone();
    let rules = value.pointer_mut("/spec/http").and_then(Value::as_array_mut)?;
    let answers_itself = |rule: &Value| {
        let plugins = rule["plugins"].as_array().into_iter().flatten();
        plugins.filter(|plugin| plugin["name"] == MOCKING).count() == 1
    };
    if rules.iter().all(answers_itself) {
        return None;
    }
    for rule in rules.iter_mut().filter(|rule| !answers_itself(rule)) {
        rule["plugins"] = json!([refusal(503, why)]);
        rule.as_object_mut()?.remove("plugin_config_name");
    }
    Some(live.with(value))
}

/// Answers everything that comes by any entry.
pub fn blocked(way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
    let ClientAccess::Blocked(why) = way.access else {
        return Vec::new();
    };
    let of_entry = |entry: &Entry| {
        let paths = match entry {
            Entry::Path { prefix, .. } => below(prefix),
            _ => below(""),
        };
        let mut http = json!({
            "name": "closed",
            "match": {"hosts": entry.hosts(), "paths": paths},
            "plugins": [refusal(503, why)],
        });
        // APISIX has no route to nowhere.
        if let Some(route) = way.gateway.routes.first() {
            lead_to(&mut http, &route.targets);
        }
        let known_by = known_by(entry);
        if !known_by.is_empty() {
            http["match"]["exprs"] = json!(known_by);
        }
        route(way, to, entry, &[http])
    };
    way.entries.iter().map(of_entry).collect()
}

fn route(way: &GatewayConfig, to: &Attachment, entry: &Entry, http: &[Value]) -> Desired {
    let name = format!("{NAME}-{}", entry.as_str());
    object(way, to, Kind::ApisixRoute, &name, json!({"http": http}))
}

fn http(way: &GatewayConfig, entry: &Entry, rule: &Rule, limits: &Limits, tokens: Option<&Value>) -> Value {
    let mut match_ = json!({"hosts": entry.hosts(), "paths": rule.paths(entry)});
    if !rule.methods.is_empty() {
        let methods: Vec<&str> = rule.methods.iter().map(|method| method.as_str()).collect();
        match_["methods"] = json!(methods);
    }
    let mut exprs = known_by(entry);
    if rule.class.is_told_by_header() {
        exprs.push(json!({"subject": {"scope": "Header", "name": API_KEY}, "op": "RegexMatch", "value": ".+"}));
    }
    if !exprs.is_empty() {
        match_["exprs"] = json!(exprs);
    }
    let mut http = json!({
        "name": rule.name(),
        "match": match_,
        "priority": rule.priority(),
    });
    lead_to(&mut http, &rule.targets);
    if let Some(why) = rule.blocked {
        http["plugins"] = json!([refusal(503, why)]);
        return http;
    }
    let mut plugins = security::plugins(way, &rule.class, tokens);
    plugins.extend(rule.schema.as_ref().map(bodies));
    plugins.push(plugin("proxy-rewrite", rewrite(way, entry)));
    plugins.extend(limits.connections(rule));
    plugins.extend(limits.of_route(way, rule));
    http["plugins"] = json!(plugins);
    if limits.has_config() {
        http["plugin_config_name"] = json!(NAME);
    }
    if let Some(time) = way.gateway.traffic.request_timeout {
        let time = whole_seconds(time);
        http["timeout"] = json!({"connect": time, "send": time, "read": time});
    }
    http
}

/// Refuses requests whose body does not satisfy a schema.
fn bodies(schema: &Value) -> Value {
    plugin(
        "request-validation",
        json!({"body_schema": schema, "rejected_code": 400}),
    )
}

/// In whole seconds, which is all that the ingress controller passes on.
fn whole_seconds(time: std::time::Duration) -> String {
    format!("{}s", super::upstreams::seconds(time))
}

pub fn lead_to(http: &mut Value, targets: &[Target]) {
    let has_several = targets.len() > 1;
    let weighted = |mut reference: Value, weight: i32| {
        if has_several {
            reference["weight"] = json!(weight);
        }
        reference
    };
    let (mut backends, mut upstreams) = (Vec::new(), Vec::new());
    for Target { backend, weight, .. } in targets {
        match backend.namespace {
            None => {
                let own = json!({"serviceName": backend.service, "servicePort": backend.port});
                backends.push(weighted(own, *weight));
            }
            // A route names Services of its own namespace only.
            Some(_) => upstreams.push(weighted(json!({"name": upstreams::name(backend)}), *weight)),
        }
    }
    if targets.is_empty() {
        upstreams.push(json!({"name": upstreams::NOWHERE}));
    }
    for (field, list) in [("backends", backends), ("upstreams", upstreams)] {
        if !list.is_empty() {
            http[field] = json!(list);
        }
    }
}

/// Sets the headers that name the request's tenant, and removes the tenant's prefix from the path.
fn rewrite(way: &GatewayConfig, entry: &Entry) -> Value {
    let set: serde_json::Map<String, Value> = way
        .context()
        .into_iter()
        .map(|(name, value)| (name.to_string(), json!(value)))
        .collect();
    // The name of a key is put in after this.
    let mut removed = vec![TENANT_CLIENT];
    // A client may send a key to a route that asks for none. The gateway hides it from the workload; plugins that read keys run earlier.
    if !way.gateway.keys.is_empty() {
        removed.push(API_KEY);
    }
    removed.extend(way.absent());
    removed.extend(way.claim_headers().iter().map(|sent| sent.header.as_str()));
    let mut rewrite = json!({"headers": {"set": set, "remove": removed}});
    if let Entry::Path { prefix, .. } = entry {
        rewrite["regex_uri"] = json!([format!("^{prefix}/?(.*)$"), "/$1"]);
    }
    rewrite
}

/// Returns a route's further conditions: a header, or TLS.
fn known_by(entry: &Entry) -> Vec<Value> {
    match entry {
        Entry::SecureHosts(_) => {
            vec![json!({"subject": {"scope": "Variable", "name": "scheme"}, "op": "Equal", "value": "https"})]
        }
        Entry::Header { values, .. } => {
            vec![json!({"subject": {"scope": "Header", "name": TENANT_ID}, "op": "In", "set": values})]
        }
        _ => Vec::new(),
    }
}

/// Returns the plugin that answers in the workload's place.
pub fn refusal(status: u16, why: &str) -> Value {
    let reason = match status {
        403 => "Forbidden",
        _ => "TenantUnavailable",
    };
    plugin(
        MOCKING,
        json!({
            "response_status": status,
            "content_type": "application/json;charset=utf8",
            "response_example": json!({"status": status, "reason": reason, "message": why}).to_string(),
            "with_mock_header": false,
        }),
    )
}
