//! A wrong key of the quota: the rest of the edit takes effect, and the quotas stay as they are.

use super::capabilities::{Capabilities, offline};
use super::fixtures::{api_server, attachment, platform, tenant, tier, world};
use super::provision::provision;
use super::validate_but_quota;
use crate::api::DeletionPolicy;
use crate::capability::{Pass, Reports, ValidTenant};
use crate::cluster::{Key, Kind, Store, Writer};
use crate::conditions::{kind, reason};
use crate::namespaces::are_bounded;
use crate::telemetry::metrics::Metrics;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use std::sync::Arc;

/// Every capability but the database, which needs a server.
fn list() -> Capabilities {
    let list = offline(None).into_iter();
    list.filter(|one| one.description().condition != kind::DATABASE_READY)
        .collect()
}

fn judged(spec: Value) -> ValidTenant {
    validate_but_quota(&list(), &tenant(spec), &tier(json!({})), &world(&[])).expect("valid but for its quota")
}

async fn pass(store: &Arc<Store>, writer: &Writer, valid: &mut ValidTenant) -> Reports {
    let (capabilities, platform) = (list(), platform());
    let pass = Pass {
        writer,
        store,
        platform: &platform,
        capabilities: &capabilities,
        policy: DeletionPolicy::Delete,
    };
    provision(&pass, valid).await.expect("a pass")
}

fn hard(store: &Store, namespace: &str) -> Value {
    let key = Key {
        kind: Kind::ResourceQuota,
        namespace: namespace.into(),
        name: "tenant".into(),
    };
    store.get("acme", &key).expect("a quota").value["spec"]["hard"].clone()
}

fn owned(store: &Store, role: &str) -> bool {
    let name = format!("tenant-operator-tenant-{role}");
    let keys = store.of("acme").into_keys();
    keys.into_iter()
        .any(|key| key.kind == Kind::RoleBinding && key.name == name)
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_an_edit_takes_effect() {
    let store = Arc::new(Store::default());
    for kind in attachment().controller.kinds() {
        store.observe(*kind, Event::InitDone);
    }
    let writer = Writer::new(api_server(|_, _| false), store.clone(), Metrics::new());
    let owner = |name: &str, role: &str| json!({"kind": "User", "name": name, "role": role});
    let before = json!({"namespaces": [{"name": "b"}], "quota": {"pods": 4}, "owners": [owner("alice", "Admin")]});
    let mut valid = judged(before);
    assert!(!are_bounded(&valid.core, &store), "nothing is there yet");
    pass(&store, &writer, &mut valid).await;
    let quotas = [hard(&store, "acme"), hard(&store, "acme-b")];
    assert!(quotas[0]["pods"] == "2" && !owned(&store, "viewer"));

    for (quota, hint) in [
        (
            json!({"pods": 8, "nvidia.com/gpu": 2}),
            "spec.quota.nvidia.com/gpu: bounds nothing, because Kubernetes does not count it: write requests.nvidia.com/gpu",
        ),
        (json!({"pod": 8}), "write pods"),
        (json!({"hugepages-2Mi": "3Mi"}), "must be a multiple of 2Mi"),
    ] {
        let owners = json!([owner("alice", "Admin"), owner("bob", "Viewer")]);
        let mut valid = judged(json!({"namespaces": [{"name": "b"}], "quota": quota, "owners": owners}));
        assert!(are_bounded(&valid.core, &store));
        let reports = pass(&store, &writer, &mut valid).await;
        assert!(owned(&store, "viewer"), "the new owner");
        assert_eq!(
            [hard(&store, "acme"), hard(&store, "acme-b")],
            quotas,
            "the quotas stay"
        );
        let report = reports.of(kind::NAMESPACES_READY).expect("a report");
        let note = report.state.problem().expect("a problem");
        assert!(report.state.is_stalled() && report.because == Some(reason::INVALID_SPEC));
        assert!(
            note.message.contains(hint) && note.message.ends_with("; the quotas stay as they are"),
            "{}",
            note.message
        );
        assert!(reports.gate().is_none(), "workloads go on");
        assert!(reports.refusal().is_none(), "it awaits a change, and no backoff");
    }
    // A namespace without bounds waits until they are right.
    let valid = judged(json!({"namespaces": [{"name": "c"}], "quota": {"pod": 8}}));
    assert!(!are_bounded(&valid.core, &store));
}
