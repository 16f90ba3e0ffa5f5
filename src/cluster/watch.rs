//! Watches: a cache takes in every event first, and callers act on the changes afterwards.
//!
//! A watch that cannot resume lists everything anew. Until that list is whole, a cache may lack an object that exists, or hold one that does not. So callers
//! see its changes only at its end, all at once, with the deletions since the last watch.

use super::decode::{Noting, Read, Readable};
use super::write::has_code;
use super::{Kind, Store};
use crate::time::doubled;
use futures::{Stream, StreamExt, stream};
use http::Request;
use http::header::{ACCEPT, HeaderValue};
use kube::api::{Api, ApiResource};
use kube::client::Body;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use kube::runtime::watcher::{self, Config, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Client, Resource, ResourceExt, api::DynamicObject};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// First and longest delay before the restart of a failed watch. kube's own may wait a minute.
const RETRY: (Duration, Duration) = (Duration::from_millis(800), Duration::from_secs(8));
/// Time without a failure after which the next wait is the first again.
const BACKOFF_RESET: Duration = Duration::from_secs(120);

/// The media type of objects without their content.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Receiver of a watch's events.
pub trait Cache<K> {
    /// Something that callers have to act on, in the order in which they do.
    type Change: Ord + Send;

    /// Takes in an event. Returns the changes; at the end of a list, also deletions.
    fn update(&mut self, event: Event<K>) -> impl Future<Output = Vec<Self::Change>> + Send;
}

/// Fills a cache from a watch. Yields each change once the cache holds it, and nothing while a list is under way.
pub fn changes<K, S, C>(watch: S, cache: C) -> impl Stream<Item = watcher::Result<C::Change>> + Send
where
    K: Send,
    S: Stream<Item = watcher::Result<Event<K>>> + Send,
    C: Cache<K> + Send,
{
    let state = (Box::pin(watch), cache, Pending::default());
    let changes = stream::unfold(state, |(mut watch, mut cache, mut pending)| async move {
        let due = match watch.next().await? {
            Ok(event) => {
                let step = Step::of(&event);
                let changes = cache.update(event).await;
                pending.add(step, changes).into_iter().map(Ok).collect()
            }
            Err(error) => vec![Err(error)],
        };
        Some((stream::iter(due), (watch, cache, pending)))
    });
    changes.flatten()
}

/// Phase of a watch to which an event belongs.
#[derive(Clone, Copy)]
enum Step {
    Listing,
    Listed,
    Watching,
}

impl Step {
    fn of<K>(event: &Event<K>) -> Self {
        match event {
            Event::Init | Event::InitApply(_) => Self::Listing,
            Event::InitDone => Self::Listed,
            Event::Apply(_) | Event::Delete(_) => Self::Watching,
        }
    }
}

/// Changes that wait for the end of a list; a list that is begun anew keeps those of the broken one.
struct Pending<C>(BTreeSet<C>);

impl<C> Default for Pending<C> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<C: Ord> Pending<C> {
    /// Adds changes and returns those that are due.
    fn add(&mut self, step: Step, changes: Vec<C>) -> BTreeSet<C> {
        self.0.extend(changes);
        match step {
            Step::Listing => BTreeSet::new(),
            Step::Listed | Step::Watching => std::mem::take(&mut self.0),
        }
    }
}

/// A change of objects in a reflector's store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// An object of this name was deleted. Another may have its name by now, and is `Changed` then.
    Deleted(String),
    /// An object of this name is new or not as it was.
    Changed(String),
    /// A list is complete: this comes after all changes that the list brought.
    Listed,
}

/// A reflector's store of a cluster-scoped kind.
pub struct Reflected<K: Resource<DynamicType = ()> + Clone + 'static> {
    writer: reflector::store::Writer<K>,
    store: reflector::Store<K>,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Reflected<K> {
    pub fn new(writer: reflector::store::Writer<K>) -> Self {
        let store = writer.as_reader();
        Self { writer, store }
    }
}

impl<K> Cache<K> for Reflected<K>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    type Change = Change;

    async fn update(&mut self, event: Event<K>) -> Vec<Change> {
        let before = match &event {
            Event::InitDone => self.store.state(),
            Event::Apply(object) => Vec::from_iter(self.store.get(&ObjectRef::from_obj(object))),
            Event::Init | Event::InitApply(_) | Event::Delete(_) => Vec::new(),
        };
        self.writer.apply_watcher_event(&event);
        match event {
            Event::Init | Event::InitApply(_) => Vec::new(),
            Event::InitDone => {
                let mut changes = differences(&before, &self.store.state());
                changes.push(Change::Listed);
                changes
            }
            Event::Apply(object) => differences(&before, &[Arc::new(object)]),
            Event::Delete(object) => vec![Change::Deleted(object.name_any())],
        }
    }
}

/// Differences of two states of a store.
fn differences<K: Resource>(before: &[Arc<K>], after: &[Arc<K>]) -> Vec<Change> {
    let by_name = |objects: &[Arc<K>]| -> BTreeMap<String, (Option<String>, Option<String>)> {
        let key = |object: &Arc<K>| (object.name_any(), (object.uid(), object.resource_version()));
        objects.iter().map(key).collect()
    };
    let (before, after) = (by_name(before), by_name(after));
    let is_gone = |name: &String, uid: &Option<String>| after.get(name).is_none_or(|(now, _)| now != uid);
    let gone = before.iter().filter(|(name, (uid, _))| is_gone(name, uid));
    let changed = after
        .iter()
        .filter(|(name, version)| before.get(*name) != Some(version));
    gone.map(|(name, _)| Change::Deleted(name.clone()))
        .chain(changed.map(|(name, _)| Change::Changed(name.clone())))
        .collect()
}

