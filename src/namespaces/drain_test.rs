use super::*;
use crate::capability::Stage;
use crate::cluster::diff;
use crate::tenant::fixtures::{ID, acme, plan, platform};

fn owner() -> Identity {
    Identity {
        tenant: "acme".into(),
        id: ID.into(),
    }
}

/// The namespace as it is planned, and as it stands in the cluster.
fn namespace(status: Value) -> (Desired, Live) {
    let tenant = acme(json!({}), json!({}));
    let planned = plan(&tenant, &platform()).stage(Stage::Namespaces).remove(0);
    let mut value = planned.value.clone();
    value["metadata"]["labels"][names::NAMESPACE_NAME] = json!("acme");
    value["spec"] = json!({"finalizers": ["kubernetes"]});
    value["status"] = status;
    let live = Live {
        key: planned.key.clone(),
        uid: "u".into(),
        resource_version: "7".into(),
        value,
    };
    (planned, live)
}

#[test]
fn a_retained_namespace_stays_ours_and_says_how_to_reclaim_it() {
    let (planned, live) = namespace(json!({"phase": "Active"}));
    let retained = retained(&owner(), &live);
    let metadata = &retained.value["metadata"];
    assert_eq!(metadata["labels"][names::RETAINED], "true");
    let how = metadata["annotations"][names::RECLAIM].as_str().expect("how");
    assert!(how.contains("acme") && how.contains(&format!("spec.id: {ID}")), "{how}");
    assert_eq!(
        (metadata["labels"][names::TENANT_ID].as_str(), retained.takes_over),
        (Some(ID), false)
    );
    assert_eq!(
        diff::difference(&retained, &live),
        Some(format!("metadata.labels.{}", names::RETAINED)),
        "only the marks of retention are new"
    );

    let after = Live {
        value: diff::replacement(&retained, &live),
        ..live
    };
    assert_eq!(diff::difference(&retained, &after), None, "done once");
    assert!(after.belongs_to(&owner()));
    // Reclaimed, it loses them again.
    assert!(diff::difference(&planned, &after).is_some());
    let reclaimed = diff::replacement(&planned, &after);
    assert!(reclaimed["metadata"]["labels"].get(names::RETAINED).is_none());
    assert!(reclaimed["metadata"]["annotations"].get(names::RECLAIM).is_none());
    assert_eq!(reclaimed["metadata"]["labels"][names::NAMESPACE_NAME], "acme");
}

#[test]
fn a_namespace_without_annotations_is_retained_too() {
    let (_, mut live) = namespace(Value::Null);
    live.value["metadata"]
        .as_object_mut()
        .expect("metadata")
        .remove("annotations");
    let retained = retained(&owner(), &live);
    assert!(retained.value["metadata"]["annotations"][names::RECLAIM].is_string());
}

#[test]
fn a_terminating_namespace_says_what_is_in_the_way() {
    let message = |status: Value| termination_message(&namespace(status).1);
    assert_eq!(
        message(json!({"phase": "Terminating"})),
        "namespace acme is being deleted"
    );
    let conditions = json!({"conditions": [
        {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "all fine"},
        {"type": "NamespaceContentRemaining", "status": "True", "message": "pods. has 1 resource instances"},
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "x/y in 1 resource instances"},
    ]});
    assert_eq!(
        message(conditions),
        "namespace acme is being deleted: pods. has 1 resource instances; x/y in 1 resource instances"
    );
    let long = json!({"conditions": [{"status": "True", "message": "ü".repeat(10_000)}]});
    assert!(message(long).chars().count() < 700);
}

#[test]
fn absent_means_retain() {
    assert_eq!(DeletionPolicy::default(), DeletionPolicy::Retain);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_gone_is_waited_for_by_nobody() {
    let lacking = tower::service_fn(|_: http::Request<kube::client::Body>| async {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound",
                            "message": "namespaces \"acme\" not found"});
        let body = kube::client::Body::from(status.to_string().into_bytes());
        Ok::<_, tower::BoxError>(http::Response::builder().status(404).body(body)?)
    });
    let store = std::sync::Arc::new(Store::default());
    let client = kube::Client::new(lacking, "default");
    let writer = Writer::new(client, store.clone(), crate::telemetry::metrics::Metrics::new());
    let platform = platform();
    let pass = Pass {
        writer: &writer,
        store: &store,
        platform: &platform,
        capabilities: &[],
        policy: DeletionPolicy::Delete,
    };
    for terminating in [false, true] {
        let (_, mut live) = namespace(json!({"phase": "Active"}));
        live.value["metadata"]["uid"] = json!("u");
        live.value["metadata"]["resourceVersion"] = json!("7");
        if terminating {
            live.value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        live.value["apiVersion"] = json!("v1");
        live.value["kind"] = json!("Namespace");
        let object = serde_json::from_value(live.value.clone()).expect("a namespace");
        store.put(Kind::Namespace, object);
        let waiting = drain(&pass, &owner(), &live, DeletionPolicy::Delete).await;
        assert_eq!(waiting.expect("gone"), None, "terminating: {terminating}");
        assert!(store.of("acme").is_empty(), "terminating: {terminating}");
    }
}
