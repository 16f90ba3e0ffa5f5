//! Logs, metrics and health of the operator, and the two listeners that serve them.

pub mod health;
pub mod logs;
pub mod metrics;
mod process;
pub mod request;
pub mod scrape;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use health::Readiness;
use metrics::Metrics;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Time for open connections to finish when the operator stops.
const GRACE: Duration = Duration::from_secs(2);

/// The two listeners, bound and not yet served.
#[derive(Debug)]
pub struct Listeners {
    metrics: TcpListener,
    health: TcpListener,
}

impl Listeners {
    /// Binds both addresses. Fails when one cannot be bound, naming it.
    pub async fn bind(metrics: SocketAddr, health: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            metrics: listen(metrics).await?,
            health: listen(health).await?,
        })
    }

    /// The addresses that were bound, of the metrics and of the health listener.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.metrics.local_addr()?, self.health.local_addr()?))
    }

    /// Serves both until `stop` is cancelled; open connections then have 2 s. Fails when a listener fails.
    pub async fn serve(self, metrics: Metrics, readiness: Readiness, stop: CancellationToken) -> io::Result<()> {
        let both = async {
            tokio::try_join!(
                serve_one(self.metrics, metrics_router(metrics), stop.clone()),
                serve_one(self.health, health::router(readiness), stop.clone()),
            )
        };
        let overdue = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            result = both => result.map(|_| ()),
            () = overdue => Ok(()),
        }
    }
}

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

async fn serve_one(listener: TcpListener, router: Router, stop: CancellationToken) -> io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn metrics_router(metrics: Metrics) -> Router {
    let answer = move || {
        let text = metrics.encode();
        async move { ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text) }
    };
    Router::new().route("/metrics", get(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn fetch(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("listener accepts");
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("request is written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answer is read");
        answer
    }

    #[tokio::test]
    async fn serves_until_stopped() {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let listeners = Listeners::bind(any, any).await.expect("free ports");
        let (metrics, health) = listeners.addresses().expect("bound");
        assert!(
            Listeners::bind(metrics, any)
                .await
                .expect_err("taken")
                .to_string()
                .contains(&metrics.to_string())
        );

        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        readiness.wait_for("the caches");
        let server = tokio::spawn(listeners.serve(Metrics::new(), readiness.clone(), stop.clone()));

        readiness.now("standing by: another leads");
        let healthy = fetch(health, "/healthz").await;
        assert!(
            healthy.starts_with("HTTP/1.1 200") && healthy.ends_with("ok\nstanding by: another leads\n"),
            "{healthy}"
        );
        let waiting = fetch(health, "/readyz").await;
        assert!(
            waiting.starts_with("HTTP/1.1 503") && waiting.ends_with("waiting for: the caches\n"),
            "{waiting}"
        );
        readiness.done("the caches");
        assert!(fetch(health, "/readyz").await.starts_with("HTTP/1.1 200"));
        let text = fetch(metrics, "/metrics").await;
        assert!(
            text.contains("application/openmetrics-text") && text.contains("tenant_operator_build_info"),
            "{text}"
        );

        // An idle connection must not hold the shutdown up.
        let _idle = TcpStream::connect(health).await.expect("listener accepts");
        stop.cancel();
        let ended = tokio::time::timeout(GRACE * 2, server).await.expect("stops in time");
        ended.expect("no panic").expect("no error");
    }
}
