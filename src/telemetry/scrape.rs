//! Reads the metrics of another program in the cluster.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// Timeout of an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum length of an answer: a gateway's counts of a thousand tenants with ten rules each need a quarter of it.
const MOST: usize = 32 * 1024 * 1024;

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
