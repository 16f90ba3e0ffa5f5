//! The gateway's proxies, by their own metrics: the routes that each has, and the workloads behind them. The gateway's controller accepts a route seconds before
//! a proxy has it.

use super::Attachment;
use crate::cluster::{Desired, Kind};
use crate::telemetry::scrape::scrape;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The path of a proxy's statistics: for each route one counter, for each rule with workloads one gauge.
const PATH: &str = concat!(
    "/stats/prometheus?filter=(%5Evhost%5C..*%5C.route%5C..*%5C.upstream_rq_total%24)",
    "%7C(%5Ecluster%5C.httproute%2F%5B%5E.%5D*%5C.membership_healthy%24)"
);
/// Number of proxies to read at once.
const AT_ONCE: usize = 4;
/// Shortest time between two reads for all tenants together; a read that takes long rests longer.
const REST: Duration = Duration::from_secs(1);
const REST_FACTOR: u32 = 5;
/// The time that a rule without a ready workload is waited for: there may be none, which is not the gateway's fault.
const EMPTY: Duration = Duration::from_secs(10);

/// The routes that one proxy has.
#[derive(Debug, Default, PartialEq, Eq)]
struct Routes {
    /// The hosts under which each route, `<namespace>/<name>`, is served.
    hosts: HashMap<String, BTreeSet<String>>,
    /// The rules, `httproute/<namespace>/<name>/rule/<number>`, and true where a workload is behind it.
    rules: HashMap<String, bool>,
}

/// What a tenant's routes need of a proxy: for each route its number of hosts, and its rules that lead to workloads.
type Needs = BTreeMap<String, (usize, Vec<String>)>;

/// A reason why a proxy does not serve all of a tenant's routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    Workload,
    Route,
}

fn needs(to: &Attachment, planned: &[Desired]) -> Needs {
    let routes = planned
        .iter()
        .filter(|object| object.key.kind == Kind::HttpRoute && !to.controller.is_jwks_preload(&object.value));
    let of = |object: &Desired| {
        let list = |at: &str| {
            object
                .value
                .pointer(at)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let name = format!("{}/{}", object.key.namespace, object.key.name);
        let rules = list("/spec/rules").into_iter().enumerate();
        let leading = rules.filter(|(_, rule)| rule["backendRefs"].as_array().is_some_and(|all| !all.is_empty()));
        let leading = leading
            .map(|(number, _)| format!("httproute/{name}/rule/{number}"))
            .collect();
        (name, (list("/spec/hostnames").len().max(1), leading))
    };
    routes.map(of).collect()
}

fn read(text: &str) -> Routes {
    let mut routes = Routes::default();
    let label = |labels: &str, name: &str| {
        let (_, rest) = labels.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((labels, value)) = line.rsplit_once('}') else {
            continue;
        };
        if let Some(route) = label(labels, "envoy_route") {
            let host = label(labels, "envoy_virtual_host").unwrap_or_default();
            let host = host.rsplit('/').next().unwrap_or_default().to_owned();
            routes.hosts.entry(route).or_default().insert(host);
        } else if let Some(rule) = label(labels, "envoy_cluster_name") {
            routes.rules.insert(rule, value.trim() != "0");
        }
    }
    routes
}

/// The gravest reason why this proxy does not serve all of these routes.
fn lack(needs: &Needs, has: &Routes) -> Option<Lack> {
    let of = |(route, (hosts, rules)): (&String, &(usize, Vec<String>))| {
        let served = has.hosts.get(route).map_or(0, BTreeSet::len);
        if served < *hosts || rules.iter().any(|rule| !has.rules.contains_key(rule)) {
            return Some(Lack::Route);
        }
        let is_empty = rules.iter().any(|rule| has.rules.get(rule) == Some(&false));
        is_empty.then_some(Lack::Workload)
    };
    needs.iter().filter_map(of).max()
}

/// Returns true if a tenant's routes count as served, with the gravest reason against it and the time for which it has been looked at.
fn counts_as_served(lack: Option<Lack>, was_ready: bool, waited: Duration) -> bool {
    match lack {
        None => true,
        Some(Lack::Workload) => was_ready || waited >= EMPTY,
        Some(Lack::Route) => false,
    }
}

/// Returns the address of a proxy that serves requests.
fn address(pod: &Pod, port: u16) -> Option<SocketAddr> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.iter().flatten();
    let is_ready = conditions
        .into_iter()
        .any(|one| one.type_ == "Ready" && one.status == "True");
    let serves = is_ready && pod.metadata.deletion_timestamp.is_none();
    let address: IpAddr = status.pod_ip.as_ref()?.parse().ok()?;
    serves.then_some(SocketAddr::new(address, port))
}

