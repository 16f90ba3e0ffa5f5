//! Keeps all objects of a kind that can open access between tenants, and the result of their evaluation.

use super::lock;
use super::memory_limit::{MemoryBudget, NamespacedName};
use crate::cluster::decode::{Read, Readable};
use crate::cluster::watch::{self, Cache as Watched};
use crate::proof::{Outcome, Violation};
use futures::{Stream, StreamExt};
use kube::api::Api;
use kube::runtime::reflector::{self, ObjectRef, store::Writer};
use kube::runtime::watcher::{self, Config, Event};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Openings by such objects, for each tenant.
pub type Breaches = BTreeMap<String, Vec<Violation>>;
/// Evaluates all objects, or returns the reason why it cannot.
type Evaluate<K> = Box<dyn Fn(&[Arc<K>]) -> Result<Breaches, &'static str> + Send + Sync>;

/// Objects of one kind.
pub struct Cache<K: Resource<DynamicType = ()> + Clone + 'static> {
    objects: reflector::Store<K>,
    evaluate: Evaluate<K>,
    is_listed: AtomicBool,
    /// Memory limit for these objects.
    budget: Mutex<MemoryBudget>,
    /// Those that are kept only as far as they can be read, by namespace and name.
    partial: Mutex<BTreeSet<NamespacedName>>,
    /// Told at every change.
    pub changed: Notify,
    /// Last evaluation.
    breaches: Mutex<Option<Arc<Breaches>>>,
}

impl<K> Cache<K>
where
    K: Readable<DynamicType = ()> + Clone + Serialize + Debug + Send + Sync + 'static,
{
    /// Returns the objects, and the loop that keeps them, which never ends. `trim` removes parts of each; a namespace's budget bounds the rest.
    pub fn new<J>(
        client: Client,
        config: Config,
        (trim, most): (fn(&mut K), usize),
        evaluate: J,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + use<K, J>)
    where
        J: Fn(&[Arc<K>]) -> Result<Breaches, &'static str> + Send + Sync + 'static,
    {
        let (objects, writer) = reflector::store();
        let kept = Arc::new(Self {
            objects,
            evaluate: Box::new(evaluate),
            is_listed: AtomicBool::new(false),
            budget: Mutex::new(MemoryBudget::new(most)),
            partial: Mutex::default(),
            changed: Notify::new(),
            breaches: Mutex::default(),
        });
        let keep = kept
            .clone()
            .follow(watch::trimmed(Api::all(client), config, trim), writer);
        (kept, keep)
    }

    /// Stores the changes of the watch, and notifies of each.
    async fn follow(
        self: Arc<Self>,
        events: impl Stream<Item = watcher::Result<Event<Read<K>>>> + Send,
        writer: Writer<K>,
    ) {
        let keeper = Keeper {
            kept: self.clone(),
            writer,
            next: None,
            partial: BTreeSet::new(),
        };
        let mut changes = pin!(watch::changes(events, keeper));
        while let Some(change) = changes.next().await {
            match change {
                Ok(()) => self.changed.notify_one(),
                Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "a watch failed; the operator restarts it"),
            }
        }
    }

    /// Returns true if all were listed once.
    pub fn is_listed(&self) -> bool {
        self.is_listed.load(Ordering::Acquire)
    }

    /// Returns the tenant's last outcome. Objects beyond the budget leave it unknown.
    pub fn outcome(&self, tenant: &str, namespaces: &[String]) -> Outcome {
        let violations = match self.breaches() {
            Ok(breaches) => breaches.get(tenant).cloned().unwrap_or_default(),
            Err(why) => return Outcome::Untried(why.into()),
        };
        let is_partial = {
            let partial = lock(&self.partial);
            let partial = partial.iter().find(|(namespace, _)| namespaces.contains(namespace));
            partial
                .map(|(namespace, name)| format!("the operator cannot read all of {} {namespace}/{name}", K::kind(&())))
        };
        if let Some(why) = is_partial.filter(|_| violations.is_empty()) {
            return Outcome::Untried(why);
        }
        let (exceeded, most) = {
            let budget = lock(&self.budget);
            (budget.exceeded(), budget.limit())
        };
        match namespaces.iter().find(|namespace| exceeded.contains(*namespace)) {
            Some(namespace) if violations.is_empty() => Outcome::Untried(format!(
                "namespace {namespace} has objects of kind {} with more than the {} KiB that the operator reads",
                K::kind(&()),
                most / 1024
            )),
            _ => Outcome::of(violations),
        }
    }

    /// Returns the openings of the last evaluation.
    ///
    /// # Errors
    /// Reason why there is no evaluation yet.
    pub fn breaches(&self) -> Result<Arc<Breaches>, &'static str> {
        let last = lock(&self.breaches).clone();
        last.map_or_else(|| self.evaluate(), Ok)
    }

    /// Returns the current openings.
    ///
    /// # Errors
    /// Reason why there is no evaluation.
    pub fn evaluate(&self) -> Result<Arc<Breaches>, &'static str> {
        if !self.is_listed() {
            return Err("the operator has not listed all objects that can open access yet");
        }
        let found = Arc::new((self.evaluate)(&self.objects.state())?);
        *lock(&self.breaches) = Some(found.clone());
        Ok(found)
    }
}

