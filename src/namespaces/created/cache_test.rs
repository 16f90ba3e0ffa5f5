//! What the watch shows, and whom it wakes.

use super::*;
use crate::cluster::watch::player::{object, watch as played};
use crate::telemetry::metrics::Metrics;
use serde_json::{Value, json};

fn of(tenant: &str, name: &str, version: u64, more: Value) -> TenantNamespace {
    let mut rest = json!({"metadata": {"namespace": tenant, "generation": 1}, "spec": {}});
    crate::testing::lay_over(&mut rest, more);
    object(name, name, version, rest)
}

#[tokio::test(start_paused = true)]
async fn a_change_wakes_the_tenant_and_a_status_wakes_nobody() {
    let known = TenantNamespaces::default();
    let (player, events) = played();
    let (queue, mut woken) = Queue::new(Metrics::new());
    let follows = known.clone();
    tokio::spawn(async move { follow_events(events, follows, &queue).await });
    let (sender, mut names) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(next) = woken.recv().await {
            let _ = sender.send(next.name);
        }
    });
    let seen = |tenant: &str| -> Vec<String> { known.of(tenant).into_keys().collect() };
    player.list([of("acme", "a", 1, json!({}))], || {}).await;
    assert_eq!(seen("acme"), ["a"]);
    assert_eq!(names.try_recv().ok().as_deref(), Some("acme"));
    let status = json!({"status": {"namespace": "acme-a"}});
    player.play(Event::Apply(of("acme", "a", 2, status))).await;
    assert!(names.try_recv().is_err(), "a status");
    player.play(Event::Apply(of("globex", "b", 3, json!({})))).await;
    assert_eq!(seen("globex"), ["b"]);
    player.play(Event::Delete(of("acme", "a", 4, json!({})))).await;
    assert!(seen("acme").is_empty());
    // What was gone before a list is in it no more.
    player.list([], || {}).await;
    assert!(seen("globex").is_empty());
}

#[test]
fn the_operator_acts_on_a_spec_a_deletion_and_finalizers() {
    let before = Arc::new(of("acme", "a", 1, json!({})));
    for (more, acts) in [
        (json!({}), false),
        (json!({"metadata": {"labels": {"a": "b"}}}), false),
        (json!({"metadata": {"generation": 2}}), true),
        (json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), true),
        (json!({"metadata": {"finalizers": ["a/b"]}}), true),
        (json!({"metadata": {"uid": "another"}}), true),
    ] {
        let after = Arc::new(of("acme", "a", 2, more.clone()));
        assert_eq!(differ(Some(&before), Some(&after)), acts, "{more}");
    }
}