/// One tenant, as it was looked at.
struct Looked {
    /// A digest of what it needs.
    needs: u64,
    since: Instant,
    is_served: bool,
}

/// The last reading of all proxies.
#[derive(Default)]
struct Reading {
    taken: Option<Instant>,
    next: Option<Instant>,
    proxies: Arc<Vec<Routes>>,
}

/// The proxies of the platform's gateway.
pub struct Proxies {
    pods: Api<Pod>,
    selector: String,
    port: u16,
    reading: tokio::sync::Mutex<Reading>,
    looked: Mutex<HashMap<String, Looked>>,
}

impl Proxies {
    /// The pods with these labels in a namespace, and the port of their metrics.
    pub fn new(client: Client, namespace: &str, labels: &BTreeMap<String, String>, port: u16) -> Self {
        let selector: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        Self {
            pods: Api::namespaced(client, namespace),
            selector: selector.join(","),
            port,
            reading: tokio::sync::Mutex::default(),
            looked: Mutex::default(),
        }
    }

    /// Returns true if every proxy has these routes of a tenant. Asks the proxies only until that was so once. Where they cannot be asked, the controller's
    /// word stands. `was_ready`: the status calls these routes ready, so that a workload that ended since is no reason against them.
    pub async fn serve(&self, tenant: &str, to: &Attachment, planned: &[Desired], was_ready: bool) -> bool {
        let needs = needs(to, planned);
        let mut hasher = DefaultHasher::new();
        needs.hash(&mut hasher);
        let (digest, asked) = (hasher.finish(), Instant::now());
        let since = match self.looked().get(tenant).filter(|looked| looked.needs == digest) {
            Some(looked) if looked.is_served => return true,
            Some(looked) => looked.since,
            None => asked,
        };
        let is_served = match self.read(asked).await {
            Some(proxies) => {
                let lack = proxies.iter().filter_map(|proxy| lack(&needs, proxy)).max();
                counts_as_served(lack, was_ready, since.elapsed())
            }
            None => true,
        };
        let looked = Looked {
            needs: digest,
            since,
            is_served,
        };
        self.looked().insert(tenant.to_owned(), looked);
        is_served
    }

    /// Forgets a tenant that is gone.
    pub fn forget(&self, tenant: &str) {
        self.looked().remove(tenant);
    }

    /// Returns the routes of all proxies, read after this moment; None where one could not be read, or there is none. All tenants share a reading.
    async fn read(&self, after: Instant) -> Option<Arc<Vec<Routes>>> {
        let mut reading = self.reading.lock().await;
        if reading.taken.is_none_or(|taken| taken < after) {
            if let Some(next) = reading.next {
                tokio::time::sleep_until(next).await;
            }
            let begun = Instant::now();
            let proxies = self.read_all().await.inspect_err(|error| {
                tracing::warn!(%error, "the operator cannot see which routes the gateway's proxies have");
            });
            reading.proxies = Arc::new(proxies.unwrap_or_default());
            reading.taken = Some(begun);
            reading.next = Some(Instant::now() + REST.max(begun.elapsed() * REST_FACTOR));
        }
        (!reading.proxies.is_empty()).then(|| reading.proxies.clone())
    }

    async fn read_all(&self) -> anyhow::Result<Vec<Routes>> {
        let pods = self.pods.list(&ListParams::default().labels(&self.selector)).await?;
        let addresses: Vec<SocketAddr> = pods.items.iter().filter_map(|pod| address(pod, self.port)).collect();
        let texts = stream::iter(addresses).map(|address| scrape(address, PATH));
        let texts: Vec<anyhow::Result<String>> = texts.buffer_unordered(AT_ONCE).collect().await;
        texts.into_iter().map(|text| text.map(|text| read(&text))).collect()
    }

