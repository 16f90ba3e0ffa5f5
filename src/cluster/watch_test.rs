//! Changes of a cache, and when they are shown.

use super::player::{object, watch};
use super::*;
use crate::names;
use k8s_openapi::api::core::v1::Node;
use kube::runtime::reflector::store;
use serde_json::json;
use std::pin::pin;
use std::sync::Mutex;

fn node(name: &str, uid: &str, version: u64) -> Node {
    object(name, uid, version, json!({}))
}

/// Follows a watch into a cache; returns its changes and failures.
fn follow<K, C>(events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static, cache: C) -> Yielded<C::Change>
where
    K: Send + 'static,
    C: Cache<K> + Send + 'static,
    C::Change: 'static,
{
    let yielded = Yielded::default();
    let yields = yielded.0.clone();
    tokio::spawn(async move {
        let mut changes = pin!(changes(events, cache));
        while let Some(change) = changes.next().await {
            yields.lock().expect("changes").push(change.ok());
        }
    });
    yielded
}

struct Yielded<C>(Arc<Mutex<Vec<Option<C>>>>);

impl<C> Default for Yielded<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<C> Yielded<C> {
    /// The changes since the last call; a failure is none.
    fn take(&self) -> Vec<C> {
        let all = std::mem::take(&mut *self.0.lock().expect("changes"));
        all.into_iter().flatten().collect()
    }

    fn is_empty(&self) -> bool {
        let all = self.0.lock().expect("changes");
        all.iter().all(Option::is_none)
    }
}

fn changed(name: &str) -> Change {
    Change::Changed(name.into())
}

fn deleted(name: &str) -> Change {
    Change::Deleted(name.into())
}

#[tokio::test(start_paused = true)]
async fn a_store_shows_how_a_list_differs_from_what_it_held() {
    let (store, writer) = store::<Node>();
    let (player, events) = watch();
    let yielded = follow(events, Reflected::new(writer));
    let cached = || {
        let mut names: Vec<String> = store.state().iter().map(|node| node.name_any()).collect();
        names.sort();
        names.join(" ")
    };
    let first = ["stays", "changes", "goes", "replaced"].map(|name| node(name, "1", 1));
    player
        .list(first, || assert!(yielded.is_empty() && cached().is_empty()))
        .await;
    assert_eq!(cached(), "changes goes replaced stays");
    assert_eq!(
        yielded.take(),
        [
            changed("changes"),
            changed("goes"),
            changed("replaced"),
            changed("stays"),
            Change::Listed
        ]
    );
    let second = [
        node("stays", "1", 1),
        node("changes", "1", 2),
        node("replaced", "2", 3),
        node("new", "3", 4),
    ];
    player
        .list(second, || {
            assert!(yielded.is_empty());
            assert_eq!(cached(), "changes goes replaced stays", "the list is not whole");
        })
        .await;
    assert_eq!(cached(), "changes new replaced stays");
    assert_eq!(
        yielded.take(),
        [
            deleted("goes"),
            deleted("replaced"),
            changed("changes"),
            changed("new"),
            changed("replaced"),
            Change::Listed
        ]
    );
    player.play(Event::Apply(node("new", "3", 5))).await;
    player.play(Event::Apply(node("new", "3", 5))).await;
    player.play(Event::Delete(node("stays", "1", 6))).await;
    player.play(Event::Apply(node("new", "4", 7))).await;
    assert_eq!(
        yielded.take(),
        [changed("new"), deleted("stays"), deleted("new"), changed("new")]
    );
    assert_eq!(cached(), "changes new replaced");
}

