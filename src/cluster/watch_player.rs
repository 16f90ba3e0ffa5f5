//! A watch that a test plays: its lists take seconds.

use futures::{Stream, stream};
use kube::runtime::watcher::{self, Event};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Time in which a caller has to act on an event. Tests that use this run with paused time.
const PAUSE: Duration = Duration::from_secs(2);

/// Plays a watch of one kind.
pub struct Player<K>(UnboundedSender<watcher::Result<Event<K>>>);

/// A player and the watch that it plays.
pub fn watch<K: Send>() -> (Player<K>, impl Stream<Item = watcher::Result<Event<K>>> + Send) {
    let (sender, receiver): (_, UnboundedReceiver<_>) = unbounded_channel();
    let events = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|event| (event, receiver))
    });
    (Player(sender), events)
}

impl<K> Player<K> {
    /// Plays an event and gives the caller time to act on it.
    pub async fn play(&self, event: Event<K>) {
        self.0.send(Ok(event)).expect("the watch is followed");
        tokio::time::sleep(PAUSE).await;
    }

    /// Plays a failure.
    pub async fn fail(&self) {
        let error = watcher::Error::NoResourceVersion;
        self.0.send(Err(error)).expect("the watch is followed");
        tokio::time::sleep(PAUSE).await;
    }

    /// Plays a failure and a list after it. `check` is called after every event but the last: nothing may have been acted on.
    pub async fn list(&self, objects: impl IntoIterator<Item = K>, mut check: impl FnMut()) {
        self.fail().await;
        check();
        self.play(Event::Init).await;
        check();
        for object in objects {
            self.play(Event::InitApply(object)).await;
            check();
        }
        self.play(Event::InitDone).await;
    }
}

/// An object with this name, uid and version; `rest` is laid over it.
pub fn object<K: DeserializeOwned>(name: &str, uid: &str, version: u64, rest: Value) -> K {
    let mut value = json!({"metadata": {"name": name, "uid": uid, "resourceVersion": version.to_string()}});
    crate::testing::lay_over(&mut value, rest);
    serde_json::from_value(value).expect("an object")
}
