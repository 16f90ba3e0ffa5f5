//! Reads the metrics of another program in the cluster.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// Timeout of an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum length of an answer: a gateway's counts of a thousand tenants with ten rules each need a quarter of it.
const MOST: usize = 32 * 1024 * 1024;

/// Number of pods to read at once.
pub const AT_ONCE: usize = 4;

/// The pods of another program, and the port of their metrics.
pub struct Pods {
    api: Api<Pod>,
    selector: String,
    port: u16,
}

impl Pods {
    /// The pods with these labels in a namespace.
    pub fn new(client: Client, namespace: &str, labels: &BTreeMap<String, String>, port: u16) -> Self {
        let selector: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        Self {
            api: Api::namespaced(client, namespace),
            selector: selector.join(","),
            port,
        }
    }

    /// Lists the pods.
    ///
    /// # Errors
    /// The API server does not answer, or refuses the list.
    pub async fn list(&self) -> Result<Vec<Pod>, kube::Error> {
        let list = self.api.list(&ListParams::default().labels(&self.selector)).await?;
        Ok(list.items)
    }

    /// Returns the address of a pod's metrics; None before the pod has one.
    pub fn address(&self, pod: &Pod) -> Option<SocketAddr> {
        let address: IpAddr = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
        Some(SocketAddr::new(address, self.port))
    }
}

/// Reads the text under a path.
///
/// # Errors
/// The program cannot be reached within ten seconds, or its answer is too long or no text.
pub async fn scrape(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    tokio::time::timeout(TIMEOUT, fetch(address, path))
        .await
        .context("no answer in time")?
}

async fn fetch(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    ensure!(answer.status() == StatusCode::OK, "it answered {}", answer.status());
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("its answer could not be read: {error}"))?;
    Ok(String::from_utf8(body.to_bytes().into())?)
}
