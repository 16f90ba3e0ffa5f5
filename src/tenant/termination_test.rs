//! One object is being deleted and does not go: only what depends on it waits, and the status names what keeps it.

use super::fixtures::{ID, acme_of, api_server_with, attachment, plan, platform, tenant};
use super::provision::provision;
use super::refusal_test::{list, spec};
use super::status::{Observed, status};
use crate::api::{DeletionPolicy, TenantStatus};
use crate::capability::{Pass, Planned, ReconcileOutcome, Stage, ValidTenant};
use crate::cluster::{Identity, Key, Kind, Store, Writer};
use crate::conditions::{kind, reason};
use crate::telemetry::metrics::Metrics;
use crate::testing::lay_over;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const FINALIZER: &str = "example.com/hold";

/// A tenant with every stage, and a namespace besides its first.
fn two_namespaces() -> Value {
    let mut spec = spec();
    spec["namespaces"] = json!([{"name": "dev"}]);
    spec
}

struct Scene {
    store: Arc<Store>,
    valid: ValidTenant,
}

impl Scene {
    /// A tenant in a store that has everything.
    async fn settled() -> Self {
        let store = Arc::new(Store::default());
        for kind in attachment().controller.kinds() {
            store.observe(*kind, Event::InitDone);
        }
        let valid = acme_of(&list(), two_namespaces(), json!({}));
        let mut scene = Self { store, valid };
        scene.pass().await;
        scene
    }

    async fn pass(&mut self) -> TenantStatus {
        let (capabilities, platform) = (list(), platform());
        let store = self.store.clone();
        // A grant is made by what the API server itself says of the quotas.
        let finds = move |path: &str| {
            let (before, name) = path.split_once("/resourcequotas/")?;
            let key = Key {
                kind: Kind::ResourceQuota,
                namespace: before.rsplit('/').next()?.into(),
                name: name.into(),
            };
            store.get("acme", &key).map(|live| live.value)
        };
        let client = api_server_with(|_, _| false, finds);
        let writer = Writer::new(client, self.store.clone(), Metrics::new());
        let pass = Pass {
            writer: &writer,
            store: &self.store,
            platform: &platform,
            capabilities: &capabilities,
            policy: DeletionPolicy::Delete,
        };
        let reports = provision(&pass, &mut self.valid).await.expect("a pass");
        assert!(reports.refusal().is_none(), "it awaits an end, and no backoff");
        let outcome = ReconcileOutcome::Planned(reports);
        let observed = Observed {
            namespaces: vec!["acme".into()],
            ..Observed::default()
        };
        let (tenant, now) = (tenant(two_namespaces()), Timestamp::now());
        status(&capabilities, &tenant, &outcome, Some(&self.valid), observed, now)
    }

    /// Somebody deletes an object that a finalizer keeps.
    fn holds(&self, key: &Key, age: SignedDuration, over: Value) {
        let mut object = self.store.get("acme", key).expect("it is there").value;
        let deleted = (Timestamp::now() - age).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let metadata =
            json!({"uid": "held", "resourceVersion": "2", "deletionTimestamp": deleted, "finalizers": [FINALIZER]});
        lay_over(&mut object, json!({"metadata": metadata}));
        lay_over(&mut object, over);
        self.store
            .put(key.kind, serde_json::from_value(object).expect("an object"));
    }

    fn has(&self, key: &Key) -> bool {
        self.store.get("acme", key).is_some()
    }
}

fn planned(valid: &ValidTenant) -> Vec<Planned> {
    plan(valid, &platform()).planned.into_iter().flatten().collect()
}

fn condition(status: &TenantStatus, kind: &str) -> (String, String, String) {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind);
    let found = found.expect("the condition");
    (found.status.clone(), found.reason.clone(), found.message.clone())
}

/// Returns true where everything of the other object lies in the held namespace.
fn depends(other: &Planned, held: &Key) -> bool {
    let key = &other.object.key;
    held.kind == Kind::Namespace
        && match held.name.as_str() {
            "acme" => key.namespace == "acme" || other.stage >= Stage::Configuration,
            name => key.namespace == name,
        }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_depend_on_an_object_that_is_being_deleted_comes_back() {
    let valid = acme_of(&list(), two_namespaces(), json!({}));
    let planned = planned(&valid);
    let kinds: BTreeSet<Kind> = planned.iter().map(|planned| planned.object.key.kind).collect();
    assert!(kinds.contains(&Kind::PersistentVolumeClaim) && kinds.contains(&Kind::NetworkPolicy));
    for held in &planned {
        let key = &held.object.key;
        for (age, stalled) in [(10, "False"), (100, "True")] {
            let mut scene = Scene::settled().await;
            scene.holds(key, SignedDuration::from_secs(age), json!({}));
            let others = || planned.iter().filter(|other| other.object.key != *key);
            for other in others().filter(|other| other.stage > Stage::Claims) {
                let is_namespace = other.object.key.kind == Kind::Namespace;
                if !is_namespace || held.stage != Stage::Namespaces {
                    scene.store.forget(&other.object.key);
                }
            }
            let status = scene.pass().await;
            for other in others() {
                let key_of_other = &other.object.key;
                let waits = depends(other, key);
                assert_eq!(scene.has(key_of_other), !waits, "{key} is held: {key_of_other}");
            }
            let ready = condition(&status, kind::READY);
            assert_eq!(ready.0, "False", "{key}: {ready:?}");
            assert!(
                ready.2.contains(&key.to_string()) && ready.2.contains(FINALIZER),
                "{key}: {ready:?}"
            );
            assert_eq!(condition(&status, kind::STALLED).0, stalled, "{key} after {age} s");
            let expected = if stalled == "True" {
                reason::TERMINATING
            } else {
                reason::PROGRESSING
            };
            assert_eq!(ready.1, expected, "{key} after {age} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_where_a_bound_does_not_hold_and_is_being_deleted() {
    let valid = acme_of(&list(), two_namespaces(), json!({}));
    let all: Vec<Key> = planned(&valid).into_iter().map(|planned| planned.object.key).collect();
    for (namespace, runs) in [("acme", false), ("acme-dev", true)] {
        let mut scene = Scene::settled().await;
        let is_policy = |key: &Key| key.kind == Kind::NetworkPolicy && key.namespace == namespace;
        let policy = all.iter().find(|key| is_policy(key)).expect("a policy");
        scene.holds(
            policy,
            SignedDuration::from_secs(10),
            json!({"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}),
        );
        let deployments: Vec<&Key> = all.iter().filter(|key| key.kind == Kind::Deployment).collect();
        deployments.iter().for_each(|key| scene.store.forget(key));
        let binding = all
            .iter()
            .find(|key| key.namespace == namespace && key.name == "tenant-operator-tenant-admin");
        let binding = binding.expect("an owner's binding");
        scene.store.forget(binding);
        scene.pass().await;
        assert!(deployments.iter().all(|key| scene.has(key) == runs), "{namespace}");
        assert!(!scene.has(binding), "nobody is let into {namespace}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_keeps_its_id_while_the_claim_is_held() {
    let mut scene = Scene::settled().await;
    let owner = Identity {
        tenant: "acme".into(),
        id: ID.into(),
    };
    let claim = crate::capability::claim::id_claim(&owner, &platform()).object.key;
    scene.holds(&claim, SignedDuration::from_secs(100), json!({}));
    let status = scene.pass().await;
    let namespaces = condition(&status, kind::NAMESPACES_READY);
    assert!(namespaces.2.contains(FINALIZER), "{namespaces:?}");
}
