//! Requests to the API server, by path and as plain JSON: the tests compare the JSON on the wire, not our types.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

/// A connection as one identity.
#[derive(Clone)]
pub struct Cluster {
    pub client: Client,
    config: Config,
}

/// Returns the local cluster's variables; None where the tests run on another cluster.
pub fn local() -> Option<HashMap<String, String>> {
    let whole = |path: PathBuf| path.canonicalize().ok();
    let is_local = whole(kubeconfig()) == whole(folder().join("kubeconfig"));
    let file = std::fs::read_to_string(folder().join("env"))
        .ok()
        .filter(|_| is_local)?;
    let pairs = file.lines().filter_map(|line| line.split_once('='));
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value.trim_matches('\'').to_owned()));
    Some(pairs.collect())
}

/// True on the cluster that `make up CLUSTER=kind` brought up.
pub fn is_kind() -> bool {
    let whole = kubeconfig().canonicalize().ok();
    whole.is_some() && whole == kind_folder().join("kubeconfig").canonicalize().ok()
}

/// Says aloud that a test, or a part of one, is skipped: not by a macro, whose output is kept back when a test passes. `e2e/test.sh`
/// counts these lines.
pub fn skipped(test: &str, why: &str) {
    let said = format!("SKIPPED {test}: {why}\n");
    let _ = std::io::stderr().write_all(said.as_bytes());
}

/// The kubeconfig of `KUBECONFIG`, else of the cluster that `make up` brought up.
pub fn kubeconfig() -> PathBuf {
    match std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => folder().join("kubeconfig"),
    }
}

/// Returns the folder of the local cluster's files.
pub fn folder() -> PathBuf {
    PathBuf::from(super::REPOSITORY).join("target/cluster")
}

/// Returns the folder in which `e2e/up.sh` keeps the kind cluster's files.
pub fn kind_folder() -> PathBuf {
    PathBuf::from(super::REPOSITORY).join("target/kind")
}

/// A connection as the cluster's administrator.
pub async fn admin() -> Result<Cluster> {
    let file = kubeconfig();
    let read = Kubeconfig::read_from(&file).with_context(|| format!("no cluster: {} (make up)", file.display()))?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    Cluster::new(config)
}

impl Cluster {
    fn new(mut config: Config) -> Result<Self> {
        config.read_timeout = Some(super::secs(30));
        Ok(Self {
            client: Client::try_from(config.clone())?,
            config,
        })
    }

