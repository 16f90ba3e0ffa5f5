//! Follows the gateway's reports on tenants' routes, even in a cluster that serves such routes only later.

use super::Attachment;
use super::state::of_parent;
use crate::capability::Watching;
use crate::cluster::{
    Kind,
    client::watch_config,
    decode::Read,
    served::served,
    watch::{self, Cache},
};
use futures::{Stream, StreamExt};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event};
use std::pin::pin;
use std::time::Duration;

/// The interval between requests for kinds that the cluster does not serve.
const AGAIN: Duration = Duration::from_secs(1);

/// The purpose of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without them nothing leads to any tenant.
    Always,
    /// Without them only the tenants that need them are not served as they ask; their conditions name the reason.
    ForSome,
}

/// Watches these kinds while the cluster serves them all; otherwise asks the API server for them once in a period. Never ends.
pub async fn follow(watching: Watching, (kinds, need): (&'static [Kind], Need)) {
    loop {
        until_served(&watching, (kinds, need)).await;
        let watches = kinds.iter().map(|kind| Box::pin(watching.objects_while_served(*kind)));
        futures::future::select_all(watches).await;
        tokio::time::sleep(AGAIN).await;
    }
}

/// Resolves when the cluster has all of these kinds. The store forgets the objects of a kind that it lacks.
async fn until_served(watching: &Watching, (kinds, need): (&'static [Kind], Need)) {
    let mut reported = Vec::new();
    loop {
        match served(&watching.client, kinds).await {
            Ok(found) => {
                let missing = kinds.iter().filter(|kind| !found.contains(kind));
                let missing: Vec<Kind> = missing.copied().collect();
                for tenant in watching.store.note_lacking(kinds, &missing) {
                    watching.queue.wake(&tenant);
                }
                if missing.is_empty() {
                    return;
                }
                if reported != missing {
                    report(need, &missing);
                    reported = missing;
                }
            }
            Err(error) => tracing::warn!(%error, "whether the cluster has the gateway's kinds is not known"),
        }
        tokio::time::sleep(watching.period).await;
    }
}

fn report(need: Need, missing: &[Kind]) {
    let names: Vec<&str> = missing.iter().map(|kind| kind.as_str()).collect();
    let missing = names.join(", ");
    match need {
        Need::Always => tracing::warn!(missing, "the cluster lacks kinds that the gateway is told by"),
        Need::ForSome => tracing::info!(
            missing,
            "the cluster lacks a kind that only some tenants need, as for hosts with certificates of their own"
        ),
    }
}

/// Follows the conditions of the Gateway that routes attach to, for ever.
pub async fn follow_parent(client: Client, to: Attachment, note: impl Fn(Option<String>) + Send) {
    let gateways = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway"));
    let api: Api<Read<DynamicObject>> = Api::namespaced_with(client, &to.namespace, &gateways);
    // By name, since the operator may read no other.
    let config = watch_config().fields(&format!("metadata.name={}", to.name));
    let events = watch::alone(watch::events(api, config));
    follow_problem(events, &to, note).await;
}

/// Records the reason why the Gateway does not serve, at each change.
async fn follow_problem(
    events: impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Send,
    to: &Attachment,
    note: impl Fn(Option<String>),
) {
    let parent = Parent { to, listed: None };
    let mut problems = pin!(watch::changes(events, parent));
    while let Some(problem) = problems.next().await {
        match problem {
            Ok(problem) => note(problem),
            // The cluster has no Gateways at all.
            Err(error) if watch::is_unserved(&error) => note(of_parent(to, None)),
            Err(error) => tracing::warn!(%error, "the watch of the Gateway failed and is begun anew"),
        }
    }
}

/// The Gateway that routes attach to.
struct Parent<'a> {
    to: &'a Attachment,
    /// The object in the list in progress.
    listed: Option<DynamicObject>,
}

impl Cache<DynamicObject> for Parent<'_> {
    /// The reason why it does not serve.
    type Change = Option<String>;

    async fn update(&mut self, event: Event<DynamicObject>) -> Vec<Option<String>> {
        let gateway = match event {
            Event::Init => {
                self.listed = None;
                return Vec::new();
            }
            Event::InitApply(gateway) => {
                self.listed = Some(gateway);
                return Vec::new();
            }
            Event::InitDone => self.listed.take(),
            Event::Apply(gateway) => Some(gateway),
            Event::Delete(_) => None,
        };
        vec![of_parent(self.to, gateway.as_ref().map(|gateway| &gateway.data))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::watch::player::{object, watch as played};
    use crate::tenant::fixtures::attachment;
    use serde_json::json;
    use std::sync::{Arc, Mutex, PoisonError as Poisoned};

    #[tokio::test(start_paused = true)]
    async fn what_the_gateway_says_is_noted_when_its_list_is_whole() {
        let to = attachment();
        let noted = Arc::new(Mutex::new(Vec::new()));
        let take = || std::mem::take(&mut *noted.lock().unwrap_or_else(Poisoned::into_inner));
        let (player, events) = played();
        let (notes, of) = (noted.clone(), to.clone());
        tokio::spawn(async move {
            let note = |problem| notes.lock().unwrap_or_else(Poisoned::into_inner).push(problem);
            follow_problem(events, &of, note).await;
        });
        let gateway = |version, serves: &str| {
            let conditions = ["Accepted", "Programmed"].map(|type_| json!({"type": type_, "status": serves}));
            object::<DynamicObject>("platform", "1", version, json!({"status": {"conditions": conditions}}))
        };
        let nothing = || assert_eq!(take(), []);
        player.list([gateway(1, "True")], nothing).await;
        assert_eq!(take(), [None]);
        player.list([gateway(2, "False")], nothing).await;
        assert!(matches!(&take()[..], [Some(problem)] if problem.contains("is not Accepted")));
        // It was deleted while there was no watch.
        player.list([], nothing).await;
        let gone = Some(format!("Gateway {}/{} does not exist", to.namespace, to.name));
        assert_eq!(take(), std::slice::from_ref(&gone));
        player.play(Event::Apply(gateway(3, "True"))).await;
        player.play(Event::Delete(gateway(4, "True"))).await;
        assert_eq!(take(), [None, gone]);
    }
}
