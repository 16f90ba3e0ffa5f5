//! Keeps all objects of a kind that can open a way between tenants, and what they were judged to open.

use super::watches;
use crate::isolation::ration::Ration;
use crate::isolation::{Outcome, Violation, lock};
use futures::StreamExt;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Config, Event};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// What is open by such objects, by tenant.
pub type Breaches = BTreeMap<String, Vec<Violation>>;
/// Judges all of them, or says why it cannot.
type Judge<K> = Box<dyn Fn(&[Arc<K>]) -> Result<Breaches, &'static str> + Send + Sync>;

/// Objects of one kind.
pub struct Kept<K: Resource<DynamicType = ()> + Clone + 'static> {
    objects: reflector::Store<K>,
    judge: Judge<K>,
    is_listed: AtomicBool,
    /// How much of them is kept.
    ration: Mutex<Ration>,
    /// Told at every change.
    pub changed: Notify,
    /// As last judged.
    breaches: Mutex<Option<Arc<Breaches>>>,
}

impl<K> Kept<K>
where
    K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// The objects, and what keeps them, for ever. What `trim` takes out is not kept, nor what is more than the most of a namespace.
    pub fn new<J>(
        client: Client,
        config: Config,
        (trim, most): (fn(&mut K), usize),
        judge: J,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + use<K, J>)
    where
        J: Fn(&[Arc<K>]) -> Result<Breaches, &'static str> + Send + Sync + 'static,
    {
        let (objects, writer) = reflector::store();
        let kept = Arc::new(Self {
            objects,
            judge: Box::new(judge),
            is_listed: AtomicBool::new(false),
            ration: Mutex::new(Ration::new(most)),
            changed: Notify::new(),
            breaches: Mutex::default(),
        });
        let keeper = kept.clone();
        let keep = async move {
            let watched = watches::trimmed(Api::all(client), config, trim);
            let rationed = watched.filter_map(|event| std::future::ready(keeper.rationed(event).transpose()));
            let mut stream = std::pin::pin!(rationed.reflect(writer));
            while let Some(event) = stream.next().await {
                match event {
                    Ok(Event::InitDone) => keeper.is_listed.store(true, Ordering::Release),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(kind = %K::kind(&()), %error, "a watch failed and is begun anew");
                    }
                }
                keeper.changed.notify_one();
            }
        };
        (kept, keep)
    }

    /// Whether all were listed once.
    pub fn is_listed(&self) -> bool {
        self.is_listed.load(Ordering::Acquire)
    }

    /// A change, as far as there is room for what it brings.
    fn rationed(&self, event: watcher::Result<Event<K>>) -> watcher::Result<Option<Event<K>>> {
        let known = |object: &K| self.objects.get(&ObjectRef::from_obj(object));
        let old = |object: &K| known(object).map_or(0, |known| size(&*known));
        let mut ration = lock(&self.ration);
        Ok(match event? {
            Event::Init => {
                *ration = Ration::new(ration.most());
                Some(Event::Init)
            }
            Event::InitApply(object) => {
                let has_room = ration.takes(&key(&object), 0, size(&object));
                has_room.then_some(Event::InitApply(object))
            }
            Event::InitDone => Some(Event::InitDone),
            Event::Apply(object) => match ration.takes(&key(&object), old(&object), size(&object)) {
                true => Some(Event::Apply(object)),
                false => Some(Event::Delete(object)),
            },
            Event::Delete(object) => {
                ration.gives_back(&key(&object), old(&object));
                Some(Event::Delete(object))
            }
        })
    }

    /// How it came out for a tenant when it was last judged. Of what was not kept nothing is known.
    pub fn outcome(&self, tenant: &str, namespaces: &[String]) -> Outcome {
        let violations = match self.breaches() {
            Ok(breaches) => breaches.get(tenant).cloned().unwrap_or_default(),
            Err(why) => return Outcome::Untried(why.into()),
        };
        let (exceeded, most) = {
            let ration = lock(&self.ration);
            (ration.exceeded(), ration.most())
        };
        match namespaces.iter().find(|namespace| exceeded.contains(*namespace)) {
            Some(namespace) if violations.is_empty() => Outcome::Untried(format!(
                "namespace {namespace} has more in objects of kind {} than the {} KiB that are looked at",
                K::kind(&()),
                most / 1024
            )),
            _ => Outcome::of(violations),
        }
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
        if !self.is_listed() {
            return Err("not all that can open a way were listed yet");
        }
        let found = Arc::new((self.judge)(&self.objects.state())?);
        *lock(&self.breaches) = Some(found.clone());
        Ok(found)
    }
}

fn key(object: &impl ResourceExt) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn size(object: &impl Serialize) -> usize {
    serde_json::to_string(object).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::networking::v1::NetworkPolicy;

    fn policy(namespace: &str, name: &str, label: usize) -> NetworkPolicy {
        let mut policy = NetworkPolicy::default();
        policy.metadata.namespace = Some(namespace.into());
        policy.metadata.name = Some(name.into());
        policy.metadata.labels = Some([("size".to_string(), "x".repeat(label))].into());
        policy
    }

    #[test]
    fn what_there_is_no_room_for_is_not_kept_and_its_tenant_is_told() {
        let (objects, mut writer) = reflector::store();
        let kept: Kept<NetworkPolicy> = Kept {
            objects,
            judge: Box::new(|_| Ok(Breaches::new())),
            is_listed: AtomicBool::new(true),
            ration: Mutex::new(Ration::new(1000)),
            changed: Notify::new(),
            breaches: Mutex::default(),
        };
        let mut see = |event| {
            if let Ok(Some(event)) = kept.rationed(Ok(event)) {
                writer.apply_watcher_event(&event);
            }
            let names = kept.objects.state().iter().map(|policy| policy.name_any()).collect();
            let mut names: Vec<String> = names;
            names.sort();
            let namespaces = ["a".to_string()];
            (names.join(" "), kept.outcome("a", &namespaces) == Outcome::Passed)
        };
        see(Event::Init);
        see(Event::InitApply(policy("a", "one", 500)));
        see(Event::InitApply(policy("a", "two", 500)));
        see(Event::InitApply(policy("b", "three", 500)));
        assert_eq!(see(Event::InitDone), ("one three".into(), false));
        assert_eq!(see(Event::Apply(policy("a", "one", 100))), ("one three".into(), false));
        assert_eq!(
            see(Event::Apply(policy("a", "two", 500))),
            ("one three two".into(), true)
        );
        assert_eq!(see(Event::Apply(policy("a", "one", 900))), ("three two".into(), false));
        assert_eq!(see(Event::Delete(policy("a", "one", 900))), ("three two".into(), true));
        see(Event::Init);
        see(Event::InitApply(policy("a", "two", 500)));
        assert_eq!(see(Event::InitDone), ("two".into(), true));
    }
}