    /// The same cluster seen by somebody else.
    pub fn impersonate(&self, user: &str, groups: &[&str]) -> Result<Self> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups.iter().map(|g| (*g).to_owned()).collect());
        Self::new(config)
    }

    /// Returns a client with only this token: it sends no client certificate.
    pub fn bearer(&self, token: &str) -> Result<Self> {
        let mut config = Config::new(self.config.cluster_url.clone());
        config.root_cert.clone_from(&self.config.root_cert);
        config.tls_server_name.clone_from(&self.config.tls_server_name);
        config.auth_info.token = Some(token.to_owned().into());
        Self::new(config)
    }

    pub async fn get(&self, path: &str) -> Result<Value, kube::Error> {
        self.send("GET", path, "application/json", None).await
    }

    pub async fn create(&self, path: &str, body: &Value) -> Result<Value, kube::Error> {
        self.send("POST", path, "application/json", Some(body)).await
    }

    pub async fn replace(&self, path: &str, body: &Value) -> Result<Value, kube::Error> {
        self.send("PUT", path, "application/json", Some(body)).await
    }

    /// A JSON merge patch.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, kube::Error> {
        self.send("PATCH", path, "application/merge-patch+json", Some(body))
            .await
    }

    pub async fn apply(&self, path: &str, body: &Value) -> Result<Value, kube::Error> {
        let path = format!("{path}?fieldManager=e2e&force=true");
        self.send("PATCH", &path, "application/apply-patch+yaml", Some(body))
            .await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, kube::Error> {
        self.send("DELETE", path, "application/json", None).await
    }

    /// The items of a list.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let list = self.get(path).await.with_context(|| format!("list {path}"))?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Returns true where the object exists.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        match self.get(path).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(e) => Err(e).with_context(|| format!("get {path}")),
        }
    }

    /// The text of a Secret's key; None where there is no such Secret or key.
    pub async fn secret(&self, namespace: &str, name: &str, key: &str) -> Result<Option<String>> {
        let path = path("secrets", namespace, name);
        if !self.exists(&path).await? {
            return Ok(None);
        }
        let secret = self.get(&path).await?;
        let Some(text) = secret["data"][key].as_str() else {
            return Ok(None);
        };
        Ok(Some(String::from_utf8(STANDARD.decode(text)?)?))
    }

    /// The names in a list.
    pub async fn names(&self, path: &str) -> Result<Vec<String>> {
        Ok(self
            .list(path)
            .await?
            .iter()
            .map(|item| text(&item["metadata"]["name"]))
            .collect())
    }

    /// A list as `kubectl get` shows it: the columns' names and the first row of `name`.
    pub async fn table(&self, path: &str, name: &str) -> Result<(Vec<String>, Vec<Value>)> {
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
        let request = http::Request::get(path).header("accept", accept).body(vec![])?;
        let table: Value = self.client.request(request).await?;
        let columns = table["columnDefinitions"].as_array().cloned().unwrap_or_default();
        let rows = table["rows"].as_array().cloned().unwrap_or_default();
        let row = rows.iter().find(|row| row["object"]["metadata"]["name"] == name);
        let cells = row
            .and_then(|row| row["cells"].as_array())
            .with_context(|| format!("no row {name} in {path}"))?;
        Ok((columns.iter().map(|c| text(&c["name"])).collect(), cells.clone()))
    }

    /// Returns an answer's status code, and the message of a refusal.
    pub async fn answer(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, String)> {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let bytes = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header("content-type", kind).body(bytes.into())?;
        let answer = self.client.send(request).await;
        let answer = answer.with_context(|| format!("{method} {path}"))?;
        let code = answer.status().as_u16();
        if code < 400 {
            return Ok((code, String::new()));
        }
        let bytes = answer.into_body().collect().await?.to_bytes();
        Ok((code, String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn send(&self, verb: &str, path: &str, kind: &str, body: Option<&Value>) -> Result<Value, kube::Error> {
        let bytes = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let request = http::Request::builder()
            .method(verb)
            .uri(path)
            .header("content-type", kind);
        let request = request.body(bytes).map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }
}

/// The path of an object, or of a list when `name` is empty; in all namespaces when `namespace` is.
pub fn path(resource: &str, namespace: &str, name: &str) -> String {
    let group = match resource {
        "deployments" | "statefulsets" | "replicasets" | "daemonsets" => "/apis/apps/v1",
        "jobs" | "cronjobs" => "/apis/batch/v1",
        "networkpolicies" | "ingresses" => "/apis/networking.k8s.io/v1",
        "roles" | "rolebindings" | "clusterroles" | "clusterrolebindings" => "/apis/rbac.authorization.k8s.io/v1",
        "horizontalpodautoscalers" => "/apis/autoscaling/v2",
        "poddisruptionbudgets" => "/apis/policy/v1",
        "storageclasses" => "/apis/storage.k8s.io/v1",
        "leases" => "/apis/coordination.k8s.io/v1",
        "endpointslices" => "/apis/discovery.k8s.io/v1",
        "customresourcedefinitions" => "/apis/apiextensions.k8s.io/v1",
        "subjectaccessreviews" => "/apis/authorization.k8s.io/v1",
        "validatingadmissionpolicybindings" | "mutatingadmissionpolicies" | "mutatingadmissionpolicybindings" => {
            "/apis/admissionregistration.k8s.io/v1"
        }
        "tenants" | "tenanttiers" | "tenantviews" | "databaseservers" => "/apis/tenant-operator.io/v1alpha1",
        "httproutes" | "referencegrants" => "/apis/gateway.networking.k8s.io/v1",
        "clusterreports" => "/apis/openreports.io/v1alpha1",
        "certificates" | "certificaterequests" | "clusterissuers" => "/apis/cert-manager.io/v1",
        _ => "/api/v1",
    };
    let namespace = if namespace.is_empty() {
        String::new()
    } else {
        format!("/namespaces/{namespace}")
    };
    let name = if name.is_empty() {
        String::new()
    } else {
        format!("/{name}")
    };
    format!("{group}{namespace}/{resource}{name}")
}

/// The request must have been refused, with these words in the message.
pub fn refused<T: std::fmt::Debug>(what: &str, result: Result<T, kube::Error>, words: &[&str]) -> Result<()> {
    match result {
        Ok(object) => bail!("{what} was let through: {object:?}"),
        Err(kube::Error::Api(status)) => {
            let message = status.message.to_lowercase();
            ensure!(
                matches!(status.code, 403 | 409 | 422 | 400),
                "{what}: {} {}",
                status.code,
                status.message
            );
            for word in words {
                ensure!(
                    message.contains(&word.to_lowercase()),
                    "{what}: no {word:?} in: {}",
                    status.message
                );
            }
            Ok(())
        }
        Err(e) => Err(e).with_context(|| format!("{what}: not an answer of the API server")),
    }
}

/// The request must have been forbidden, by the authorizer or by a policy, with these words in the message.
pub fn forbidden<T: std::fmt::Debug>(what: &str, result: Result<T, kube::Error>, words: &[&str]) -> Result<()> {
    if let Err(kube::Error::Api(status)) = &result {
        ensure!(status.code == 403, "{what}: {} {}", status.code, status.message);
    }
    refused(what, result, words)
}

/// A string in JSON, or nothing.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
