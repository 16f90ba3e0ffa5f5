//! The gateway's proxies: whether all of them serve a tenant's routes. The gateway's controller accepts a route seconds before a proxy has it.

use super::proxy_routes::{PATH, Routes, read};
use super::{Attachment, backends};
use crate::cluster::pod::is_ready;
use crate::cluster::{Desired, Kind};
use crate::telemetry::scrape::{AT_ONCE, Pods, scrape};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Timeout of a reading of all proxies: passes wait for it.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Shortest time between two readings for all tenants together; a reading that takes long rests longer.
const REST: Duration = Duration::from_secs(1);
const REST_FACTOR: u32 = 5;
/// The time that a rule without a ready workload is waited for: there may be none, which is not the gateway's fault.
const EMPTY: Duration = Duration::from_secs(10);
/// The time after which the condition names what a proxy lacks, and the proxies are asked less often.
const LATE: Duration = Duration::from_secs(30);
const LATE_REQUEUE: Duration = Duration::from_secs(5);

/// What one route needs of a proxy: its hosts, and its rules that lead to workloads.
#[derive(Debug, Hash)]
struct Need {
    namespace: String,
    name: String,
    hosts: Vec<String>,
    rules: Vec<Rule>,
}

#[derive(Debug, Hash)]
struct Rule {
    /// `httproute/<namespace>/<name>/rule/<number>`
    name: String,
    /// True where only workloads of the tenant are behind it.
    is_own: bool,
}

/// A reason why a proxy does not serve all of a tenant's routes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    Workload,
    /// In words.
    Route(String),
}

/// What the proxies say of a tenant's routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    Yes,
    /// Not all yet: the time until they should be asked again, and the words for it.
    NotYet(Duration, String),
}

fn needs(to: &Attachment, planned: &[Desired]) -> Vec<Need> {
    let routes = planned
        .iter()
        .filter(|object| object.key.kind == Kind::HttpRoute && !to.controller.is_jwks_preload(&object.value));
    let of = |object: &Desired| {
        let list = |at: &str| {
            let list = object.value.pointer(at).and_then(Value::as_array);
            list.map_or(&[][..], Vec::as_slice)
        };
        let (namespace, name) = (&object.key.namespace, &object.key.name);
        let rules = list("/spec/rules").iter().enumerate();
        let leading = rules.filter(|(_, rule)| rule["backendRefs"].as_array().is_some_and(|all| !all.is_empty()));
        let hosts = list("/spec/hostnames").iter().filter_map(Value::as_str);
        Need {
            namespace: namespace.clone(),
            name: name.clone(),
            hosts: hosts.map(String::from).collect(),
            rules: leading
                .map(|(number, rule)| Rule {
                    name: format!("httproute/{namespace}/{name}/rule/{number}"),
                    is_own: backends::are_own(rule),
                })
                .collect(),
        }
    };
    routes.map(of).collect()
}

/// The gravest reason why this proxy does not serve all of these routes. `available`: pods of the tenant serve, so that a proxy must know them.
fn lack(needs: &[Need], has: &Routes, available: bool) -> Option<Lack> {
    let of = |need: &Need| {
        let (namespace, name) = (&need.namespace, &need.name);
        let missing = need.hosts.iter().find(|host| !has.serves(namespace, name, Some(host)));
        if let Some(host) = missing {
            return Some(Lack::Route(format!("host {host} of HTTPRoute {namespace}/{name}")));
        }
        if need.hosts.is_empty() && !has.serves(namespace, name, None) {
            return Some(Lack::Route(format!("HTTPRoute {namespace}/{name}")));
        }
        let number = |rule: &Rule| rule.name.rsplit('/').next().unwrap_or_default().to_owned();
        let is_empty = |rule: &&Rule| has.rules.get(&rule.name) == Some(&false);
        if let Some(rule) = need.rules.iter().find(|rule| !has.rules.contains_key(&rule.name)) {
            let number = number(rule);
            return Some(Lack::Route(format!("rule {number} of HTTPRoute {namespace}/{name}")));
        }
        if let Some(rule) = need
            .rules
            .iter()
            .find(|rule| available && rule.is_own && is_empty(rule))
        {
            let what = format!("a pod behind rule {} of HTTPRoute {namespace}/{name}", number(rule));
            return Some(Lack::Route(what));
        }
        need.rules.iter().any(|rule| is_empty(&rule)).then_some(Lack::Workload)
    };
    needs.iter().filter_map(of).max()
}

/// Decides whether a tenant's routes count as served, with the gravest reason against it and the time for which it has been looked at.
fn judge(lack: Option<Lack>, was_ready: bool, waited: Duration) -> Served {
    match lack {
        None => Served::Yes,
        Some(Lack::Workload) if was_ready || waited >= EMPTY => Served::Yes,
        Some(Lack::Route(what)) if waited >= LATE => Served::NotYet(
            LATE_REQUEUE,
            format!("a proxy of the gateway still lacks what the gateway accepted: {what}"),
        ),
        Some(Lack::Route(_)) => not_yet(REST),
        Some(Lack::Workload) => Served::NotYet(REST, "the gateway's proxies know no ready workload yet".into()),
    }
}

/// Decides where the proxies cannot be read: the controller's word stands when they could not be for a while.
fn unread(was_ready: bool, waited: Duration) -> Served {
    match was_ready || waited >= LATE {
        true => Served::Yes,
        false => Served::NotYet(
            REST,
            "the operator cannot read yet which routes the gateway's proxies have".into(),
        ),
    }
}

/// Names no object: each change of the message would write the status.
fn not_yet(again: Duration) -> Served {
    Served::NotYet(again, "the gateway's proxies do not have all routes yet".into())
}

