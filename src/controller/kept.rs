//! Keeps all objects of a kind that can open a way between tenants, and what they were judged to open.

use super::watches;
use crate::isolation::{Violation, lock};
use futures::StreamExt;
use kube::api::Api;
use kube::runtime::reflector;
use kube::runtime::watcher::{Config, Event};
use kube::{Client, Resource};
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
    /// Told at every change.
    pub changed: Notify,
    /// As last judged.
    breaches: Mutex<Option<Arc<Breaches>>>,
}

impl<K> Kept<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// The objects, and what keeps them, for ever. What `trim` takes out is not kept.
    pub fn new<J>(
        client: Client,
        config: Config,
        trim: fn(&mut K),
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
            changed: Notify::new(),
            breaches: Mutex::default(),
        });
        let keeper = kept.clone();
        let keep = async move {
            let mut stream = std::pin::pin!(watches::reflected(Api::all(client), config, trim, writer));
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
            return Err("not all that can open a way were listed yet");
        }
        let found = Arc::new((self.judge)(&self.objects.state())?);
        *lock(&self.breaches) = Some(found.clone());
        Ok(found)
    }
}
