//! The bench's view of the cluster, by watches.

use anyhow::Result;
use futures::StreamExt;
use kube::Resource;
use kube::api::Api;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

/// Calls `see` with every object that matches the labels, now and later, until dropped. Returns when it has begun.
pub async fn each<K>(api: Api<K>, labels: &str, see: impl Fn(K) + Send + 'static) -> Result<AbortOnDropHandle<()>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default().labels(labels);
    let (begun, begin) = oneshot::channel();
    let task = tokio::spawn(async move {
        let mut begun = Some(begun);
        let mut events = std::pin::pin!(watch(api, config).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => see(object),
                Ok(Event::InitDone) => {
                    let _ = begun.take().map(|begun| begun.send(()));
                }
                Ok(Event::Init | Event::Delete(_)) => {}
                Err(error) => crate::say(format_args!("a watch failed and is begun anew: {error}")),
            }
        }
    });
    begin.await?;
    Ok(AbortOnDropHandle::new(task))
}
