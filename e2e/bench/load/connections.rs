//! Requests over connections that each tenant's client keeps alive.

use anyhow::{Result, anyhow, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// The time after which a client gives up.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a request, and its credentials.
#[derive(Clone, Debug)]
pub struct Target {
    pub host: String,
    pub path: &'static str,
    pub credentials: Option<(HeaderName, HeaderValue)>,
}

impl Target {
    pub fn with_key(host: String, path: &'static str, key: &str) -> Result<Self> {
        let header = (HeaderName::from_static("x-api-key"), key.parse()?);
        Ok(Self {
            host,
            path,
            credentials: Some(header),
        })
    }
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<hyper::Result<()>>,
}

/// The clients' connections to the gateway.
pub struct Connections {
    gateway: SocketAddr,
    /// Connections without a request, by host.
    idle: Mutex<HashMap<String, Vec<Connection>>>,
}

impl Connections {
    pub fn to(gateway: SocketAddr) -> Self {
        Self {
            gateway,
            idle: Mutex::default(),
        }
    }

    /// GET. Returns the status once the whole body has arrived.
    pub async fn get(&self, target: &Target) -> Result<StatusCode> {
        self.send(target, Method::GET, Bytes::new()).await
    }

    /// POST.
    pub async fn post(&self, target: &Target, text: &'static str) -> Result<StatusCode> {
        self.send(target, Method::POST, Bytes::from_static(text.as_bytes()))
            .await
    }

    async fn send(&self, target: &Target, method: Method, body: Bytes) -> Result<StatusCode> {
        let mut request = Request::builder()
            .method(method)
            .uri(target.path)
            .header(header::HOST, &target.host);
        if let Some((name, value)) = &target.credentials {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body))?;
        let answer = async {
            let mut connection = self.connection(&target.host).await?;
            let answer = connection.sender.send_request(request).await?;
            let status = answer.status();
            answer.into_body().collect().await?;
            self.idle().entry(target.host.clone()).or_default().push(connection);
            anyhow::Ok(status)
        };
        tokio::time::timeout(TIMEOUT, answer)
            .await
            .map_err(|_| anyhow!("{} did not answer in {} s", target.host, TIMEOUT.as_secs()))?
    }

    /// Returns an idle connection that is still open, otherwise a new one.
    async fn connection(&self, host: &str) -> Result<Connection> {
        loop {
            let idle = self.idle().get_mut(host).and_then(Vec::pop);
            let Some(mut connection) = idle else { break };
            if connection.sender.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let stream = TcpStream::connect(self.gateway).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Connection {
            sender,
            _driver: AbortOnDropHandle::new(tokio::spawn(driver)),
        })
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<String, Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects for a target and checks that it is served.
    pub async fn open(&self, target: &Target) -> Result<()> {
        let status = self.get(target).await?;
        ensure!(status == StatusCode::OK, "{} answers {status}", target.host);
        Ok(())
    }
}
