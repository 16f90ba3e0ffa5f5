//! Quotas against an API server whose controller is slow, and with a store that lags behind.

use super::*;
use crate::api::DeletionPolicy;
use crate::capability::Stage;
use crate::cluster::Writer;
use crate::telemetry::metrics::Metrics;
use crate::tenant::fixtures::{ID, acme, plan, platform};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tower::BoxError;

/// ResourceQuotas by namespace, as the API server has them, and the names of the namespaces that were written.
#[derive(Default)]
struct Server {
    quotas: BTreeMap<String, Value>,
    /// The numbers of pods.
    pods: BTreeMap<String, usize>,
    writes: Vec<(String, String)>,
    version: u64,
}

impl Server {
    fn put(&mut self, namespace: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        object["metadata"]["uid"] = json!(namespace);
        self.quotas.insert(namespace.into(), object.clone());
        object
    }
}

type Shared = Arc<Mutex<Server>>;

fn lock(server: &Shared) -> std::sync::MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

fn client(server: Shared) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = server.clone();
        async move {
            let (method, path) = (request.method().clone(), request.uri().path().to_string());
            let namespace = path.split('/').nth(4).unwrap_or_default().to_string();
            let body = request.into_body().collect().await?.to_bytes();
            let mut object: Value = serde_json::from_slice(&body).unwrap_or_default();
            let mut server = lock(&server);
            let found = server.quotas.get(&namespace).cloned();
            let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
            let pods = server.pods.get(&namespace).copied().unwrap_or_default();
            let pods = vec![json!({"metadata": {"name": "pod"}}); pods];
            let (code, answer) = match (method, found) {
                (Method::GET, _) if path.ends_with("/pods") => (StatusCode::OK, json!({"metadata": {}, "items": pods})),
                (Method::GET, Some(found)) => (StatusCode::OK, found),
                (Method::POST, None) => (StatusCode::CREATED, Value::Null),
                (Method::PUT, Some(found)) if version(&found) == version(&object) => {
                    object["status"] = found["status"].clone();
                    (StatusCode::OK, Value::Null)
                }
                (Method::POST | Method::PUT, Some(_)) => {
                    (StatusCode::CONFLICT, json!({"code": 409, "reason": "Conflict"}))
                }
                _ => (StatusCode::NOT_FOUND, json!({"code": 404, "reason": "NotFound"})),
            };
            let answer = match answer {
                Value::Null => {
                    let pods = object["spec"]["hard"]["pods"].as_str().unwrap_or_default().to_string();
                    server.writes.push((namespace.clone(), pods));
                    server.put(&namespace, object)
                }
                answer => answer,
            };
            let response = Response::builder().status(code);
            Ok::<_, BoxError>(response.body(Body::from(answer.to_string().into_bytes()))?)
        }
    });
    Client::new(service, "default")
}

/// A tenant of six pods, with these namespaces besides the first.
struct Scene {
    server: Shared,
    store: Arc<Store>,
    tenant: TenantCore,
    quotas: Vec<Desired>,
}

impl Scene {
    fn new(namespaces: Value) -> Self {
        let tenant = acme(json!({"namespaces": namespaces}), json!({"quota": {"pods": 6}}));
        let mut quotas = plan(&tenant, &platform()).stage(Stage::Bounds);
        quotas.retain(|desired| desired.key.kind == Kind::ResourceQuota);
        Self {
            server: Shared::default(),
            store: Arc::default(),
            tenant: tenant.core,
            quotas,
        }
    }

    /// The planned quota of a namespace with these pods: `spec.hard`, `status.hard`, `status.used`.
    fn quota(&self, namespace: &str, [hard, enforced, used]: [i64; 3]) -> Value {
        let planned = self.quotas.iter().find(|desired| desired.key.namespace == namespace);
        let mut quota = planned.expect("planned").value.clone();
        quota["apiVersion"] = json!("v1");
        quota["kind"] = json!("ResourceQuota");
        quota["spec"]["hard"]["pods"] = json!(hard.to_string());
        let mut status = quota["spec"]["hard"].clone();
        status["pods"] = json!(enforced.to_string());
        quota["status"] = json!({"hard": status, "used": {"pods": used.to_string(), "count/pods": used.to_string()}});
        quota
    }

    /// The API server has this quota.
    fn has(&self, namespace: &str, pods: [i64; 3]) {
        let quota = self.quota(namespace, pods);
        lock(&self.server).put(namespace, quota);
    }

    /// The store sees what the API server has.
    fn sees(&self, namespace: &str) {
        let quota = lock(&self.server).quotas[namespace].clone();
        self.store
            .put(Kind::ResourceQuota, serde_json::from_value(quota).expect("a quota"));
    }

    async fn bounds(&self) -> Result<Applied, Error> {
        let platform = platform();
        let pass = Pass {
            writer: &Writer::new(client(self.server.clone()), self.store.clone(), Metrics::new()),
            store: &self.store,
            platform: &platform,
            capabilities: &[],
            policy: DeletionPolicy::Delete,
        };
        bounds(&pass, &self.tenant, self.quotas.clone(), &mut BTreeSet::new()).await
    }

