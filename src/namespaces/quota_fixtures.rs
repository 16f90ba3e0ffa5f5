//! An API server with quotas and books, for tests.

use super::apply::{Applied, bounds};
use crate::api::DeletionPolicy;
use crate::books::{self, Book};
use crate::capability::{Pass, Platform, Stage, TenantCore, ValidTenant};
use crate::cluster::{Desired, Error, Kind, Store, Writer};
use crate::telemetry::metrics::Metrics;
use crate::tenant::fixtures::{acme, plan, platform};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tower::BoxError;

/// ResourceQuotas by namespace and books by tenant, as the API server has them, and the quotas that were written.
#[derive(Default)]
pub struct Server {
    pub quotas: BTreeMap<String, Value>,
    /// The numbers of pods.
    pub pods: BTreeMap<String, usize>,
    pub writes: Vec<(String, String)>,
    pub version: u64,
    /// The quota controller enforces each quota at once.
    pub is_prompt: bool,
    /// What another client does at the next write of the book, before that.
    pub rival: Option<fn(&mut Self)>,
}

/// The place of acme's book.
pub const BOOK: &str = "book acme";

impl Server {
    pub fn put(&mut self, namespace: &str, mut object: Value) -> Value {
        self.version += 1;
        if self.is_prompt && !namespace.starts_with("book ") {
            enforce(&mut object, None);
        }
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        object["metadata"]["uid"] = json!(namespace);
        self.quotas.insert(namespace.into(), object.clone());
        object
    }

    /// The namespace of a quota or of pods, or the tenant of a book.
    fn place(&self, path: &str, object: &Value) -> String {
        let parts: Vec<&str> = path.split('/').collect();
        if parts.get(5) != Some(&"configmaps") {
            return parts.get(4).copied().unwrap_or_default().to_string();
        }
        let tenant = |object: &Value| object["data"]["tenant"].as_str().map(|tenant| format!("book {tenant}"));
        let name = parts.get(6).copied().unwrap_or_default();
        let mut known = self.quotas.iter();
        let found = known.find(|(_, object)| object["metadata"]["name"] == name);
        found
            .map(|(place, _)| place.clone())
            .or(tenant(object))
            .unwrap_or_default()
    }
}

/// The quota controller enforces a quota, and counts so many pods.
pub fn enforce(quota: &mut Value, pods: Option<i64>) {
    let hard = quota["spec"]["hard"].clone();
    let former = quota["status"]["used"]["pods"].as_str().unwrap_or("0").to_string();
    let pods = pods.map_or(former, |pods| pods.to_string());
    quota["status"] = json!({"hard": hard, "used": {"pods": pods, "count/pods": pods}});
}

pub type Shared = Arc<Mutex<Server>>;

pub fn lock(server: &Shared) -> std::sync::MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn client(server: Shared) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = server.clone();
        async move {
            let (method, path) = (request.method().clone(), request.uri().path().to_string());
            let body = request.into_body().collect().await?.to_bytes();
            let mut object: Value = serde_json::from_slice(&body).unwrap_or_default();
            let mut server = lock(&server);
            let namespace = server.place(&path, &object);
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
                    if !namespace.starts_with("book ") {
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
pub struct Scene {
    pub server: Shared,
    pub store: Arc<Store>,
    pub tenant: TenantCore,
    pub quotas: Vec<Desired>,
}

impl Scene {
    pub fn new(namespaces: Value) -> Self {
        let tenant = acme(json!({"namespaces": namespaces}), json!({"quota": {"pods": 6}}));
        Self::of(tenant, Shared::default(), Arc::default())
    }

    /// A tenant at this API server.
    pub fn of(tenant: ValidTenant, server: Shared, store: Arc<Store>) -> Self {
        let mut quotas = plan(&tenant, &platform()).stage(Stage::Bounds);
        quotas.retain(|desired| desired.key.kind == Kind::ResourceQuota);
        Self {
            server,
            store,
            tenant: tenant.core,
            quotas,
        }
    }

    /// The planned quota of a namespace with these pods: `spec.hard`, `status.hard`, `status.used`.
    pub fn quota(&self, namespace: &str, [hard, enforced, used]: [i64; 3]) -> Value {
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
    pub fn share(&mut self, namespace: &str, pods: i64) {
        let planned = self
            .quotas
            .iter_mut()
            .find(|desired| desired.key.namespace == namespace);
        planned.expect("planned").value["spec"]["hard"]["pods"] = json!(pods.to_string());
    }

    /// The API server has this quota.
    pub fn has(&self, namespace: &str, pods: [i64; 3]) {
        let quota = self.quota(namespace, pods);
        lock(&self.server).put(namespace, quota);
    }

    /// The quota controller enforces the present quota and counts these pods, and the store sees it.
    pub fn counts(&self, namespace: &str, pods: i64) {
        let mut quota = lock(&self.server).quotas[namespace].clone();
        enforce(&mut quota, Some(pods));
        lock(&self.server).put(namespace, quota);
        self.sees(namespace);
    }

    /// The pods that the book has granted, and those that it has reserved for a namespace.
    pub fn book(&self, namespace: &str) -> (i64, i64) {
        self.reserved(&books::namespace(namespace))
    }

    /// The same of any holder.
    pub fn reserved(&self, holder: &str) -> (i64, i64) {
        let place = format!("book {}", self.tenant.owner.tenant);
        let text = lock(&self.server).quotas[&place]["data"]["book"].clone();
        let book = Book::parse(text.as_str().expect("a text")).expect("a book");
        let granted = book.granted.get("pods").map_or(0, |pods| pods.ceil());
        (granted, book.of(holder, "pods").ceil())
    }

    /// The store sees what the API server has.
    pub fn sees(&self, namespace: &str) {
        let quota = lock(&self.server).quotas[namespace].clone();
        self.store
            .put(Kind::ResourceQuota, serde_json::from_value(quota).expect("a quota"));
    }

    async fn bounds(&self) -> Result<Applied, Error> {
        let (writer, platform) = (self.writer(), platform());
        let pass = self.with(&writer, &platform);
        bounds(&pass, &self.tenant, self.quotas.clone(), &mut BTreeSet::new()).await
    }

    pub fn writer(&self) -> Writer {
        Writer::new(client(self.server.clone()), self.store.clone(), Metrics::new())
    }

    pub fn with<'a>(&'a self, writer: &'a Writer, platform: &'a Platform) -> Pass<'a> {
        Pass {
            writer,
            store: &self.store,
            platform,
            capabilities: &[],
            policy: DeletionPolicy::Delete,
        }
    }

    /// Runs a pass. Returns its writes, as namespace and pods.
    pub async fn pass(&self) -> (Vec<(String, String)>, Applied) {
        let applied = self.bounds().await.expect("applied");
        (std::mem::take(&mut lock(&self.server).writes), applied)
    }
}

pub fn writes(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(namespace, pods)| (namespace.to_string(), pods.to_string()))
        .collect()
}

pub fn waits(applied: &Applied) -> Vec<String> {
    let waiting = applied.shortfalls.iter().flat_map(|one| &one.waiting);
    waiting
        .map(|one| format!("{} has {} of {}", one.namespace, one.has, one.share))
        .collect()
}
