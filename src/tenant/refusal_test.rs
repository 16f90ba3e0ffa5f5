//! The API server refuses one object at a time: everything that does not depend on it goes on, and the status is true.

use super::fixtures::{acme_of, api_server, attachment, plan, platform, tenant};
use super::provision::provision;
use super::status::{Observed, status};
use super::{Capabilities, capabilities::offline};
use crate::api::{DeletionPolicy, TenantStatus};
use crate::capability::{Pass, ReconcileOutcome, Stage};
use crate::cluster::{Error, Key, Kind, Store, Writer};
use crate::conditions::{kind, reason};
use crate::telemetry::metrics::Metrics;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A tenant with every stage.
pub(super) fn spec() -> Value {
    let port = |number: u16| json!([{"name": "http", "containerPort": number}]);
    json!({
        "network": {"ingress": {"gateway": "Allow"}},
        "owners": [{"kind": "User", "name": "alice", "role": "Admin"}],
        "configuration": {"colour": "blue"},
        "workloads": [
            {"name": "web", "image": "web:1", "ports": port(8080), "replicas": 2},
            {"name": "api", "image": "api:1", "ports": port(9090), "autoscaling": {"maxReplicas": 3},
             "volumeClaims": [{"name": "data", "storage": "1Gi", "mountPath": "/data"}]},
        ],
        "gateway": {
            "hosts": ["acme.example.com"],
            "routes": [{"backend": {"workload": "web"}}],
            "authentication": {"apiKeys": [{"name": "ci"}]},
            "rateLimits": [{"requests": 5, "unit": "Second"}],
        },
    })
}

/// Every capability but the database, which needs a server.
pub(super) fn list() -> Capabilities {
    let without = |one: &Arc<dyn crate::capability::Capability>| one.description().condition != kind::DATABASE_READY;
    offline(Some(attachment())).into_iter().filter(without).collect()
}

struct Pass1 {
    store: Arc<Store>,
    written: BTreeSet<Key>,
    /// The status; an error where the pass ended before anything was planned.
    status: Result<(TenantStatus, Option<Error>), Error>,
}

/// One pass in which the API server refuses the object of this kind and name.
async fn pass_without(refused: Option<&Key>) -> Pass1 {
    let (capabilities, platform, store) = (list(), platform(), Arc::new(Store::default()));
    for kind in attachment().controller.kinds() {
        store.observe(*kind, Event::InitDone);
    }
    let refused = refused.map(|key| (key.kind.as_str(), key.name.clone()));
    let client = api_server(move |kind, name| {
        refused
            .as_ref()
            .is_some_and(|(of, called)| kind == *of && name == called)
    });
    let writer = Writer::new(client, store.clone(), Metrics::new());
    let pass = Pass {
        writer: &writer,
        store: &store,
        platform: &platform,
        capabilities: &capabilities,
        policy: DeletionPolicy::Delete,
    };
    let mut valid = acme_of(&capabilities, spec(), json!({}));
    let status = provision(&pass, &mut valid).await.map(|reports| {
        let refusal = reports.refusal();
        let outcome = ReconcileOutcome::Planned(reports);
        let now = "2026-01-01T10:00:00Z".parse().expect("a time");
        let observed = Observed {
            namespaces: vec!["acme".into()],
            ..Observed::default()
        };
        let status = status(&capabilities, &tenant(spec()), &outcome, Some(&valid), observed, now);
        (status, refusal)
    });
    let written = store.of("acme").into_keys().collect();
    Pass1 { store, written, status }
}

/// Returns true where an object of the first stage is not written while one of the second is refused: it is the same capability's, and comes later,
/// or nothing may come in before bounds hold.
fn depends(object: Stage, refused: Stage) -> bool {
    match refused {
        Stage::Claims | Stage::Namespaces | Stage::Bindings => object > refused,
        Stage::Bounds => object > Stage::Bounds,
        Stage::Configuration => object == Stage::Workloads,
        // Nothing leads in before its guards are there.
        Stage::Admission => object == Stage::Routes,
        Stage::Access | Stage::Workloads | Stage::Routes => false,
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_depend_on_a_refused_object_goes_on() {
    let valid = acme_of(&list(), spec(), json!({}));
    let planned: Vec<_> = plan(&valid, &platform()).planned.into_iter().flatten().collect();
    let stages: BTreeSet<Stage> = planned.iter().map(|planned| planned.stage).collect();
    assert_eq!(stages.len(), 9, "{stages:?}: the tenant has every stage");
    let all = pass_without(None).await;
    for planned in &planned {
        assert!(
            all.written.contains(&planned.object.key),
            "{} is written",
            planned.object.key
        );
    }
    for refused in &planned {
        let (key, stage) = (&refused.object.key, refused.stage);
        let pass = pass_without(Some(key)).await;
        for other in &planned {
            let is_same = (other.object.key.kind, &other.object.key.name) == (key.kind, &key.name);
            let is_written = pass.written.contains(&other.object.key);
            assert!(!is_same || !is_written, "{key}: refused and written");
            let may_lack = is_same || depends(other.stage, stage) || stage == Stage::Claims;
            assert!(
                is_written || may_lack,
                "{key} ({stage:?}) is refused, and {} ({:?}) is missing",
                other.object.key,
                other.stage
            );
            if depends(other.stage, stage) && stage != Stage::Configuration {
                assert!(
                    !is_written,
                    "{key} ({stage:?}) is refused, and {} ({:?}) is there",
                    other.object.key, other.stage
                );
            }
        }
        let error = match &pass.status {
            Err(error) => error.to_string(),
            Ok((status, refusal)) => {
                let ready = status
                    .conditions
                    .iter()
                    .find(|one| one.type_ == kind::READY)
                    .expect("Ready");
                assert_eq!(
                    (ready.status.as_str(), ready.reason.as_str()),
                    ("False", reason::API_INVALID),
                    "{key}"
                );
                assert_eq!(
                    refusal.as_ref().map(Error::reason),
                    Some(reason::API_INVALID),
                    "{key}: it is tried again"
                );
                ready.message.clone()
            }
        };
        assert!(error.contains(&key.name), "{key}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_healthy_part_is_reported_as_it_is_while_another_is_refused() {
    let service = Key {
        kind: Kind::Service,
        namespace: "acme".into(),
        name: "api".into(),
    };
    let pass = pass_without(Some(&service)).await;
    let (status, _) = pass.status.expect("planned");
    let of = |kind: &str| {
        let found = status.conditions.iter().find(|condition| condition.type_ == kind);
        found.map(|condition| (condition.status.clone(), condition.reason.clone()))
    };
    let is = |status: &str, reason: &str| Some((status.to_string(), reason.to_string()));
    assert_eq!(of(kind::NAMESPACES_READY), is("True", reason::READY));
    assert_eq!(of(kind::WORKLOADS_AVAILABLE), is("False", reason::API_INVALID));
    assert_eq!(of(kind::STALLED), is("True", reason::API_INVALID));
    let routes = pass
        .store
        .of("acme")
        .into_keys()
        .filter(|key| key.kind == Kind::HttpRoute);
    assert!(routes.count() > 0, "the healthy workload is led to");
}
