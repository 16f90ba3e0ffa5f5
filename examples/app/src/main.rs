//! The application of the examples, one for all platforms. It answers below any path, by the last part of it:
//!
//! - `whoami`: the request's `X-Tenant-*` headers, the tenant's environment, and the names of its files and bindings, as JSON
//! - `rows`: GET reads the tenant's rows, POST adds the body as one
//! - `slow?ms=N`: answers after N milliseconds, 60,000 at most
//! - `burn?ms=N`: answers after it kept a processor busy for N milliseconds, 60,000 at most
//! - `fail?pod=NAME`: 503 from the pod of that name, 200 from the others; without a name 503 from all
//! - `ask?of=HOST:PORT`: the status that a server of the cluster answers with, or 502 and the error
//! - everything else: the pod's name

mod rows;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rows::Rows;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::signal::unix::{SignalKind, signal};

const LONGEST: Duration = Duration::from_secs(60);
/// The time that another server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let rows = Arc::new(Rows::from_environment());
    let listener = tokio::net::TcpListener::bind(("0.0.0.0", 8080)).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, Router::new().fallback(answer).with_state(rows))
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await
        .context("serve")
}

async fn answer(State(rows): State<Arc<Rows>>, method: Method, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let pod = std::env::var("HOSTNAME").unwrap_or_default();
    match uri.path().rsplit('/').next().unwrap_or_default() {
        "whoami" => json_text(&whoami(&pod, &headers)),
        "rows" => {
            let answer = match method {
                Method::GET => rows.read(&headers).await,
                Method::POST => rows.add(&headers, &body).await,
                _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
            };
            match answer {
                Ok(found) => json_text(&json!({"pod": pod, "rows": found})),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
            }
        }
        "slow" => {
            tokio::time::sleep(duration(&uri)).await;
            format!("{pod}\n").into_response()
        }
        "burn" => {
            let (begun, wanted) = (Instant::now(), duration(&uri));
            let burning = tokio::task::spawn_blocking(move || {
                while begun.elapsed() < wanted {
                    std::hint::spin_loop();
                }
            });
            match burning.await {
                Ok(()) => format!("{pod}\n").into_response(),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
            }
        }
        "ask" => match ask(query(&uri, "of").unwrap_or_default()).await {
            Ok(status) => format!("{status}\n").into_response(),
            Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}\n")).into_response(),
        },
        "fail" if query(&uri, "pod").is_none_or(|name| name == pod) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{pod} fails\n")).into_response()
        }
        _ => format!("{pod}\n").into_response(),
    }
}

/// The duration that a request names, a second unless it does.
fn duration(uri: &Uri) -> Duration {
    let wanted = query(uri, "ms").and_then(|text| text.parse().ok()).unwrap_or(1000);
    Duration::from_millis(wanted).min(LONGEST)
}

/// Returns the status code of a server's answer.
async fn ask(server: &str) -> anyhow::Result<String> {
    let asked = async {
        let mut stream = tokio::net::TcpStream::connect(server).await?;
        let request = format!("GET / HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await?;
        std::io::Result::Ok(line)
    };
    let line = tokio::time::timeout(PATIENCE, asked).await.context("no answer")??;
    let status = line.split_whitespace().nth(1);
    Ok(status.context("no HTTP")?.to_owned())
}

fn json_text(value: &Value) -> Response {
    ([("content-type", "application/json")], format!("{value}\n")).into_response()
}

fn query<'a>(uri: &'a Uri, key: &str) -> Option<&'a str> {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(name, value)| (name == key).then_some(value))
}

fn whoami(pod: &str, headers: &HeaderMap) -> Value {
    let sent: BTreeMap<&str, &str> = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-"))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let environment: BTreeMap<String, String> = std::env::vars()
        .filter(|(name, _)| name.starts_with("TENANT_"))
        .collect();
    let bindings: BTreeMap<String, Vec<String>> = names("/bindings")
        .into_iter()
        .map(|name| (name.clone(), names(&format!("/bindings/{name}"))))
        .collect();
    json!({"pod": pod, "headers": sent, "environment": environment, "files": files(), "bindings": bindings})
}

/// Contents of the tenant's files, which hold no secret.
fn files() -> BTreeMap<String, Value> {
    let read = |name: String| {
        let text = std::fs::read_to_string(format!("/etc/tenant/{name}")).ok()?;
        Some((name, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    };
    names("/etc/tenant").into_iter().filter_map(read).collect()
}

/// Names in a folder, without those of the kubelet's own links.
fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}
