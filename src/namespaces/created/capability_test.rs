//! Passes over a tenant that creates namespaces itself.

use super::*;
use crate::api::{Tenant, TenantTier};
use crate::capability::{Pass, ReconcileOutcome, World};
use crate::cluster::{Identity, Kind, Store, Writer};
use crate::conditions::kind;
use crate::namespaces::Namespaces;
use crate::telemetry::metrics::Metrics;
use crate::tenant::fixtures::{ID, platform, tenant, tier, world};
use crate::tenant::provision::provision;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tower::BoxError;

/// The objects of the API server by path, and the requests that changed something, as `METHOD path`, with what they carry.
#[derive(Default)]
struct Server {
    objects: BTreeMap<String, Value>,
    writes: Vec<(String, Value)>,
}

type Shared = Arc<Mutex<Server>>;

impl Server {
    /// The answer to a request. TenantNamespaces called `gone` do not exist, and those of others do.
    fn answer(&mut self, method: &Method, path: &str, mut object: Value) -> (u16, Value) {
        let missing = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found"});
        if *method != Method::GET {
            self.writes.push((format!("{method} {path}"), object.clone()));
        }
        let path = match *method == Method::POST {
            true => format!("{path}/{}", object["metadata"]["name"].as_str().unwrap_or_default()),
            false => path.to_string(),
        };
        match method.as_str() {
            "GET" if path.ends_with("/pods") => (200, json!({"metadata": {}, "items": []})),
            "GET" if path.contains("customresourcedefinitions") => (
                200,
                json!({"metadata": {"name": "x", "uid": "x", "resourceVersion": "1"}}),
            ),
            "GET" => self
                .objects
                .get(&path)
                .map_or((404, missing), |found| (200, found.clone())),
            "DELETE" => {
                self.objects.remove(&path);
                (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
            }
            "PATCH" if path.contains("/gone") => (404, missing),
            "PATCH" => (
                200,
                json!({"metadata": {"name": "x", "uid": "x", "resourceVersion": "9"}, "spec": {}}),
            ),
            _ => {
                object["metadata"]["uid"] = json!(path);
                object["metadata"]["resourceVersion"] = json!((self.writes.len() + 1).to_string());
                object["status"]["hard"] = object["spec"]["hard"].clone();
                self.objects.insert(path, object.clone());
                (if method == "POST" { 201 } else { 200 }, object)
            }
        }
    }
}

fn client(server: Shared) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = server.clone();
        async move {
            let (method, path) = (request.method().clone(), request.uri().path().to_string());
            let body = request.into_body().collect().await?.to_bytes();
            let object: Value = serde_json::from_slice(&body).unwrap_or_default();
            let (code, answer) = lock(&server).answer(&method, &path, object);
            let response = Response::builder().status(code);
            Ok::<_, BoxError>(response.body(Body::from(answer.to_string().into_bytes()))?)
        }
    });
    Client::new(service, "default")
}

fn lock(server: &Shared) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

fn object(name: &str, more: Value) -> TenantNamespace {
    let mut whole = json!({"metadata": {"name": name, "namespace": "acme", "uid": name, "resourceVersion": "1", "generation": 1}, "spec": {}});
    crate::testing::lay_over(&mut whole, more);
    serde_json::from_value(whole).expect("a TenantNamespace")
}

fn owner() -> Identity {
    Identity {
        tenant: "acme".into(),
        id: ID.into(),
    }
}

struct Scene {
    store: Arc<Store>,
    server: Shared,
    writer: Writer,
    tenant: Tenant,
    tier: TenantTier,
}

impl Scene {
    fn new() -> Self {
        let (store, server) = (Arc::new(Store::default()), Shared::default());
        Self {
            writer: Writer::new(client(server.clone()), store.clone(), Metrics::new()),
            store,
            server,
            tenant: tenant(json!({})),
            tier: tier(json!({"tenantNamespaces": {"max": 3}, "quota": {"pods": 10}})),
        }
    }

    /// One pass with these TenantNamespaces. Returns the writes.
    async fn pass(&self, objects: &[TenantNamespace]) -> Vec<(String, Value)> {
        let known = TenantNamespaces::listed(objects.iter().cloned());
        let created = Arc::new(Created::new(self.writer.client().clone(), known.clone(), "test"));
        let capabilities: Vec<Arc<dyn Capability>> = vec![Arc::new(Namespaces), created.clone()];
        let platform = platform();
        let pass = Pass {
            writer: &self.writer,
            store: &self.store,
            platform: &platform,
            capabilities: &capabilities,
            policy: DeletionPolicy::Retain,
        };
        let mut found = observe::observed(&owner(), &self.store, Some(&known), |_| false);
        observe::ask(&pass, &owner(), &mut found).await;
        let world = World {
            created: found,
            ..world(&[])
        };
        let mut valid = crate::tenant::validate(&capabilities, &self.tenant, &self.tier, &world).expect("valid");
        let reports = provision(&pass, &mut valid).await.expect("a pass");
        assert!(reports.problem(false).is_none(), "{reports:?}");
        let observation = Observation {
            tenant: &self.tenant,
            owner: &owner(),
            valid: Some(&valid),
            outcome: &ReconcileOutcome::Planned(reports),
            check: None,
            now: "2026-01-01T10:00:00Z".parse().expect("a time"),
        };
        created.observe(&observation, &mut TenantStatus::default()).await;
        std::mem::take(&mut lock(&self.server).writes)
    }
}

