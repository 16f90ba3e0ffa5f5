//! Quotas and their book against an API server whose controller is slow, and with a store that lags behind.

use super::*;
use crate::api::DeletionPolicy;
use crate::books::Book;
use crate::capability::{Amounts, Stage};
use crate::cluster::Writer;
use crate::quantity::Amount;
use crate::telemetry::metrics::Metrics;
use crate::tenant::fixtures::{ID, acme, plan, platform};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tower::BoxError;

/// ResourceQuotas by namespace and the book by the operator's, as the API server has them, and the quotas that were written.
#[derive(Default)]
struct Server {
    quotas: BTreeMap<String, Value>,
    /// The numbers of pods.
    pods: BTreeMap<String, usize>,
    writes: Vec<(String, String)>,
    version: u64,
    /// The quota controller enforces each quota at once.
    is_prompt: bool,
    /// What another client does at the next write of the book, before that.
    rival: Option<fn(&mut Self)>,
}

/// The operator's namespace, where the book is.
const BOOK: &str = "tenant-operator-system";

impl Server {
    fn put(&mut self, namespace: &str, mut object: Value) -> Value {
        self.version += 1;
        if self.is_prompt && namespace != BOOK {
            enforce(&mut object, None);
        }
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        object["metadata"]["uid"] = json!(namespace);
        self.quotas.insert(namespace.into(), object.clone());
        object
    }
}

/// The quota controller enforces a quota, and counts so many pods.
fn enforce(quota: &mut Value, pods: Option<i64>) {
    let hard = quota["spec"]["hard"].clone();
    let former = quota["status"]["used"]["pods"].as_str().unwrap_or("0").to_string();
    let pods = pods.map_or(former, |pods| pods.to_string());
    quota["status"] = json!({"hard": hard, "used": {"pods": pods, "count/pods": pods}});
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
            if namespace == BOOK
                && method == Method::PUT
                && let Some(rival) = server.rival.take()
            {
                rival(&mut server);
            }
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
                    if namespace != BOOK {
                        let pods = object["spec"]["hard"]["pods"].as_str().unwrap_or_default().to_string();
                        server.writes.push((namespace.clone(), pods));
                    }
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

    /// The plan gives a namespace these pods.
    fn share(&mut self, namespace: &str, pods: i64) {
        let planned = self
            .quotas
            .iter_mut()
            .find(|desired| desired.key.namespace == namespace);
        planned.expect("planned").value["spec"]["hard"]["pods"] = json!(pods.to_string());
    }

    /// The API server has this quota.
    fn has(&self, namespace: &str, pods: [i64; 3]) {
        let quota = self.quota(namespace, pods);
        lock(&self.server).put(namespace, quota);
    }

    /// The quota controller enforces the present quota and counts these pods, and the store sees it.
    fn counts(&self, namespace: &str, pods: i64) {
        let mut quota = lock(&self.server).quotas[namespace].clone();
        enforce(&mut quota, Some(pods));
        lock(&self.server).put(namespace, quota);
        self.sees(namespace);
    }

    /// The pods that the book has granted, and those that it has reserved for a namespace.
    fn book(&self, namespace: &str) -> (i64, i64) {
        let text = lock(&self.server).quotas[BOOK]["data"]["book"].clone();
        let book = Book::parse(text.as_str().expect("a text")).expect("a book");
        let granted = book.granted.get("pods").map_or(0, |pods| pods.ceil());
        (granted, book.of(&crate::books::namespace(namespace), "pods").ceil())
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
async fn the_quota_of_a_lone_namespace_needs_no_book() {
    let scene = Scene::new(json!([]));
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "6")]));
    assert_eq!(waits(&applied), Vec::<String>::new());
    assert!(applied.unenforced.is_some(), "the controller has counted nothing");
    scene.has("acme", [3, 3, 3]);
    scene.sees("acme");
    assert_eq!(scene.pass().await.0, writes(&[("acme", "6")]));
    assert!(!lock(&scene.server).quotas.contains_key(BOOK));
}

#[tokio::test(start_paused = true)]
async fn new_quotas_have_nothing_until_the_book_has_reserved_it() {
    let scene = Scene::new(json!([{"name": "b"}]));
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "0"), ("acme-b", "0")]));
    assert!(applied.unenforced.is_some(), "the controller has counted nothing");
    scene.counts("acme", 0);
    scene.counts("acme-b", 0);
    assert_eq!(scene.pass().await.0, writes(&[("acme", "3"), ("acme-b", "3")]));
    assert_eq!((scene.book("acme"), scene.book("acme-b")), ((6, 3), (6, 3)));
    scene.counts("acme", 0);
    scene.counts("acme-b", 0);
    let version = lock(&scene.server).version;
    assert_eq!(scene.pass().await.0, writes(&[]), "quiet");
    assert_eq!(lock(&scene.server).version, version, "the book too");
}