/// Stores objects within the budget.
struct Keeper<K: Resource<DynamicType = ()> + Clone + 'static> {
    kept: Arc<Cache<K>>,
    writer: Writer<K>,
    /// The budget of the list in progress; the former one applies until the list is whole.
    next: Option<MemoryBudget>,
    /// Objects of that list that cannot be read whole.
    partial: BTreeSet<NamespacedName>,
}

impl<K> Watched<Read<K>> for Keeper<K>
where
    K: Resource<DynamicType = ()> + Clone + Serialize + Send + Sync + 'static,
{
    type Change = ();

    async fn update(&mut self, event: Event<Read<K>>) -> Vec<()> {
        let is_whole = matches!(event, Event::InitDone);
        self.note_partial(&event);
        if let Some(event) = self.within_budget(watch::map(event, |read| read.object)) {
            self.writer.apply_watcher_event(&event);
        }
        if is_whole {
            if let Some(next) = self.next.take() {
                *lock(&self.kept.budget) = next;
            }
            self.kept.is_listed.store(true, Ordering::Release);
        }
        vec![()]
    }
}

impl<K> Keeper<K>
where
    K: Resource<DynamicType = ()> + Clone + Serialize + 'static,
{
    /// Records objects that cannot be read whole.
    fn note_partial(&mut self, event: &Event<Read<K>>) {
        let mut kept = lock(&self.kept.partial);
        match event {
            Event::Init => self.partial.clear(),
            Event::InitApply(read) if !read.unread.is_empty() => {
                self.partial.insert(key(&read.object));
            }
            Event::InitApply(_) => {}
            Event::InitDone => *kept = std::mem::take(&mut self.partial),
            Event::Apply(read) if !read.unread.is_empty() => {
                kept.insert(key(&read.object));
            }
            Event::Apply(read) | Event::Delete(read) => {
                kept.remove(&key(&read.object));
            }
        }
    }

    /// Returns an event's part within the budget.
    fn within_budget(&mut self, event: Event<K>) -> Option<Event<K>> {
        let old = |object: &K| {
            let known = self.kept.objects.get(&ObjectRef::from_obj(object));
            known.map_or(0, |known| size(&*known))
        };
        let mut budget = lock(&self.kept.budget);
        match event {
            Event::Init => {
                self.next = Some(MemoryBudget::new(budget.limit()));
                Some(Event::Init)
            }
            Event::InitApply(object) => {
                let most = budget.limit();
                let next = self.next.get_or_insert_with(|| MemoryBudget::new(most));
                let has_room = next.reserve(&key(&object), 0, size(&object));
                has_room.then_some(Event::InitApply(object))
            }
            Event::InitDone => Some(Event::InitDone),
            Event::Apply(object) => match budget.reserve(&key(&object), old(&object), size(&object)) {
                true => Some(Event::Apply(object)),
                false => Some(Event::Delete(object)),
            },
            Event::Delete(object) => {
                budget.release(&key(&object), old(&object));
                Some(Event::Delete(object))
            }
        }
    }
}