fn place(writes: &[(String, Value)], what: &str) -> Option<usize> {
    writes.iter().position(|(write, _)| write.contains(what))
}

/// The condition Ready of the status that was written.
fn ready<'a>(writes: &'a [(String, Value)], name: &str) -> &'a Value {
    let path = format!("/tenantnamespaces/{name}/status");
    let at = place(writes, &path).unwrap_or_else(|| panic!("{name} has a status: {writes:?}"));
    let conditions = writes[at].1[1]["value"]["conditions"].as_array().expect("conditions");
    conditions.iter().find(|one| one["type"] == kind::READY).expect("Ready")
}

fn is_namespace(name: &str) -> impl Fn(&(String, Value)) -> bool {
    move |(write, object)| write == "POST /api/v1/namespaces" && object["metadata"]["name"] == name
}

#[tokio::test(start_paused = true)]
async fn a_tenant_namespace_is_held_before_its_namespace_exists() {
    let scene = Scene::new();
    scene.pass(&[]).await;
    let writes = scene.pass(&[object("a", json!({}))]).await;
    let held = place(
        &writes,
        "PATCH /apis/tenant-operator.io/v1alpha1/namespaces/acme/tenantnamespaces/a",
    );
    let created = writes.iter().position(is_namespace("acme-a"));
    assert!(held.is_some() && held < created, "{writes:?}");
    assert_eq!(ready(&writes, "a")["status"], "True");
    assert!(place(&writes, "/events").is_some(), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_one_costs_no_write() {
    let scene = Scene::new();
    let held = |status: Value| {
        object(
            "a",
            json!({"metadata": {"finalizers": [crate::names::FINALIZER]}, "status": status}),
        )
    };
    let writes = scene.pass(&[held(json!({}))]).await;
    let at = place(&writes, "/tenantnamespaces/a/status").expect("a status");
    let status = writes[at].1[1]["value"].clone();
    scene.pass(&[held(status.clone())]).await;
    let writes = scene.pass(&[held(status)]).await;
    assert!(writes.is_empty(), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_held_gets_no_namespace_yet() {
    let scene = Scene::new();
    let writes = scene.pass(&[object("gone", json!({})), object("b", json!({}))]).await;
    assert!(!writes.iter().any(is_namespace("acme-gone")), "{writes:?}");
    assert!(writes.iter().any(is_namespace("acme-b")), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_one_goes_once_its_namespace_is_gone() {
    let scene = Scene::new();
    let held = json!({"metadata": {"finalizers": [crate::names::FINALIZER, "a/b"]}});
    scene.pass(&[object("a", held.clone())]).await;
    let mut deleted = object("a", held);
    deleted.metadata.deletion_timestamp =
        object("a", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}))
            .metadata
            .deletion_timestamp;
    let writes = scene.pass(std::slice::from_ref(&deleted)).await;
    assert!(
        place(&writes, "DELETE /api/v1/namespaces/acme-a").is_some(),
        "{writes:?}"
    );
    let message = ready(&writes, "a")["message"].to_string();
    assert!(message.contains("namespace acme-a is being deleted"), "{message}");
    // The watch has seen its end.
    scene.store.forget_namespace("acme-a");
    let writes = scene.pass(&[deleted]).await;
    let released: Vec<&Value> = writes
        .iter()
        .filter(|(write, _)| write.ends_with("/tenantnamespaces/a"))
        .map(|(_, patch)| &patch["metadata"]["finalizers"])
        .collect();
    assert_eq!(released, [&json!(["a/b"])], "others' finalizers stay");
    assert!(place(&writes, "POST /api/v1/namespaces").is_none(), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_stays_where_its_tenant_namespace_is_not_known() {
    let scene = Scene::new();
    scene
        .pass(&[object("a", json!({"spec": {"quota": {"pods": 3}}}))])
        .await;
    scene.pass(&[]).await;
    let writes = scene.pass(&[]).await;
    assert!(writes.is_empty(), "{writes:?}");
    let live = scene
        .store
        .get("acme", &Key::namespace("acme-a"))
        .expect("the namespace");
    assert_eq!(live.annotation(names::TENANT_NAMESPACE), Some(r#"{"pods":"3"}"#));
    assert_eq!(live.key.kind, Kind::Namespace);
}

#[tokio::test(start_paused = true)]
async fn the_deletion_of_the_tenant_holds_no_tenant_namespace() {
    let scene = Scene::new();
    let known = TenantNamespaces::listed([object(
        "a",
        json!({"metadata": {"finalizers": [crate::names::FINALIZER]}}),
    )]);
    let created = Created::new(scene.writer.client().clone(), known, "test");
    let platform = platform();
    let pass = Pass {
        writer: &scene.writer,
        store: &scene.store,
        platform: &platform,
        capabilities: &[],
        policy: DeletionPolicy::Retain,
    };
    let deletion = Deletion {
        owner: &owner(),
        policy: DeletionPolicy::Retain,
        namespaces: &[],
    };
    let waiting = created.delete(&pass, &deletion).await.expect("a step");
    assert_eq!(waiting, None);
    let writes = lock(&scene.server).writes.clone();
    assert_eq!(writes[0].1["metadata"]["finalizers"], json!([]));
}
