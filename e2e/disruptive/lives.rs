//! The operator as a process of the test's own, under its own identity. Its requests pass through a proxy that can end its life at a write. The proxy shows it
//! one tenant and one DatabaseServer only, so several such processes may work side by side.

use crate::support::database::{OwnServer, Site};
use crate::support::{Cluster, operator, path, text};
use anyhow::{Context, Result, bail};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Router, serve};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// The time without a write that counts as the end of the work.
const QUIET: Duration = Duration::from_secs(3);
/// The time limit for a life's next write, or for its end.
const LIMIT: Duration = Duration::from_secs(60);
/// More writes than one change of a tenant needs.
const WRITES: usize = 80;
const LARGEST_BODY: usize = 4 << 20;

/// The end of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Ended from outside.
    Never,
    /// Before the write after this number of writes, which does not leave the machine.
    Before(usize),
    /// The first write is done, and nobody hears of it.
    AfterAWrite,
}

struct Life {
    /// Counts them.
    number: u64,
    end: End,
    process: Option<Child>,
    /// Those that were done.
    writes: Vec<String>,
    ended_by: Option<String>,
    /// Writes of an earlier life, which end no other: each life repeats the first steps of a drain.
    spared: HashSet<String>,
}

struct Shared {
    client: kube::Client,
    /// The name of the tenant, and prefix of all its objects' names.
    tenant: String,
    server: String,
    life: Mutex<Life>,
    /// Writes of a life that one of them is to end go one after the other.
    turn: tokio::sync::Mutex<()>,
}

/// One operator after the other.
pub struct Lives {
    shared: Arc<Shared>,
    kubeconfig: PathBuf,
    hosts: PathBuf,
    log: PathBuf,
    settings: Vec<(String, String)>,
}

impl Lives {
    /// With the settings of the one that is installed. Only writes that concern `tenant` count. `folder` is for its files.
    pub async fn new(cluster: &Cluster, site: &Site, server: &OwnServer, tenant: &str, folder: &Path) -> Result<Self> {
        let groups = [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{}", operator::NAMESPACE),
            "system:authenticated".to_owned(),
        ];
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let shared = Arc::new(Shared {
            client: cluster.impersonate(operator::USER, &groups)?.client,
            tenant: tenant.to_owned(),
            server: server.name.clone(),
            turn: tokio::sync::Mutex::new(()),
            life: Mutex::new(Life {
                number: 0,
                end: End::Never,
                process: None,
                writes: Vec::new(),
                ended_by: None,
                spared: HashSet::new(),
            }),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(pass).with_state(shared.clone());
        tokio::spawn(async move { serve(listener, router).await });

        std::fs::create_dir_all(folder)?;
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": server}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}]
        });
        let lives = Self {
            shared,
            kubeconfig: folder.join("kubeconfig"),
            hosts: folder.join("hosts"),
            log: folder.join("operator.log"),
            settings: settings(cluster).await?,
        };
        std::fs::write(&lives.kubeconfig, kubeconfig.to_string())?;
        let database = format!("{} {}", site.value("DATABASE_IP"), site.value("DATABASE_HOST"));
        std::fs::write(&lives.hosts, format!("127.0.0.1 localhost\n{database}\n"))?;
        Ok(lives)
    }