fn key(object: &impl ResourceExt) -> NamespacedName {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn size(object: &impl Serialize) -> usize {
    serde_json::to_string(object).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::watch::player::{object, watch as played};
    use futures::FutureExt;
    use k8s_openapi::api::discovery::v1::EndpointSlice;
    use k8s_openapi::api::networking::v1::NetworkPolicy;
    use serde_json::json;

    fn policy(namespace: &str, name: &str, label: usize) -> NetworkPolicy {
        let mut policy = NetworkPolicy::default();
        policy.metadata.namespace = Some(namespace.into());
        policy.metadata.name = Some(name.into());
        policy.metadata.labels = Some([("size".to_string(), "x".repeat(label))].into());
        policy
    }

    #[tokio::test]
    async fn what_there_is_no_room_for_is_not_kept_and_its_tenant_is_told() {
        let (objects, writer) = reflector::store::<NetworkPolicy>();
        let kept = Arc::new(Cache {
            objects,
            evaluate: Box::new(|_| Ok(Breaches::new())),
            is_listed: AtomicBool::new(true),
            budget: Mutex::new(MemoryBudget::new(1000)),
            partial: Mutex::default(),
            changed: Notify::new(),
            breaches: Mutex::default(),
        });
        let mut keeper = Keeper {
            kept: kept.clone(),
            writer,
            next: None,
            partial: BTreeSet::new(),
        };
        let mut see = async |event| {
            keeper.update(watch::map(event, Read::from)).await;
            let names = kept.objects.state().iter().map(|policy| policy.name_any()).collect();
            let mut names: Vec<String> = names;
            names.sort();
            let namespaces = ["a".to_string()];
            (names.join(" "), kept.outcome("a", &namespaces) == Outcome::Passed)
        };
        see(Event::Init).await;
        see(Event::InitApply(policy("a", "one", 500))).await;
        see(Event::InitApply(policy("a", "two", 500))).await;
        see(Event::InitApply(policy("b", "three", 500))).await;
        assert_eq!(see(Event::InitDone).await, ("one three".into(), false));
        assert_eq!(
            see(Event::Apply(policy("a", "one", 100))).await,
            ("one three".into(), false)
        );
        assert_eq!(
            see(Event::Apply(policy("a", "two", 500))).await,
            ("one three two".into(), true)
        );
        assert_eq!(
            see(Event::Apply(policy("a", "one", 900))).await,
            ("three two".into(), false)
        );
        see(Event::Init).await;
        assert_eq!(
            see(Event::InitApply(policy("a", "two", 500))).await,
            ("three two".into(), false),
            "what is not whole says nothing"
        );
        assert_eq!(see(Event::InitDone).await, ("two".into(), true));
        assert_eq!(see(Event::Apply(policy("a", "one", 900))).await, ("two".into(), false));
        assert_eq!(see(Event::Delete(policy("a", "one", 900))).await, ("two".into(), true));
    }

    /// Follows a watch of a kind whose list takes long.
    async fn is_judged_when_its_list_is_whole<K>()
    where
        K: Readable<DynamicType = ()> + Clone + Serialize + Debug + Send + Sync + 'static,
    {
        let (objects, writer) = reflector::store::<K>();
        let kept = Arc::new(Cache {
            objects,
            evaluate: Box::new(|objects| {
                let names = objects.iter().map(|object| object.name_any());
                Ok(names.map(|name| (name, Vec::new())).collect())
            }),
            is_listed: AtomicBool::new(false),
            budget: Mutex::new(MemoryBudget::new(1000)),
            partial: Mutex::default(),
            changed: Notify::new(),
            breaches: Mutex::default(),
        });
        let (player, events) = played();
        tokio::spawn(kept.clone().follow(events, writer));
        let is_changed = || kept.changed.notified().now_or_never().is_some();
        let judged = || {
            let found = kept.evaluate().map(|found| Vec::from_iter(found.keys().cloned()));
            found.unwrap_or_default().join(" ")
        };
        let one = |name: &str, version| object::<Read<K>>(name, name, version, json!({"metadata": {"namespace": "a"}}));
        let check = || assert!(!is_changed() && !kept.is_listed() && kept.evaluate().is_err());
        player.list([one("goes", 1), one("stays", 2)], check).await;
        assert!(is_changed() && kept.is_listed());
        assert_eq!(judged(), "goes stays");
        // While there was no watch, one went and one came.
        let check = || {
            assert!(!is_changed());
            assert_eq!(judged(), "goes stays");
        };
        player.list([one("new", 3), one("stays", 2)], check).await;
        assert!(is_changed());
        assert_eq!(judged(), "new stays");
    }

    #[tokio::test(start_paused = true)]
    async fn what_opens_a_way_is_judged_when_its_list_is_whole() {
        is_judged_when_its_list_is_whole::<NetworkPolicy>().await;
        is_judged_when_its_list_is_whole::<EndpointSlice>().await;
    }
}