    fn looked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Looked>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Key;
    use crate::tenant::fixtures::attachment;
    use serde_json::json;

    fn route(name: &str, hosts: &[&str], rules: Value) -> Desired {
        Desired {
            key: Key {
                kind: Kind::HttpRoute,
                namespace: "acme".into(),
                name: name.into(),
            },
            value: json!({"spec": {"hostnames": hosts, "rules": rules}}),
            others: Vec::new(),
            takes_over: false,
        }
    }

    fn served(host: &str, route: &str) -> String {
        let listeners = ["http", "https"].map(|listener| {
            format!(
                "envoy_vhost_route_upstream_rq_total{{envoy_virtual_host=\"gateway-system/platform/{listener}/{host}\",envoy_route=\"acme/{route}\"}} 0\n"
            )
        });
        listeners.concat()
    }

    fn rule(route: &str, number: usize, healthy: usize) -> String {
        format!(
            "envoy_cluster_membership_healthy{{envoy_cluster_name=\"httproute/acme/{route}/rule/{number}\"}} {healthy}\n"
        )
    }

    #[test]
    fn a_proxy_serves_a_tenant_when_it_has_every_host_rule_and_workload() {
        let (leads, answers) = (json!({"backendRefs": [{"name": "web"}]}), json!({"filters": []}));
        let planned = [
            route("a", &["a.example.com", "b.example.com"], json!([leads, answers, leads])),
            route("closed", &["a.example.com"], json!([answers])),
        ];
        let needs = needs(&attachment(), &planned);
        let hosts = [
            served("a_example_com", "a"),
            served("b_example_com", "a"),
            served("a_example_com", "closed"),
        ];
        let rules = [rule("a", 0, 1), rule("a", 2, 3)];
        let has = |parts: &[&[String]]| lack(&needs, &read(&parts.concat().concat()));
        assert_eq!(has(&[&hosts, &rules]), None);
        for (what, lacks) in [
            ("nothing yet", has(&[])),
            ("one host of two", has(&[&hosts[1..], &rules])),
            ("no closed route", has(&[&hosts[..2], &rules])),
            ("one rule of two", has(&[&hosts, &rules[..1]])),
            ("only the workloads", has(&[&rules])),
        ] {
            assert_eq!(lacks, Some(Lack::Route), "{what}");
        }
        let empty = [rule("a", 0, 0), rule("a", 2, 3)];
        assert_eq!(has(&[&hosts, &empty]), Some(Lack::Workload));
        assert_eq!(has(&[&hosts[1..], &empty]), Some(Lack::Route), "the graver one");
    }

    #[test]
    fn a_route_is_waited_for_and_a_workload_only_for_a_while() {
        let (soon, late) = (Duration::from_secs(1), EMPTY);
        for (lack, was_ready, waited, expected) in [
            (None, false, soon, true),
            (Some(Lack::Workload), false, soon, false),
            (Some(Lack::Workload), false, late, true),
            (Some(Lack::Workload), true, soon, true),
            (Some(Lack::Route), true, late, false),
        ] {
            assert_eq!(
                counts_as_served(lack, was_ready, waited),
                expected,
                "{lack:?} {was_ready} {waited:?}"
            );
        }
    }

    #[test]
    fn only_proxies_that_serve_are_asked() {
        let pod = |ready: &str, deleted: Value| -> Pod {
            let value = json!({"metadata": {"deletionTimestamp": deleted}, "status": {"podIP": "10.0.0.1",
                "conditions": [{"type": "Ready", "status": ready}]}});
            serde_json::from_value(value).expect("a pod")
        };
        let is_asked = |pod: &Pod| address(pod, 19001).is_some();
        assert!(is_asked(&pod("True", Value::Null)));
        assert!(!is_asked(&pod("False", Value::Null)));
        assert!(!is_asked(&pod("True", json!("2026-01-01T00:00:00Z"))));
        assert!(!is_asked(&Pod::default()));
    }
}
