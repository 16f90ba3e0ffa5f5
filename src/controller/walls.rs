//! Keeps the NetworkPolicies that are not the operator's, and judges what they open.

use super::watches;
use crate::api::Tenant;
use crate::cluster::client::watch_config;
use crate::cluster::{Kind, Store};
use crate::isolation::network::policies::{Field, Room};
use crate::isolation::ration::Ration;
use crate::isolation::{Violation, lock};
use crate::names;
use crate::tenant::observe::{Known, peers};
use futures::StreamExt;
use ipnet::IpNet;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicySpec};
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// What is open by such policies, by the tenant whose wall it is.
pub type Breaches = BTreeMap<String, Vec<Violation>>;

/// The policies that are not the operator's.
pub struct Walls {
    policies: reflector::Store<NetworkPolicy>,
    objects: Arc<Store>,
    tenants: reflector::Store<Tenant>,
    cluster: Vec<IpNet>,
    is_listed: AtomicBool,
    /// How much of them is kept.
    ration: Mutex<Ration>,
    /// Told at every change.
    pub changed: Notify,
    /// As last judged.
    breaches: Mutex<Option<Arc<Breaches>>>,
}

impl Walls {
    /// The walls, and what keeps them, for ever.
    pub fn new(client: Client, known: &Known) -> (Arc<Self>, impl Future<Output = ()> + Send + use<>) {
        let (policies, writer) = reflector::store();
        let walls = Arc::new(Self {
            policies,
            objects: known.objects.clone(),
            tenants: known.tenants.clone(),
            cluster: known.cluster_cidrs.clone(),
            is_listed: AtomicBool::new(false),
            ration: Mutex::default(),
            changed: Notify::new(),
            breaches: Mutex::default(),
        });
        let kept = walls.clone();
        let keep = async move {
            let theirs = watch_config().labels(&format!("!{}", names::TENANT_ID));
            let watched = watches::trimmed(Api::all(client), theirs);
            let rationed = watched.filter_map(|event| std::future::ready(kept.rationed(event).transpose()));
            let mut stream = std::pin::pin!(rationed.reflect(writer));
            while let Some(event) = stream.next().await {
                match event {
                    Ok(Event::InitDone) => kept.is_listed.store(true, Ordering::Release),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "the watch of network policies failed and is begun anew"),
                }
                kept.changed.notify_one();
            }
        };
        (walls, keep)
    }

    /// A change, as far as there is room for what it brings.
    fn rationed(&self, event: watcher::Result<Event<NetworkPolicy>>) -> watcher::Result<Option<Event<NetworkPolicy>>> {
        let known = |policy: &NetworkPolicy| self.policies.get(&ObjectRef::from_obj(policy));
        let old = |policy: &NetworkPolicy| known(policy).map_or(0, |known| size(&known));
        let mut ration = lock(&self.ration);
        Ok(match event? {
            Event::Init => {
                *ration = Ration::default();
                Some(Event::Init)
            }
            Event::InitApply(policy) => {
                let has_room = ration.takes(&key(&policy), 0, size(&policy));
                has_room.then_some(Event::InitApply(policy))
            }
            Event::InitDone => Some(Event::InitDone),
            Event::Apply(policy) => match ration.takes(&key(&policy), old(&policy), size(&policy)) {
                true => Some(Event::Apply(policy)),
                false => Some(Event::Delete(policy)),
            },
            Event::Delete(policy) => {
                ration.gives_back(&key(&policy), old(&policy));
                Some(Event::Delete(policy))
            }
        })
    }

    /// A namespace among these of which not all policies are known.
    pub fn unread(&self, namespaces: &[String]) -> Option<String> {
        let exceeded = lock(&self.ration).exceeded();
        namespaces
            .iter()
            .find(|namespace| exceeded.contains(*namespace))
            .cloned()
    }

    /// What was open when it was last judged.
    ///
    /// # Errors
    /// Why it cannot be judged yet.
    pub fn breaches(&self) -> Result<Arc<Breaches>, &'static str> {
        let last = lock(&self.breaches).clone();
        last.map_or_else(|| self.judge(), Ok)
    }

    /// What is open now.
    ///
    /// # Errors
    /// Why it cannot be judged.
    pub fn judge(&self) -> Result<Arc<Breaches>, &'static str> {
        if !self.is_listed.load(Ordering::Acquire) {
            return Err("the network policies were not all listed yet");
        }
        let found = Arc::new(self.evaluate()?);
        *lock(&self.breaches) = Some(found.clone());
        Ok(found)
    }

    fn evaluate(&self) -> Result<Breaches, &'static str> {
        let of: BTreeMap<String, String> = self
            .objects
            .namespaces()
            .into_iter()
            .map(|(tenant, name)| (name, tenant))
            .collect();
        let Some((control, _)) = of.first_key_value() else {
            return Ok(Breaches::new());
        };
        let policies: Vec<Arc<NetworkPolicy>> = self.policies.state();
        let theirs = policies.iter().map(Arc::as_ref).filter(|policy| {
            let namespace = policy.metadata.namespace.as_ref();
            namespace.is_some_and(|namespace| of.contains_key(namespace))
        });
        let theirs: Vec<&NetworkPolicy> = theirs.collect();
        // To take all namespaces apart costs; most clusters have no such policy.
        let (rooms, agreed) = match theirs.is_empty() {
            true => (BTreeMap::from([(control.clone(), Room::default())]), BTreeSet::new()),
            false => (self.rooms(&of), self.agreed()),
        };
        let field = Field {
            rooms: &rooms,
            agreed: &agreed,
            cluster: &self.cluster,
        };
        if field.openings(std::iter::once(&open_policy(control))).is_empty() {
            return Err("a policy that lets everybody in was not found to do so: the judgement proves nothing");
        }
        Ok(field.openings(theirs.into_iter()))
    }

    fn rooms(&self, of: &BTreeMap<String, String>) -> BTreeMap<String, Room> {
        let namespaces = self.objects.matching(|key| key.kind == Kind::Namespace);
        let room = |live: crate::cluster::Live| {
            let labels = live.value.pointer("/metadata/labels").cloned().unwrap_or_default();
            let room = Room {
                tenant: of.get(&live.key.name)?.clone(),
                labels: serde_json::from_value(labels).unwrap_or_default(),
            };
            Some((live.key.name, room))
        };
        namespaces.into_iter().filter_map(room).collect()
    }

    /// Pairs of tenants that name each other.
    fn agreed(&self) -> BTreeSet<(String, String)> {
        let tenants = self.tenants.state();
        let named: BTreeSet<(&str, &str)> = tenants
            .iter()
            .flat_map(|tenant| {
                let name = tenant.metadata.name.as_deref().unwrap_or_default();
                peers(tenant).map(move |peer| (name, peer.name.as_str()))
            })
            .collect();
        let both = named.iter().filter(|(a, b)| named.contains(&(*b, *a)));
        both.map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }
}

fn key(policy: &NetworkPolicy) -> (String, String) {
    (policy.namespace().unwrap_or_default(), policy.name_any())
}

fn size(policy: &NetworkPolicy) -> usize {
    serde_json::to_string(policy).map_or(0, |text| text.len())
}

/// One that must be found open; it is written nowhere.
fn open_policy(namespace: &str) -> NetworkPolicy {
    let mut policy = NetworkPolicy::default();
    policy.metadata.namespace = Some(namespace.to_string());
    policy.spec = Some(NetworkPolicySpec {
        ingress: Some(vec![NetworkPolicyIngressRule::default()]),
        ..NetworkPolicySpec::default()
    });
    policy
}