    /// Begins a life.
    pub fn begin(&self, end: End) -> Result<()> {
        self.kill();
        let log = File::create(&self.log)?;
        // Pods find the database by the cluster's DNS; this process by a hosts file that only it sees.
        let program = r#"mount --bind "$HOSTS" /etc/hosts && exec "$0" run"#;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", program, env!("CARGO_BIN_EXE_tenant-operator")])
            .envs(self.settings.iter().cloned())
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOSTS", &self.hosts)
            .env("LEADER_ELECT", "false")
            .env("METRICS_ADDRESS", "127.0.0.1:0")
            .env("HEALTH_ADDRESS", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut life = self.shared.life();
        life.process = Some(command.spawn().context("start the operator")?);
        life.number += 1;
        life.end = end;
        life.writes.clear();
        life.ended_by = None;
        Ok(())
    }

    pub fn kill(&self) {
        self.shared.life().kill();
    }

    /// Waits until the life that was begun has ended at a write, which it returns, or until `done` and nothing was written for
    /// a while.
    pub async fn outcome(&self, done: &impl AsyncFn() -> Result<()>) -> Result<Option<String>> {
        let begun = Instant::now();
        let (mut calm_since, mut written) = (Instant::now(), 0);
        let mut reason = String::new();
        while begun.elapsed() < LIMIT {
            tokio::time::sleep(Duration::from_millis(50)).await;
            {
                let mut life = self.shared.life();
                if life.process.is_none() {
                    return Ok(life.ended_by.clone());
                }
                let ended = life.process.as_mut().map(Child::try_wait).transpose()?.flatten();
                if let Some(status) = ended {
                    bail!("the operator ended by itself, {status}: {}", self.said());
                }
                if life.writes.len() != written {
                    (calm_since, written) = (Instant::now(), life.writes.len());
                }
            }
            if calm_since.elapsed() < QUIET {
                continue;
            }
            match done().await {
                Ok(()) => return Ok(None),
                Err(error) => reason = format!("{error:#}"),
            }
        }
        bail!("after {LIMIT:?}: {reason}\nthe operator said: {}", self.said())
    }

    /// Lives to the end of the work.
    pub async fn undisturbed(&self, done: impl AsyncFn() -> Result<()>) -> Result<Vec<String>> {
        self.begin(End::Never)?;
        self.outcome(&done).await?;
        let writes = self.shared.life().writes.clone();
        self.kill();
        Ok(writes)
    }

    /// Each write ends a life that did not get it done, the first one before it has done anything. Returns these writes.
    pub async fn cut_before_each_write(&self, done: impl AsyncFn() -> Result<()>) -> Result<Vec<String>> {
        self.cut(done, |number| End::Before(number.min(1))).await
    }

    /// Each write ends a life that did not hear that it was done. Returns these writes.
    pub async fn cut_after_each_write(&self, done: impl AsyncFn() -> Result<()>) -> Result<Vec<String>> {
        self.cut(done, |_| End::AfterAWrite).await
    }

    async fn cut(&self, done: impl AsyncFn() -> Result<()>, end: impl Fn(usize) -> End) -> Result<Vec<String>> {
        let mut cut = Vec::new();
        while cut.len() < WRITES {
            let end = end(cut.len());
            self.begin(end)?;
            let ended = self.outcome(&done).await;
            match ended.with_context(|| format!("after {} writes, {end:?}", cut.len()))? {
                Some(write) => cut.push(write),
                None => {
                    self.kill();
                    self.shared.life().spared.clear();
                    return Ok(cut);
                }
            }
        }
        bail!("it never ends: {cut:#?}")
    }

    /// The end of the present life's log.
    fn said(&self) -> String {
        let whole = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = whole.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Lives {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the installed operator's settings, except those that depend on its pod.
async fn settings(cluster: &Cluster) -> Result<Vec<(String, String)>> {
    let deployment = cluster
        .get(&path("deployments", operator::NAMESPACE, operator::NAME))
        .await?;
    let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array();
    let variables = variables.cloned().unwrap_or_default();
    let plain = variables.iter().filter(|variable| variable["valueFrom"].is_null());
    Ok(plain
        .map(|variable| (text(&variable["name"]), text(&variable["value"])))
        .collect())
}

impl Shared {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if the request changes something of the tenant's.
    fn counts(&self, request: &http::request::Parts, body: &Bytes) -> bool {
        let (at, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
        let aside = ["/events", "/leases", "/selfsubjectaccessreviews", "/databaseservers"];
        let name = self.tenant.as_bytes();
        request.method != http::Method::GET
            && !query.contains("dryRun")
            && !aside.iter().any(|resource| at.contains(resource))
            && (at.contains(&self.tenant) || body.windows(name.len()).any(|window| window == name))
    }
}

impl Shared {
    /// The address of a request; a list or a watch shows nothing of other tenants and servers.
    fn narrowed(&self, request: &http::request::Parts) -> String {
        let (at, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
        let field = |name: &str| format!("{at}?{query}&fieldSelector=metadata.name%3D{name}");
        if request.method != http::Method::GET {
            return request.uri.to_string();
        }
        if at.ends_with("/v1alpha1/tenants") {
            return field(&self.tenant);
        }
        if at.ends_with("/v1alpha1/databaseservers") {
            return field(&self.server);
        }
        let theirs = |part: &str| {
            let is_of_tenants = part.starts_with("labelSelector=") && part.contains("managed-by");
            let mine = format!("%2Ctenant-operator.io%2Ftenant%3D{}", self.tenant);
            part.to_owned() + if is_of_tenants { &mine } else { "" }
        };
        let query: Vec<String> = query.split('&').map(theirs).collect();
        format!("{at}?{}", query.join("&"))
    }
}

impl Life {
    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Returns the name of the object that a request creates.
fn created(method: &http::Method, body: &Bytes) -> String {
    let whole: Value = match *method == http::Method::POST {
        true => serde_json::from_slice(body).unwrap_or_default(),
        false => Value::Null,
    };
    text(&whole["metadata"]["name"])
}

/// Passes a request on, unless it comes from the dead or ends a life.
async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut counts = shared.counts(&parts, &body);
    let deed = format!("{} {}{}", parts.method, parts.uri.path(), created(&parts.method, &body));
    let number = shared.life().number;
    let _turn = match counts {
        true => Some(shared.turn.lock().await),
        false => None,
    };
    {
        let mut life = shared.life();
        if life.process.is_none() || life.number != number {
            return StatusCode::GONE.into_response();
        }
        counts = counts && !life.spared.contains(&deed);
        if counts && life.end == End::Before(life.writes.len()) {
            life.ended_by = Some(deed);
            life.kill();
            return StatusCode::GONE.into_response();
        }
    }
    let uri = shared.narrowed(&parts);
    let mut onward = http::Request::builder().method(parts.method).uri(uri);
    for name in [http::header::CONTENT_TYPE, http::header::ACCEPT] {
        if let Some(value) = parts.headers.get(&name) {
            onward = onward.header(name, value);
        }
    }
    let answer = match onward.body(kube::client::Body::from(body.to_vec())) {
        Ok(request) => shared.client.send(request).await,
        Err(error) => Err(kube::Error::HttpError(error)),
    };
    // A refused write does not count.
    if counts && answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
        let mut life = shared.life();
        life.writes.push(deed.clone());
        if life.end != End::Never {
            life.spared.insert(deed.clone());
        }
        if life.end == End::AfterAWrite {
            life.ended_by = Some(deed);
            life.kill();
        }
    }
    match answer {
        Ok(answer) => answer.map(Body::new),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