/// Returns true if a proxy serves requests.
fn serves(pod: &Pod) -> bool {
    is_ready(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// One tenant, as it was looked at.
#[derive(Clone)]
struct Looked {
    /// A digest of what it needs.
    needs: u64,
    /// True if its workloads had pods that serve.
    available: bool,
    since: Instant,
    /// The last word, until a later reading.
    said: Served,
}

/// How a tenant is looked at in one pass.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    since: Instant,
    /// True if a rule without a workload is no reason against it.
    was_ready: bool,
    /// The last word on the same.
    before: Option<Served>,
}

/// Begins a look, or returns None where the last word stands. Pods that serve since the last look are new to the proxies.
fn begin(last: Option<&Looked>, needs: u64, available: bool, was_ready: bool, now: Instant) -> Option<Look> {
    match last.filter(|last| last.needs == needs) {
        Some(last) if available && !last.available => Some(Look {
            since: now,
            was_ready: false,
            before: None,
        }),
        Some(Looked { said: Served::Yes, .. }) => None,
        Some(last) => Some(Look {
            since: last.since,
            was_ready,
            before: Some(last.said.clone()),
        }),
        None => Some(Look {
            since: now,
            was_ready,
            before: None,
        }),
    }
}

/// The last reading of all proxies.
#[derive(Default)]
struct Reading {
    taken: Option<Instant>,
    next: Option<Instant>,
    /// None where one could not be read, or there is none.
    proxies: Option<Arc<Vec<Routes>>>,
}

/// The proxies of the platform's gateway.
pub struct Proxies {
    pods: Pods,
    reading: tokio::sync::Mutex<Reading>,
    looked: Mutex<HashMap<String, Looked>>,
}

impl Proxies {
    /// The pods with these labels in a namespace, and the port of their metrics.
    pub fn new(client: Client, namespace: &str, labels: &BTreeMap<String, String>, port: u16) -> Self {
        Self {
            pods: Pods::new(client, namespace, labels, port),
            reading: tokio::sync::Mutex::default(),
            looked: Mutex::default(),
        }
    }

    /// Decides whether every proxy has these routes of a tenant. Asks the proxies only until that was so once, and again when `available` becomes true:
    /// its workloads have pods that serve. Where they cannot be asked, the controller's word stands after 30 seconds. `was_ready`: the status calls these routes ready, so that a
    /// workload that ended since is no reason against them.
    pub async fn serve(
        &self,
        tenant: &str,
        to: &Attachment,
        planned: &[Desired],
        available: bool,
        was_ready: bool,
    ) -> Served {
        let needs = needs(to, planned);
        let mut hasher = DefaultHasher::new();
        needs.hash(&mut hasher);
        let digest = hasher.finish();
        let last = self.looked().get(tenant).cloned();
        let Some(look) = begin(last.as_ref(), digest, available, was_ready, Instant::now()) else {
            if let Some(looked) = self.looked().get_mut(tenant) {
                looked.available = available;
            }
            return Served::Yes;
        };
        let said = match self.read(look.since).await {
            Ok(Some(proxies)) => {
                let lacks = proxies.iter().filter_map(|proxy| lack(&needs, proxy, available));
                judge(lacks.max(), look.was_ready, look.since.elapsed())
            }
            Ok(None) => unread(look.was_ready, look.since.elapsed()),
            Err(rest) => match look.before {
                Some(Served::NotYet(_, words)) => Served::NotYet(rest, words),
                _ => not_yet(rest),
            },
        };
        let looked = Looked {
            needs: digest,
            available,
            since: look.since,
            said: said.clone(),
        };
        self.looked().insert(tenant.to_owned(), looked);
        said
    }

    /// Forgets a tenant that is gone or blocked.
    pub fn forget(&self, tenant: &str) {
        self.looked().remove(tenant);
    }

    /// Returns the routes of all proxies, read anew where it is time for that; None where one cannot be read, or there is none. All tenants share a reading.
    ///
    /// # Errors
    /// The time until the next reading, where the last one is from before this moment.
    async fn read(&self, after: Instant) -> Result<Option<Arc<Vec<Routes>>>, Duration> {
        let mut reading = self.reading.lock().await;
        let begun = Instant::now();
        if reading.next.is_none_or(|next| next <= begun) {
            let proxies = tokio::time::timeout(TIMEOUT, self.read_all()).await;
            let proxies = proxies.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in time")));
            let proxies = proxies.inspect_err(|error| {
                tracing::warn!(%error, "the operator cannot see which routes the gateway's proxies have");
            });
            reading.proxies = proxies.ok().filter(|all| !all.is_empty()).map(Arc::new);
            reading.taken = Some(begun);
            reading.next = Some(Instant::now() + REST.max(begun.elapsed() * REST_FACTOR));
        }
        let is_late = reading.taken.is_none_or(|taken| taken < after);
        match (&reading.proxies, reading.next) {
            (Some(_), Some(next)) if is_late => Err(next.saturating_duration_since(Instant::now())),
            (proxies, _) => Ok(proxies.clone()),
        }
    }

    async fn read_all(&self) -> anyhow::Result<Vec<Routes>> {
        let pods = self.pods.list().await?;
        let serving = pods.iter().filter(|pod| serves(pod));
        let addresses: Vec<SocketAddr> = serving.filter_map(|pod| self.pods.address(pod)).collect();
        let texts = stream::iter(addresses).map(|address| scrape(address, PATH));
        let texts: Vec<anyhow::Result<String>> = texts.buffer_unordered(AT_ONCE).collect().await;
        texts.into_iter().map(|text| text.map(|text| read(&text))).collect()
    }

    fn looked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Looked>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "proxies_test.rs"]
mod tests;