/// Our objects of one kind, in the [`Store`] of all.
pub struct Objects {
    pub kind: Kind,
    pub store: Arc<Store>,
}

/// A change of our objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectChange {
    /// An object of this tenant is new, changed or gone.
    Of(String),
    /// An object of this name was deleted.
    Deleted(String),
    /// The store is as a list was: this comes after the changes that the list brought.
    Listed,
}

impl Cache<DynamicObject> for Objects {
    type Change = ObjectChange;

    async fn update(&mut self, event: Event<DynamicObject>) -> Vec<ObjectChange> {
        let last = match &event {
            Event::Delete(object) => Some(ObjectChange::Deleted(object.name_any())),
            Event::InitDone => Some(ObjectChange::Listed),
            _ => None,
        };
        let concerned = self.store.observe(self.kind, event).into_iter();
        concerned.map(ObjectChange::Of).chain(last).collect()
    }
}

/// A watch that is begun anew when it failed, soon enough for an API server that was only restarted. An object that cannot be
/// decoded is no failure: it comes as far as it can be read, and the log names it.
pub fn events<K>(api: Api<Read<K>>, config: Config) -> impl Stream<Item = watcher::Result<Event<Read<K>>>> + Send
where
    K: Readable + Clone + Debug + Send + 'static,
    K::DynamicType: Clone,
{
    let (resource, events) = (api.resource_url().to_string(), watch(api, config));
    let events = events.backoff(ResetTimerBackoff::new(Retry::default(), BACKOFF_RESET));
    events.inspect(move |event| {
        if let Ok(Event::Apply(read) | Event::InitApply(read)) = event {
            tell(&resource, read);
        }
    })
}

fn tell<K: Resource>(resource: &str, read: &Read<K>) {
    let (namespace, name) = (read.namespace(), read.name_any());
    for unread in &read.unread {
        let field = &unread.field;
        tracing::warn!(
            resource,
            namespace,
            name,
            field,
            "an object cannot be read whole: {}",
            unread.why
        );
    }
}

/// The same of metadata only, for kinds whose content must not be in memory. A watch that failed lists anew, so that its cache knows when it is whole again.
pub fn metadata(
    client: Client,
    resource: &ApiResource,
    config: Config,
) -> impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Send + use<> {
    let of_metadata = tower::service_fn(move |mut request: Request<Body>| {
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(METADATA));
        let client = client.clone();
        async move { client.send(request).await }
    });
    let api: Api<Read<DynamicObject>> = Api::all_with(Client::new(of_metadata, "default"), resource);
    let begin = move || Box::pin(watch(api.clone(), config.clone()));
    let retry = ResetTimerBackoff::new(Retry::default(), BACKOFF_RESET);
    let events = stream::unfold((begin(), retry, None), move |(mut events, mut retry, wait)| {
        let begin = begin.clone();
        async move {
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
            let event = events.next().await?;
            let wait = event.as_ref().err().and_then(|_| {
                events = begin();
                retry.next()
            });
            Some((event, (events, retry, wait)))
        }
    });
    alone(events)
}

/// The same with fewer fields: `trim` removes unused ones, and this removes the record of client-side apply.
pub fn trimmed<K>(
    api: Api<Read<K>>,
    config: Config,
    trim: fn(&mut K),
) -> impl Stream<Item = watcher::Result<Event<Read<K>>>> + Send
where
    K: Readable<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    events(api, config).modify(move |read| {
        trim(&mut read.object);
        read.annotations_mut()
            .remove("kubectl.kubernetes.io/last-applied-configuration");
    })
}

/// Yields each object alone, with a note of its unreadable fields.
pub fn noted<K: Noting>(
    events: impl Stream<Item = watcher::Result<Event<Read<K>>>> + Send,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send {
    let noted = |Read { mut object, unread }: Read<K>| {
        object.note(unread);
        object
    };
    events.map(move |event| event.map(|event| map(event, noted)))
}

/// Yields each object alone, with its readable fields.
pub fn alone<K>(
    events: impl Stream<Item = watcher::Result<Event<Read<K>>>> + Send,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send {
    events.map(|event| event.map(|event| map(event, |read| read.object)))
}

/// An event with another object.
pub fn map<K, L>(event: Event<K>, change: impl FnOnce(K) -> L) -> Event<L> {
    match event {
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(change(object)),
        Event::InitDone => Event::InitDone,
        Event::Apply(object) => Event::Apply(change(object)),
        Event::Delete(object) => Event::Delete(change(object)),
    }
}

/// Returns true if a watch failed because the API server does not serve the kind.
pub fn is_unserved(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => has_code(error, 404),
        watcher::Error::WatchError(status) => status.code == 404,
        _ => false,
    }
}

/// Waits that double up to a limit, each shortened by up to a half at random.
#[derive(Default)]
struct Retry {
    failures: u32,
}

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = doubled(RETRY, self.failures);
        self.failures = self.failures.saturating_add(1);
        Some(wait.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

impl Backoff for Retry {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
#[path = "watch_player.rs"]
pub mod player;

#[cfg(test)]
#[path = "watch_test.rs"]
mod tests;
