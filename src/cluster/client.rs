//! The client of the Kubernetes API: every call is counted, has a deadline, and is retried within narrow bounds.

use super::decode::without_managed_fields;
use crate::telemetry::metrics::{Metrics, RequestResult};
use crate::telemetry::request::ApiRequest;
use crate::term::Term;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full};
use kube::client::{Body, ClientBuilder};
use kube::runtime::watcher;
use kube::{Client, Config};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tower::{BoxError, Layer, Service, ServiceExt};

/// Timeout of a call, including retries and the reading of its answer.
const DEADLINE: Duration = Duration::from_secs(15);
/// Timeout of a watch until the server begins to answer; after that kube's watcher has its own idle timeout.
const WATCH_START: Duration = Duration::from_secs(30);
/// Number of retries of a call.
const RETRIES: u32 = 3;
/// The most concurrent calls. A busy API server answers more calls no sooner, and each call has a connection of its own, whose buffers stay. Leases and watches
/// bypass this limit.
const CALLS_AT_ONCE: usize = 16;
/// A call that takes longer makes room for another: one tenant's slow answers must not hold up the others.
const TURN: Duration = Duration::from_secs(1);
/// The wait before the first retry, where the server does not ask for a longer one; doubled for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// A call to the Kubernetes API was not answered in time; inside of [`kube::Error::Service`].
#[derive(thiserror::Error, Debug)]
#[error("the Kubernetes API did not answer in time")]
pub struct DeadlineExceeded;

/// The configuration of the cluster this process runs in, else that of the kubeconfig file.
///
/// kube's own order is the other way round: a stray kubeconfig in the image would win over the ServiceAccount.
pub async fn infer() -> Result<Config, kube::Error> {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        && let Ok(config) = Config::incluster_env()
    {
        return Ok(config);
    }
    Config::infer().await.map_err(kube::Error::InferConfig)
}

/// Configuration of watches: a list arrives object by object, so a large list is never in memory as a whole.
pub fn watch_config() -> watcher::Config {
    watcher::Config::default().streaming_lists()
}

/// A client whose attempts are counted in `metrics`. Calls fail with [`DeadlineExceeded`] after 15 s; watches have no
/// deadline once they began.
///
/// Retries a call at most three times, after the answer's `Retry-After`. It retries 429, after which the server has done nothing, and 503 and 504 of reads
/// only: a write may have succeeded, and its caller has to look. Fails when the configuration's certificates or credentials cannot be used.
pub fn client(config: Config, metrics: Metrics) -> Result<Client, kube::Error> {
    client_of(Term::unlimited(), config, metrics)
}

/// Returns a client as [`client`] does. Its writes neither begin nor go on outside of this term.
///
/// # Errors
/// Those of [`client`].
pub fn client_of(term: Term, mut config: Config, metrics: Metrics) -> Result<Client, kube::Error> {
    // kube would retry 15 times, writes too, and wait as long as the server says.
    config.default_retry = false;
    let agent = concat!("tenant-operator/", env!("CARGO_PKG_VERSION"));
    config.headers.push((USER_AGENT, HeaderValue::from_static(agent)));
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&CallLayer { metrics, term })
        .build())
}

/// Returns the configuration of a client that acts as another user. Its own user needs the right to impersonate that one.
pub fn acting_as(user: &str, mut config: Config) -> Config {
    config.auth_info.impersonate = Some(user.to_owned());
    config
}

#[derive(Clone)]
pub(super) struct CallLayer {
    pub(super) metrics: Metrics,
    pub(super) term: Term,
}

impl<S> Layer<S> for CallLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls {
            inner: Arc::new(Mutex::new(inner)),
            metrics: self.metrics.clone(),
            term: self.term.clone(),
            line: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
        }
    }
}

/// The service behind [`client`].
pub(super) struct Calls<S> {
    /// Held only while an attempt is started, not while it runs. kube's service cannot be cloned.
    inner: Arc<Mutex<S>>,
    metrics: Metrics,
    term: Term,
    line: Arc<Semaphore>,
}

