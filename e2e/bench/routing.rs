//! With ROUTES=1 and LOAD=1: the gateway's answers for every tenant, and the rewrites for one tenant's change.

use crate::audit::{Counts, Mark};
use crate::change::{Observer, spread};
use crate::cluster::{Cluster, WORKERS};
use crate::spec::{self, API_KEY, FLEET, LIMITS};
use crate::timing::until;
use crate::{operator, say};
use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde_json::json;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};
use tenant_operator::cluster::Kind;
use tenant_operator::gateway::{Attachment, envoy};
use tenant_operator::names;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// The number of tenants that get another limit, one after the other.
const CHANGED: usize = 20;
/// The timeout of an answer, and of the proxy after its controller has accepted a change.
const TIMEOUT: Duration = Duration::from_secs(10);
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Measurements of the routes.
pub struct Routing {
    /// Time from the last tenant's Ready until each tenant's gateway answers are right.
    pub lag: Duration,
    /// From the change of a limit until its tenant was Ready again, the shortest first.
    pub changes: Vec<Duration>,
    /// The number of the gateway's objects, and of those that all changes rewrote.
    pub objects: usize,
    pub rewritten: usize,
    /// The operator's requests meanwhile.
    pub asked: Counts,
}

/// Returns the Gateway's address for HTTP.
pub async fn address(cluster: &Cluster, to: &Attachment) -> Result<SocketAddr> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway");
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), &to.namespace, &resource);
    let gateway = api.get(&to.name).await.context("the Gateway")?;
    let address = gateway.data.pointer("/status/addresses/0/value");
    let address = address
        .and_then(|address| address.as_str())
        .context("the Gateway has no address")?;
    Ok(SocketAddr::new(address.parse::<IpAddr>()?, 80))
}

/// Asks every host without a key, with its tenant's, and with another tenant's, until all answers are as they should be.
async fn serves(cluster: &Cluster, at: SocketAddr, count: usize) -> Result<()> {
    let reads = (0..count).map(|index| key(cluster, spec::name(FLEET, index)));
    let keys: Vec<String> = stream::iter(reads).buffered(WORKERS).try_collect().await?;
    let tries = (0..count).map(|index| {
        let host = spec::host(&spec::name(FLEET, index));
        let (own, other) = (&keys[index], &keys[(index + 1) % count]);
        async move {
            until(
                &format!("{host} to answer its tenant alone"),
                READY_TIMEOUT,
                PAUSE,
                async || {
                    let answers = [
                        ask(at, &host, None).await?,
                        ask(at, &host, Some(own)).await?,
                        ask(at, &host, Some(other)).await?,
                    ];
                    let stranger = if count > 1 {
                        StatusCode::UNAUTHORIZED
                    } else {
                        StatusCode::OK
                    };
                    Ok((answers == [StatusCode::UNAUTHORIZED, StatusCode::OK, stranger]).then_some(()))
                },
            )
            .await
        }
    });
    stream::iter(tries).buffer_unordered(WORKERS).try_collect().await
}

/// Returns the tenant's API key.
pub async fn key(cluster: &Cluster, tenant: String) -> Result<String> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &tenant);
    let data = secrets.get(names::API_KEYS_SECRET).await?.data.unwrap_or_default();
    let key = data.get(API_KEY).with_context(|| format!("{tenant} has no key"))?;
    Ok(String::from_utf8(key.0.clone())?)
}

async fn ask(at: SocketAddr, host: &str, key: Option<&String>) -> Result<StatusCode> {
    let answer = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(at).await?)).await?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let mut request = Request::get("/").header(header::HOST, host);
        if let Some(key) = key {
            request = request.header("X-API-Key", key);
        }
        anyhow::Ok(
            sender
                .send_request(request.body(Empty::<Bytes>::new())?)
                .await?
                .status(),
        )
    };
    tokio::time::timeout(TIMEOUT, answer)
        .await
        .map_err(|_| anyhow!("{host} did not answer in {} s", TIMEOUT.as_secs()))?
}

/// Measures with the settled tenants.
pub async fn run(cluster: &Cluster, log: &Path, count: usize, lag: Duration) -> Result<Routing> {
    say("changes of limits");
    let observer = Observer::of(cluster, FLEET).await?;
    let before = generations(cluster).await?;
    let mark = Mark::now(log)?;
    let mut changes = Vec::new();
    let patch = json!({"spec": {"gateway": {"rateLimits": spec::limit(LIMITS[1])}}});
    for index in spread(count, CHANGED) {
        let tenant = spec::name(FLEET, index);
        changes.push(observer.change(&tenant, &patch).await.with_context(|| tenant)?);
    }
    let asked = mark.since(operator::USER)?;
    changes.sort();
    let after = generations(cluster).await?;
    ensure!(
        after.len() == before.len(),
        "a change of a limit made or removed objects"
    );
    let rewritten = after
        .iter()
        .filter(|(object, generation)| before.get(*object) != Some(*generation));
    Ok(Routing {
        lag,
        changes,
        objects: after.len(),
        rewritten: rewritten.count(),
        asked,
    })
}

/// Returns the gateway's objects and their generations.
async fn generations(cluster: &Cluster) -> Result<HashMap<(Kind, String, String), i64>> {
    let mut found = HashMap::new();
    let ours = ListParams::default().labels(names::TENANT);
    for kind in envoy::KINDS {
        for object in cluster.api(kind, "").list(&ours).await?.items {
            let metadata = object.metadata;
            let name = (
                kind,
                metadata.namespace.unwrap_or_default(),
                metadata.name.unwrap_or_default(),
            );
            found.insert(name, metadata.generation.unwrap_or_default());
        }
    }
    Ok(found)
}

/// Measures the time until the gateway serves the routes that the statuses report.
pub async fn lag(cluster: &Cluster, to: &Attachment, count: usize) -> Result<Duration> {
    let (at, ready) = (address(cluster, to).await?, Instant::now());
    say("every host is asked");
    serves(cluster, at, count).await?;
    Ok(ready.elapsed())
}
