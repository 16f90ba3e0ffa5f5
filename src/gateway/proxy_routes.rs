//! The routes that a proxy of the gateway has, and the workloads behind them, by its own metrics. Pure.

use std::collections::{BTreeSet, HashMap};

/// The path of a proxy's statistics: for each route one counter, for each rule with workloads one gauge.
pub const PATH: &str = concat!(
    "/stats/prometheus?filter=(%5Evhost%5C..*%5C.route%5C..*%5C.upstream_rq_total%24)",
    "%7C(%5Ecluster%5C.httproute%2F%5B%5E.%5D*%5C.membership_healthy%24)"
);

/// A route, `<namespace>/<name>`, served by a listener whose name has dots. Envoy tells virtual host and route apart by dots, so it writes both into the name
/// of the metric, without any other sign than `_`.
#[derive(Debug, Hash, PartialEq, Eq)]
struct Blurred {
    /// The namespace of the listener, where it is one of a ListenerSet: it is called as its host.
    namespace: Option<String>,
    route: String,
}

/// The routes that one proxy has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The hosts under which each route, `<namespace>/<name>`, is served, with `_` for each dot.
    hosts: HashMap<String, BTreeSet<String>>,
    /// The virtual hosts, `<listener>_<host>`, under which each blurred route is served.
    blurred: HashMap<Blurred, BTreeSet<String>>,
    /// The rules, `httproute/<namespace>/<name>/rule/<number>`, and true where a workload is behind it.
    pub rules: HashMap<String, bool>,
}

/// Writes text as in the name of a metric.
fn blur(text: &str) -> String {
    text.replace(|char: char| !char.is_ascii_alphanumeric(), "_")
}

/// Reads a proxy's statistics.
pub fn read(text: &str) -> Routes {
    let mut routes = Routes::default();
    let label = |labels: &str, name: &str| {
        let (_, rest) = labels.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(((metric, labels), value)) = line
            .rsplit_once('}')
            .and_then(|(name, value)| Some((name.split_once('{')?, value)))
        else {
            continue;
        };
        if let Some(rule) = label(labels, "envoy_cluster_name") {
            let has_any = routes.rules.entry(whole(&rule)).or_default();
            *has_any |= value.trim() != "0";
            continue;
        }
        let virtual_host = label(labels, "envoy_virtual_host").unwrap_or_default();
        let parts: Vec<&str> = virtual_host.split('/').collect();
        if let Some(route) = label(labels, "envoy_route") {
            let host = parts.last().copied().unwrap_or_default().to_owned();
            routes.hosts.entry(route).or_default().insert(host);
        } else if let Some(rest) = metric.strip_prefix("envoy_vhost_") {
            let rest = rest.strip_suffix("_upstream_rq_total").unwrap_or(rest);
            let namespace = parts.get(2).filter(|_| parts.len() > 3);
            let listener = blur(parts.last().copied().unwrap_or_default());
            // The word may be part of a host too: then a route of that name is found that nobody has.
            for (at, word) in rest.match_indices("_route_") {
                let blurred = Blurred {
                    namespace: namespace.map(|name| (*name).to_owned()),
                    route: rest[at + word.len()..].to_owned(),
                };
                let virtual_host = format!("{listener}_{}", &rest[..at]);
                routes.blurred.entry(blurred).or_default().insert(virtual_host);
            }
        }
    }
    routes
}

/// Returns the rule of a cluster: Envoy Gateway gives each backend of a rule its own while another has no pod.
fn whole(cluster: &str) -> String {
    let (rule, _) = cluster.split_once("/backend/").unwrap_or((cluster, ""));
    rule.to_owned()
}

impl Routes {
    /// Returns true if a host of a route is served, or any where there is none. Below a wildcard, only some hosts may have listeners.
    pub fn serves(&self, namespace: &str, name: &str, host: Option<&str>) -> bool {
        let route = format!("{namespace}/{name}");
        let plain = self.hosts.get(&route);
        let blurred = |namespace: Option<&str>| {
            self.blurred.get(&Blurred {
                namespace: namespace.map(String::from),
                route: blur(&route),
            })
        };
        let (of_set, of_gateway) = (blurred(Some(namespace)), blurred(None));
        let any = |all: Option<&BTreeSet<String>>, is_it: &dyn Fn(&str) -> bool| {
            all.is_some_and(|all| all.iter().any(|one| is_it(one)))
        };
        match host.map(|host| (host, host.strip_prefix('*'))) {
            None => [plain, of_set, of_gateway].into_iter().any(|all| any(all, &|_| true)),
            Some((_, Some(below))) => {
                any(plain, &|one| one.ends_with(&below.replace('.', "_")))
                    || [of_set, of_gateway]
                        .into_iter()
                        .any(|all| any(all, &|one| one.ends_with(&blur(below))))
            }
            Some((host, None)) => {
                let name = blur(host);
                any(plain, &|one| one == host.replace('.', "_"))
                    || any(of_set, &|one| one == format!("{name}_{name}"))
                    || any(of_gateway, &|one| one.ends_with(&format!("_{name}")))
            }
        }
    }
}
