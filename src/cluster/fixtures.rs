//! An API server for tests that keeps objects, and notes the requests for Secrets.

use super::watch::Cache;
use super::{Identity, Store, Writer};
use crate::cluster::secret_versions::SecretsNamed;
use crate::telemetry::metrics::Metrics;
use crate::testing::lay_over;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tower::BoxError;

#[derive(Default)]
struct Inner {
    /// By path.
    objects: BTreeMap<String, Value>,
    version: u64,
    asked: Vec<String>,
}

impl Inner {
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.into(), object.clone());
        object
    }

    fn answer(&mut self, method: &Method, path: &str, body: &[u8]) -> (u16, Value) {
        if let Some((_, name)) = path.split_once("/secrets") {
            self.asked.push(format!("{method} {}", name.trim_start_matches('/')));
        }
        let status = |code: u16, reason: &str| {
            (
                code,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason}),
            )
        };
        let object: Value = serde_json::from_slice(body).unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let path = match *method == Method::POST {
            true => format!("{path}/{name}"),
            false => path.to_string(),
        };
        let found = self.objects.get(&path).cloned();
        match (method.as_str(), found) {
            ("POST", Some(_)) => status(409, "AlreadyExists"),
            ("POST", None) => {
                let uid = json!({"metadata": {"uid": format!("uid-{}", self.version)}});
                let mut object = object;
                lay_over(&mut object, uid);
                (201, self.put(&path, object))
            }
            (_, None) => status(404, "NotFound"),
            ("PUT", Some(found)) if found["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] => {
                status(409, "Conflict")
            }
            ("PUT", Some(_)) => (200, self.put(&path, object)),
            ("DELETE", Some(found)) => {
                self.version += 1;
                self.objects.remove(&path);
                (200, found)
            }
            (_, Some(found)) => (200, found),
        }
    }
}

/// The API server, and the operator's store.
#[derive(Clone, Default)]
pub struct Cluster {
    inner: Arc<Mutex<Inner>>,
    pub store: Arc<Store>,
}

impl Cluster {
    pub fn writer(&self) -> Writer {
        Writer::new(self.client(), self.store.clone(), Metrics::new())
    }

    pub fn client(&self) -> Client {
        let inner = self.inner.clone();
        let server = tower::service_fn(move |request: Request<Body>| {
            let inner = inner.clone();
            async move {
                let (method, path) = (request.method().clone(), request.uri().path().to_string());
                let body = request.into_body().collect().await?.to_bytes();
                let (code, object) = inner.lock().expect("no panic").answer(&method, &path, &body);
                let response = Response::builder().status(StatusCode::from_u16(code)?);
                Ok::<_, BoxError>(response.body(Body::from(object.to_string().into_bytes()))?)
            }
        });
        Client::new(server, "default")
    }

    /// The requests for Secrets since the last call, by method and name.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().expect("no panic").asked)
    }

    /// Changes a Secret, as others do.
    pub fn change(&self, owner: &Identity, name: &str, over: Value) {
        let (path, mut inner) = (path(owner, name), self.inner.lock().expect("no panic"));
        let mut object = inner.objects.get(&path).cloned().expect(name);
        lay_over(&mut object, over);
        inner.put(&path, object);
    }

    /// Deletes a Secret, as others do, and returns it.
    pub fn delete(&self, owner: &Identity, name: &str) -> Value {
        let mut inner = self.inner.lock().expect("no panic");
        inner.version += 1;
        inner.objects.remove(&path(owner, name)).expect(name)
    }

    /// Creates a Secret again, as others do.
    pub fn restore(&self, owner: &Identity, name: &str, object: Value) {
        self.inner.lock().expect("no panic").put(&path(owner, name), object);
    }

    /// Has the watches of these names list all there is.
    pub async fn list(&self, names: &[&str]) {
        for name in names {
            let end = format!("/secrets/{name}");
            let found: Vec<Value> = {
                let inner = self.inner.lock().expect("no panic");
                let objects = inner.objects.iter().filter(|(path, _)| path.ends_with(&end));
                objects.map(|(_, object)| object.clone()).collect()
            };
            let mut cache = SecretsNamed {
                name: (*name).into(),
                store: self.store.clone(),
            };
            cache.update(Event::Init).await;
            for object in found {
                let metadata = json!({"metadata": object["metadata"]});
                let secret = serde_json::from_value(metadata).expect("metadata");
                cache.update(Event::InitApply(secret)).await;
            }
            cache.update(Event::InitDone).await;
        }
    }
}

fn path(owner: &Identity, name: &str) -> String {
    format!("/api/v1/namespaces/{}/secrets/{name}", owner.tenant)
}