    /// Runs a pass. Returns its writes, as namespace and pods.
    async fn pass(&self) -> (Vec<(String, String)>, Applied) {
        let applied = self.bounds().await.expect("applied");
        (std::mem::take(&mut lock(&self.server).writes), applied)
    }
}

fn writes(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(namespace, pods)| (namespace.to_string(), pods.to_string()))
        .collect()
}

fn waits(applied: &Applied) -> Vec<String> {
    let waiting = applied.shortfalls.iter().flat_map(|one| &one.waiting);
    waiting
        .map(|one| format!("{} has {} of {}", one.namespace, one.has, one.share))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn new_quotas_are_written_at_once() {
    let scene = Scene::new(json!([{"name": "b"}]));
    let (mut written, applied) = scene.pass().await;
    written.sort();
    assert_eq!(written, writes(&[("acme", "3"), ("acme-b", "3")]));
    assert_eq!(waits(&applied), Vec::<String>::new());
    assert!(applied.unenforced.is_some(), "the controller has counted nothing");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_added_gets_what_the_first_gives_back() {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [6, 6, 6]);
    scene.sees("acme");
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "3"), ("acme-b", "0")]), "in this order");
    assert_eq!(waits(&applied), ["acme-b has 0 of 3"]);

    // The controller has taken both up, and five pods are left.
    let controller = |acme: i64, b: i64| {
        scene.has("acme", [3, 3, acme]);
        scene.has("acme-b", [b, b, 0]);
        scene.sees("acme");
        scene.sees("acme-b");
    };
    controller(6, 0);
    assert_eq!(scene.pass().await.0, writes(&[]), "nothing was given back");
    controller(5, 0);
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme-b", "1")]));
    assert_eq!(waits(&applied), ["acme-b has 1 of 3"]);
    controller(3, 1);
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme-b", "3")]));
    assert_eq!(applied.shortfalls, []);
    controller(3, 3);
    assert_eq!(scene.pass().await.0, writes(&[]), "quiet");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lags_behind_grants_nothing() {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme-b", [0, 0, 0]);
    scene.has("acme", [3, 3, 3]);
    scene.sees("acme");
    scene.sees("acme-b");
    // Since then acme got six pods, and uses them.
    scene.has("acme", [6, 6, 6]);
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "3")]));
    assert_eq!(waits(&applied), ["acme-b has 0 of 3"]);
}

#[tokio::test(start_paused = true)]
async fn pods_that_the_quota_controller_has_not_counted_grant_nothing() {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [3, 3, 3]);
    scene.has("acme-b", [0, 0, 0]);
    scene.sees("acme");
    scene.sees("acme-b");
    // One was admitted when acme still had six, and came after the recount.
    lock(&scene.server).pods.insert("acme".into(), 4);
    let (written, _) = scene.pass().await;
    assert_eq!(written, writes(&[]));
    lock(&scene.server).pods.insert("acme".into(), 3);
    let (written, applied) = scene.pass().await;
    assert_eq!((written, waits(&applied)), (writes(&[("acme-b", "3")]), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_moved_is_decided_on_anew() {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [6, 6, 1]);
    scene.sees("acme");
    scene.has("acme", [2, 2, 1]);
    scene.has("acme-b", [4, 4, 4]);
    // The store has neither what acme was lowered to, nor the other namespace's quota.
    let (written, applied) = scene.pass().await;
    assert_eq!(
        written,
        writes(&[("acme-b", "3")]),
        "acme does not get back what the other has by now"
    );
    assert_eq!(waits(&applied), ["acme has 2 of 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_the_tenant_leaves_holds_its_part_until_it_is_retained() {
    let scene = Scene::new(json!([]));
    scene.has("acme", [3, 3, 3]);
    scene.sees("acme");
    let place = |labels: Value| {
        let owner = Identity {
            tenant: "acme".into(),
            id: ID.into(),
        };
        let mut metadata = json!(crate::cluster::metadata::meta(&owner, "", "acme-b"));
        crate::testing::lay_over(&mut metadata, json!({"uid": "n", "labels": labels}));
        metadata["resourceVersion"] = json!(if labels == json!({}) { "1" } else { "2" });
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        scene
            .store
            .put(Kind::Namespace, serde_json::from_value(namespace).expect("a namespace"));
    };
    place(json!({}));
    let (written, applied) = scene.pass().await;
    assert_eq!(
        (written, waits(&applied)),
        (writes(&[]), vec!["acme has 3 of 6".to_string()])
    );
    place(json!({names::RETAINED: "true"}));
    let (written, applied) = scene.pass().await;
    assert_eq!((written, waits(&applied)), (writes(&[("acme", "6")]), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_tenant_waits_for_no_pods() {
    let mut scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [0, 0, 2]);
    scene.has("acme-b", [0, 0, 0]);
    scene.sees("acme");
    scene.sees("acme-b");
    scene.tenant.suspend = true;
    for quota in &mut scene.quotas {
        quota.value["spec"]["hard"]["pods"] = json!("0");
    }
    let (written, applied) = scene.pass().await;
    assert_eq!((written, applied.shortfalls), (writes(&[]), vec![]));
}