#[tokio::test(start_paused = true)]
async fn one_pass_is_enough_for_new_quotas() {
    let scene = Scene::new(json!([{"name": "b"}]));
    lock(&scene.server).is_prompt = true;
    let (written, applied) = scene.pass().await;
    assert_eq!(written[2..], writes(&[("acme", "3"), ("acme-b", "3")]));
    assert_eq!((waits(&applied), applied.unenforced), (vec![], None));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_added_gets_what_the_first_gives_back() {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [6, 6, 6]);
    scene.sees("acme");
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "3"), ("acme-b", "0")]), "in this order");
    assert_eq!(waits(&applied), ["acme-b has 0 of 3"]);

    // The controller has taken both up, and five pods are left. Each release writes the quota that gives back.
    let controller = |acme: i64, b: i64| {
        scene.counts("acme", acme);
        scene.counts("acme-b", b);
    };
    controller(6, 0);
    assert_eq!(scene.pass().await.0, writes(&[]), "nothing was given back");
    controller(5, 0);
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "3"), ("acme-b", "1")]));
    assert_eq!(waits(&applied), ["acme-b has 1 of 3"]);
    controller(3, 1);
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "3"), ("acme-b", "3")]));
    assert_eq!(applied.shortfalls, []);
    controller(3, 3);
    assert_eq!(scene.pass().await.0, writes(&[]), "quiet");
}

/// A tenant whose namespaces have one pod less than their shares, and a book.
async fn settled() -> Scene {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [3, 3, 0]);
    scene.has("acme-b", [3, 3, 0]);
    scene.sees("acme");
    scene.sees("acme-b");
    scene.pass().await;
    scene.counts("acme", 0);
    scene.counts("acme-b", 0);
    scene
}

#[tokio::test(start_paused = true)]
async fn a_book_that_another_leader_wrote_meanwhile_is_read_anew() {
    let mut scene = settled().await;
    // The shares change, and the rival has raised acme from three pods to five before the operator writes the book.
    scene.share("acme", 2);
    scene.share("acme-b", 4);
    lock(&scene.server).rival = Some(|server| {
        let mut book = server.quotas[BOOK].clone();
        let mut content = Book::parse(book["data"]["book"].as_str().expect("a text")).expect("a book");
        content.reserve("namespace/acme", &Amounts::from([("pods".into(), Amount::whole(3))]));
        content.writes += 1;
        book["data"]["book"] = json!(content.text());
        server.put(BOOK, book);
    });
    lock(&scene.server).is_prompt = true;
    let (written, applied) = scene.pass().await;
    assert_eq!(
        written,
        writes(&[("acme", "2"), ("acme", "2"), ("acme-b", "4")]),
        "the quota that gives back is written again, after the book was read again"
    );
    assert_eq!(waits(&applied), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_lost_book_is_counted_before_anything_grows() {
    let mut scene = settled().await;
    lock(&scene.server).quotas.remove(BOOK);
    scene.share("acme", 2);
    scene.share("acme-b", 4);
    let (written, applied) = scene.pass().await;
    assert_eq!(
        written,
        writes(&[("acme", "2"), ("acme-b", "3")]),
        "both are written before they are counted"
    );
    assert_eq!(
        waits(&applied),
        ["acme-b has 3 of 4"],
        "acme's pods are not counted yet"
    );
    scene.counts("acme", 0);
    scene.counts("acme-b", 0);
    let (written, _) = scene.pass().await;
    assert_eq!(written.last(), writes(&[("acme-b", "4")]).last());
    assert_eq!((scene.book("acme"), scene.book("acme-b")), ((6, 2), (6, 4)));
}

#[tokio::test(start_paused = true)]
async fn a_book_that_others_wrote_is_counted_anew() {
    let mut scene = settled().await;
    {
        let mut server = lock(&scene.server);
        let mut book = server.quotas[BOOK].clone();
        let older = Book {
            is_open: true,
            ..Book::default()
        };
        book["data"]["book"] = json!(older.text());
        let fields = json!({"f:data": {"f:book": {}}});
        book["metadata"]["managedFields"] =
            json!([{"manager": "kubectl-edit", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}]);
        server.put(BOOK, book);
    }
    scene.share("acme", 2);
    scene.share("acme-b", 4);
    let (written, applied) = scene.pass().await;
    assert_eq!(
        written,
        writes(&[("acme", "2"), ("acme-b", "3")]),
        "both are written before they are counted"
    );
    assert_eq!(waits(&applied), ["acme-b has 3 of 4"]);
    assert_eq!((scene.book("acme"), scene.book("acme-b")), ((6, 3), (6, 3)));
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
    assert_eq!(written, writes(&[("acme-b", "0"), ("acme", "3")]));
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
    assert_eq!(written, writes(&[("acme", "3"), ("acme-b", "0")]), "nobody grows");
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
        writes(&[("acme", "2"), ("acme-b", "3")]),
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
        (writes(&[("acme", "3")]), vec!["acme has 3 of 6".to_string()])
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
    scene.pass().await;
    let (written, applied) = scene.pass().await;
    assert_eq!((written, applied.shortfalls), (writes(&[]), vec![]));
}