impl<S, B> Service<Request<Body>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Send + 'static,
    S::Future: Send,
    B: BodyExt<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Either<Full<Bytes>, B>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Asked of the inner service at each attempt.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let kind = ApiRequest::of(request.method(), request.uri());
        let attempts = Attempts {
            inner: self.inner.clone(),
            metrics: self.metrics.clone(),
            term: self.term.clone(),
            kind,
        };
        let line = self.line.clone();
        Box::pin(async move {
            if attempts.kind.verb == "watch" {
                return attempts.watch(request).await;
            }
            // The leader must not lose its lease to its own work.
            if attempts.kind.resource == "leases" {
                return attempts.call(request).await;
            }
            let permit = line.acquire_owned().await?;
            let mut call = std::pin::pin!(attempts.call(request));
            match timeout(TURN, &mut call).await {
                Ok(answer) => answer,
                Err(_) => {
                    drop(permit);
                    call.await
                }
            }
        })
    }
}

/// Mark of a request that asks who wrote which field: its answer keeps `managedFields`.
#[derive(Clone, Copy, Debug)]
pub struct WithManagedFields;

/// The attempts of one call.
struct Attempts<S> {
    inner: Arc<Mutex<S>>,
    metrics: Metrics,
    term: Term,
    kind: ApiRequest,
}

impl<S, B> Attempts<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    B: BodyExt<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    async fn watch(self, request: Request<Body>) -> Result<Response<Either<Full<Bytes>, B>>, BoxError> {
        let begin = async { Ok(self.send(request).await?.map(Either::Right)) };
        self.counted(WATCH_START, begin).await
    }

    async fn call(self, mut request: Request<Body>) -> Result<Response<Either<Full<Bytes>, B>>, BoxError> {
        let end = Instant::now() + DEADLINE;
        let mut retries = 0;
        loop {
            let copy = copy(&request);
            let answer = match self.kind.is_write() {
                true => self.term.within(self.whole(request, end)).await??,
                false => self.whole(request, end).await?,
            };
            match copy.zip(self.wait(&answer, retries)) {
                Some((copy, wait)) if Instant::now() + wait < end => {
                    sleep(wait).await;
                    request = copy;
                    retries += 1;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// One attempt with the whole answer: a body that stops half-way must not hang either.
    async fn whole(&self, request: Request<Body>, end: Instant) -> Result<Response<Either<Full<Bytes>, B>>, BoxError> {
        let keeps_writers = request.extensions().get::<WithManagedFields>().is_some();
        let attempt = async {
            let (head, body) = self.send(request).await?.into_parts();
            let bytes = body.collect().await.map_err(Into::into)?.to_bytes();
            let fewer = (!keeps_writers).then(|| without_managed_fields(&bytes)).flatten();
            let bytes = fewer.map_or(bytes, Bytes::from);
            Ok(Response::from_parts(head, Either::Left(Full::new(bytes))))
        };
        self.counted(end.saturating_duration_since(Instant::now()), attempt)
            .await
    }

    /// Returns the delay before the next attempt after this answer, or None without a further attempt.
    fn wait<T>(&self, answer: &Response<T>, retries: u32) -> Option<Duration> {
        if retries >= RETRIES || !is_retried(self.kind.verb, answer.status()) {
            return None;
        }
        let jitter = 0.5 + fastrand::f64() / 2.0;
        let ours = FIRST_WAIT.saturating_mul(2u32.saturating_pow(retries)).mul_f64(jitter);
        Some(ours.max(retry_after(answer)))
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<B>, BoxError> {
        let started = self.inner.lock().await.ready().await?.call(request);
        started.await
    }

    /// The attempt, ended after `limit`, counted.
    async fn counted<T>(
        &self,
        limit: Duration,
        attempt: impl Future<Output = Result<Response<T>, BoxError>>,
    ) -> Result<Response<T>, BoxError> {
        let start = Instant::now();
        let result = timeout(limit, attempt).await;
        let outcome = match &result {
            Ok(Ok(answer)) => RequestResult::Status(answer.status()),
            Ok(Err(_)) => RequestResult::Error,
            Err(_) => RequestResult::Timeout,
        };
        self.metrics.requested(&self.kind, outcome, start.elapsed());
        result.unwrap_or_else(|_| Err(DeadlineExceeded.into()))
    }
}

fn is_retried(verb: &str, status: StatusCode) -> bool {
    match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => matches!(verb, "get" | "list"),
        _ => false,
    }
}

/// Returns the server's Retry-After; the API server does not use its other form, a date.
fn retry_after<T>(answer: &Response<T>) -> Duration {
    let seconds = answer
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

/// The same request once more; none when its body is a stream.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

#[cfg(test)]
#[path = "client_test.rs"]
mod tests;
