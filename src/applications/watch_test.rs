//! What a watch shows, and whom it wakes.

use super::*;
use crate::cluster::watch::player::{Player, object, watch as played};
use crate::telemetry::metrics::Metrics;
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

fn service(app: &str, version: u64) -> Read<Service> {
    let spec = json!({"spec": {"selector": {"app": app}, "ports": [{"port": 80}]}});
    object::<Service>("models", "1", version, spec).into()
}

fn policy(name: &str, more: Value) -> Read<NetworkPolicy> {
    let mut rest = json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}});
    crate::testing::lay_over(&mut rest, more);
    object::<NetworkPolicy>(name, name, 1, rest).into()
}

fn follow<K: Kept>(services: &SharedServices) -> (Player<Read<K>>, UnboundedReceiver<String>)
where
    Read<K>: Send,
{
    let (player, events) = played();
    let (queue, mut woken) = Queue::new(Metrics::new());
    let services = services.clone();
    tokio::spawn(async move { follow_events(events, services, "applications".into(), &queue).await });
    let (sender, names) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(next) = woken.recv().await {
            let _ = sender.send(next.name);
        }
    });
    (player, names)
}

fn read(services: &SharedServices) -> Option<(String, bool)> {
    let name = ("applications".to_string(), "models".to_string());
    let found = services.read("acme", [name.clone()]).remove(&name)?;
    Some((found.selector["app"].clone(), found.is_restricted))
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_service_wakes_its_readers_and_nothing_else_does() {
    let services = SharedServices::default();
    let (player, mut woken) = follow::<Service>(&services);
    assert_eq!(read(&services), None);
    player.list([service("models", 1)], || {}).await;
    assert_eq!(read(&services), Some(("models".into(), false)));
    assert_eq!(woken.try_recv().ok().as_deref(), Some("acme"));
    // Its status, its annotations.
    player.play(Event::Apply(service("models", 2))).await;
    assert!(woken.try_recv().is_err());
    player.play(Event::Apply(service("other", 3))).await;
    assert_eq!(read(&services), Some(("other".into(), false)));
    player.play(Event::Delete(service("other", 4))).await;
    assert_eq!(read(&services), None);
    // It came and went while there was no watch.
    player.play(Event::Apply(service("models", 5))).await;
    player.list([], || {}).await;
    assert_eq!(read(&services), None);
}

#[tokio::test(start_paused = true)]
async fn only_policies_of_the_platform_restrict_pods() {
    let services = SharedServices::default();
    services.put_service(
        "applications",
        "models",
        Some(SharedService::of(&service("models", 1).object)),
    );
    let (player, _woken) = follow::<NetworkPolicy>(&services);
    let ours = policy("ours", json!({"metadata": {"labels": {names::TENANT_ID: "x"}}}));
    let stripped = policy(
        "stripped",
        json!({"metadata": {"annotations": {names::OWNED_BY: "acme/x"}}}),
    );
    let of_egress = policy("egress", json!({"spec": {"policyTypes": ["Egress"]}}));
    player.list([ours, stripped, of_egress], || {}).await;
    assert_eq!(read(&services), Some(("models".into(), false)));
    let mut unread = policy("unread", json!({}));
    unread
        .unread
        .push(crate::api::Unread::new("spec.podSelector".into(), "it is odd"));
    player.play(Event::Apply(unread)).await;
    assert_eq!(read(&services), Some(("models".into(), false)));
    player.play(Event::Apply(policy("deny", json!({})))).await;
    assert_eq!(read(&services), Some(("models".into(), true)));
    player.play(Event::Delete(policy("deny", json!({})))).await;
    assert_eq!(read(&services), Some(("models".into(), false)));
    assert!(services.listed(&[]).now_or_never().is_some());
}