#[tokio::test(start_paused = true)]
async fn objects_show_their_tenants_when_a_list_is_whole() {
    let store = Arc::new(Store::default());
    let (player, events) = watch();
    let cache = Objects {
        kind: Kind::Namespace,
        store: store.clone(),
    };
    let yielded = follow(events, cache);
    let namespace = |name: &str, version| {
        let labels = json!({"metadata": {"labels": {names::TENANT: name}}});
        object::<DynamicObject>(name, name, version, labels)
    };
    let of = |tenant: &str| ObjectChange::Of(tenant.into());
    let check = || assert!(yielded.is_empty() && !store.has_listed(Kind::Namespace));
    player.list([namespace("acme", 1), namespace("globex", 2)], check).await;
    assert!(store.has_listed(Kind::Namespace));
    assert_eq!(yielded.take(), [of("acme"), of("globex"), ObjectChange::Listed]);

    // A list that breaks off: its objects appear at the end of the next.
    player.fail().await;
    player.play(Event::Init).await;
    player.play(Event::InitApply(namespace("initech", 3))).await;
    player
        .list([namespace("acme", 1), namespace("initech", 3)], || {
            assert!(yielded.is_empty());
        })
        .await;
    assert_eq!(yielded.take(), [of("globex"), of("initech"), ObjectChange::Listed]);
    player.play(Event::Delete(namespace("initech", 4))).await;
    assert_eq!(yielded.take(), [of("initech"), ObjectChange::Deleted("initech".into())]);
}

#[test]
fn a_watch_is_tried_again_within_seconds_however_long_it_failed() {
    let mut retry = Retry::default();
    for failures in 0..100 {
        let wait = retry.next().expect("a wait");
        assert!(wait >= RETRY.0 / 2 && wait <= RETRY.1, "{failures}: {wait:?}");
    }
    assert!(retry.next() >= Some(RETRY.1 / 2));
    retry.reset();
    assert!(retry.next() <= Some(RETRY.0));
}

#[tokio::test(start_paused = true)]
async fn of_metadata_no_content_is_asked_for_and_a_watch_that_failed_lists_anew() {
    let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let log = asked.clone();
    let server = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let accept = request.headers()[http::header::ACCEPT].to_str().expect("text");
        let mut log = log.lock().expect("no panic");
        log.push((request.uri().to_string(), accept.to_string()));
        let end = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"annotations": {"k8s.io/initial-events-end": "true"}, "resourceVersion": "3"}});
        let gone = json!({"kind": "Status", "status": "Failure", "code": 500, "message": "", "reason": ""});
        // Written so that its time cannot be read, as anybody may who may write such a Secret anywhere.
        let managed = json!([{"manager": "x", "time": "9999-12-31T23:59:59Z"}]);
        let secret = json!({"metadata": {"name": "a", "namespace": "x", "uid": "1", "resourceVersion": "2", "managedFields": managed}});
        let events = [("ADDED", secret), ("BOOKMARK", end), ("ERROR", gone)];
        let lines = events.map(|(kind, object)| format!("{}\n", json!({"type": kind, "object": object})));
        let lines = stream::iter(lines.map(Ok::<_, std::io::Error>)).chain(stream::pending());
        let body = axum::body::Body::from_stream(lines);
        async move { Ok::<_, tower::BoxError>(http::Response::new(body)) }
    });
    let client = kube::Client::new(server, "default");
    let config = Config::default().streaming_lists().fields("metadata.name=a");
    let mut events = pin!(metadata(client, &Kind::Secret.resource(), config));
    for _ in 0..2 {
        assert!(matches!(events.next().await, Some(Ok(Event::Init))));
        let Some(Ok(Event::InitApply(secret))) = events.next().await else {
            panic!("no Secret");
        };
        assert_eq!(
            (secret.name_any().as_str(), secret.resource_version()),
            ("a", Some("2".into()))
        );
        assert!(matches!(events.next().await, Some(Ok(Event::InitDone))));
        assert!(events.next().await.is_some_and(|event| event.is_err()));
    }
    let asked = asked.lock().expect("no panic");
    assert_eq!(asked.len(), 2);
    for (uri, accept) in asked.iter() {
        let parts = [
            "/api/v1/secrets?",
            "watch=true",
            "sendInitialEvents=true",
            "fieldSelector=metadata.name%3Da",
        ];
        assert!(parts.iter().all(|part| uri.contains(part)), "{uri}");
        assert_eq!(accept, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    }
}
