//! The PostgreSQL beside the local cluster: as its superuser, as a tenant by its Secret, and as DatabaseServers of a test's own.

use super::scene::lay_over;
use super::tenant::condition;
use super::{Cluster, Scene, TestTenant, cluster, eventually, kubectl, operator, path, secs, summary, text};
use anyhow::{Context, Result, anyhow, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The DatabaseServer that `make up` makes, and its label.
pub const SERVER: &str = "sample";
pub const SECRET: &str = "tenant-database";
/// The operator's role on the server.
pub const OPERATOR: &str = "tenant_operator";
/// Time for the operator's next look at a server and its work: it looks once a minute, give or take a tenth.
pub const LOOK: Duration = Duration::from_secs(80);

/// The server, as the local cluster's env file tells of it.
#[derive(Clone)]
pub struct Site {
    env: HashMap<String, String>,
}

impl Site {
    /// Returns None where the cluster has no PostgreSQL beside it, and prints that the test is skipped.
    pub fn find(test: &str) -> Option<Self> {
        let env = cluster::local().filter(|env| env.contains_key("DATABASE_HOST"));
        if env.is_none() {
            cluster::skipped(test, "this cluster has no PostgreSQL beside it (CLUSTER=local has)");
        }
        env.map(|env| Self { env })
    }

    pub fn value(&self, key: &str) -> &str {
        self.env.get(key).map_or("", String::as_str)
    }

    /// `host:port` as pods know it.
    pub fn address(&self) -> String {
        format!("{}:{}", self.value("DATABASE_HOST"), self.value("DATABASE_PORT"))
    }

    /// `stop`, `start`, `pause` or `resume`.
    pub async fn control(&self, verb: &'static str) -> Result<()> {
        let mut command = Command::new(self.value("DATABASE_CONTROL"));
        let output = tokio::task::spawn_blocking(move || command.arg(verb).output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{verb}: {said}");
        Ok(())
    }

    /// Connects by the socket, as the superuser.
    pub async fn superuser(&self, database: &str) -> Result<Sql> {
        let mut config = Config::new();
        config.host_path(self.value("DATABASE_SOCKET"));
        config.port(self.value("DATABASE_PORT").parse()?);
        config.user("postgres").dbname(database);
        config.connect_timeout(secs(10)).application_name("e2e");
        let (client, connection) = config.connect(NoTls).await.context("connect as superuser")?;
        tokio::spawn(connection);
        Ok(Sql(client))
    }

    /// Logs in with a Secret's content, and verifies the server's certificate by the Secret's CA.
    pub async fn log_in(&self, binding: &Binding) -> Result<Sql, Refusal> {
        self.log_in_to(binding, binding.get("database")).await
    }

    /// The same, to another database than it names.
    pub async fn log_in_to(&self, binding: &Binding, database: &str) -> Result<Sql, Refusal> {
        // The driver knows no verify-full; its TLS settings here verify all the same.
        let uri = binding.get("uri").replace("sslmode=verify-full", "sslmode=require");
        let mut config: Config = uri.parse().map_err(|error| Refusal::other(&error))?;
        let address = self
            .value("DATABASE_IP")
            .parse()
            .map_err(|error| Refusal::other(&error))?;
        config.hostaddr(address).dbname(database);
        config.connect_timeout(secs(10)).application_name("e2e");
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(binding.get("ca.crt").as_bytes()) {
            let certificate = certificate.map_err(|error| Refusal::other(&error))?;
            roots.add(certificate).map_err(|error| Refusal::other(&error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Refusal::other(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connecting = config.connect(MakeRustlsConnect::new(tls));
        match tokio::time::timeout(secs(20), connecting).await {
            Ok(Ok((client, connection))) => {
                tokio::spawn(connection);
                Ok(Sql(client))
            }
            Ok(Err(error)) => Err(Refusal::of(&error)),
            Err(_) => Err(Refusal {
                code: String::new(),
                message: "no answer in 20 s".into(),
            }),
        }
    }

    /// A DatabaseServer of the test's own on the same PostgreSQL: another database, and so records of its own. Its label is
    /// `e2e=<label>`; `spec` is laid over it. It goes with all that is on it when it is dropped.
    pub async fn server(&self, scene: &Scene, suffix: &str, label: &str, spec: Value) -> Result<OwnServer> {
        let name = format!("{}-{suffix}", scene.name);
        let database = name.replace('-', "_");
        let mut whole = json!({
            "host": self.value("DATABASE_HOST"), "port": self.value("DATABASE_PORT").parse::<u16>()?,
            "addresses": [format!("{}/32", self.value("DATABASE_IP"))],
            "tls": {"mode": "VerifyFull", "caSecretRef": {"name": "sample-database-ca"}},
            "adminSecretRef": {"name": "sample-database-admin"}, "database": database
        });
        lay_over(&mut whole, spec);
        let body = json!({
            "apiVersion": "tenant-operator.io/v1alpha1", "kind": "DatabaseServer",
            "metadata": {"name": name, "labels": {"e2e": label}}, "spec": whole
        });
        let server = OwnServer {
            site: self.clone(),
            cluster: scene.cluster.clone(),
            name,
            database,
            tenants: scene.tenants(),
        };
        let created = scene.cluster.create(&path("databaseservers", "", ""), &body).await;
        created.with_context(|| format!("create DatabaseServer {}", server.name))?;
        Ok(server)
    }

    /// Follows the server's log from now on.
    pub fn log(&self) -> Result<ServerLog> {
        let file = self.value("DATABASE_LOG").to_owned();
        let from = std::fs::metadata(&file).with_context(|| file.clone())?.len();
        Ok(ServerLog { file, from })
    }

    /// Neither the server's log nor anything that the operator says contains one of these passwords.
    pub async fn nowhere_to_be_read(&self, scene: &Scene, passwords: &[String]) -> Result<()> {
        ensure!(
            passwords.iter().all(|password| password.len() >= 22),
            "too short for 128 bits"
        );
        let mut places = vec![("the operator's log".to_owned(), operator::log(&scene.cluster).await?)];
        for resource in ["tenants", "tenantviews", "databaseservers", "events", "configmaps"] {
            let list = scene.cluster.get(&path(resource, "", "")).await?;
            places.push((resource.to_owned(), list.to_string()));
        }
        let bodies = scene.cluster.get(&path("deployments", "", "")).await?;
        places.push(("deployments".to_owned(), bodies.to_string()));
        for (place, content) in places {
            ensure!(!content.is_empty(), "{place} is empty: this proves nothing");
            ensure!(
                !passwords.iter().any(|password| content.contains(password.as_str())),
                "{place} shows a password"
            );
        }
        let (file, passwords) = (self.value("DATABASE_LOG").to_owned(), passwords.to_vec());
        tokio::task::spawn_blocking(move || {
            let mut verifiers = 0;
            for line in BufReader::new(std::fs::File::open(&file)?).split(b'\n') {
                let line = String::from_utf8_lossy(&line?).into_owned();
                verifiers += usize::from(line.contains("PASSWORD 'SCRAM-SHA-256$"));
                ensure!(
                    !passwords.iter().any(|password| line.contains(password.as_str())),
                    "the server's log shows a password"
                );
            }
            ensure!(verifiers > 0, "no password was ever set in {file}: this proves nothing");
            Ok(())
        })
        .await?
    }
}

/// The content of the tenant's Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub data: BTreeMap<String, String>,
    pub kind: String,
    pub uid: String,
    pub annotations: BTreeMap<String, String>,
}

impl Binding {
    pub async fn of(cluster: &Cluster, tenant: &str) -> Result<Self> {
        let secret = cluster.get(&path("secrets", tenant, SECRET)).await;
        let secret: Secret = serde_json::from_value(secret.with_context(|| format!("Secret {tenant}/{SECRET}"))?)?;
        let data = secret.data.unwrap_or_default().into_iter();
        Ok(Self {
            data: data
                .map(|(key, value)| Ok((key, String::from_utf8(value.0)?)))
                .collect::<Result<_>>()?,
            kind: secret.type_.unwrap_or_default(),
            uid: secret.metadata.uid.unwrap_or_default(),
            annotations: secret.metadata.annotations.unwrap_or_default(),
        })
    }

    pub fn get(&self, key: &str) -> &str {
        self.data.get(key).map_or("", String::as_str)
    }

    pub fn user(&self) -> &str {
        self.get("username")
    }

    pub fn password(&self) -> String {
        self.get("password").to_owned()
    }

    /// The role that the logins become.
    pub fn owner(&self) -> String {
        let user = self.user();
        let cut = user.strip_suffix("_a").or_else(|| user.strip_suffix("_b"));
        cut.unwrap_or(user).to_owned()
    }
}

/// Returns the name of a tenant's owner role, schema and database.
pub fn role_of(id: &str) -> String {
    let digest = Sha256::digest(id.as_bytes());
    let digits: String = digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
    format!("t_{digits}")
}

/// The server's refusal.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// SQLSTATE; empty where the refusal did not come from the server.
    pub code: String,
    pub message: String,
}

impl Refusal {
    fn other(error: &dyn std::fmt::Display) -> Self {
        Self {
            code: String::new(),
            message: error.to_string(),
        }
    }

    fn of(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => Self {
                code: db.code().code().to_owned(),
                message: db.message().to_owned(),
            },
            None => Self::other(error),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Refusal {}

/// A connection.
pub struct Sql(pub Client);

impl Sql {
    /// Executes; returns the first column of every row as text.
    pub async fn run(&self, query: &str) -> Result<Vec<String>, Refusal> {
        let answer = tokio::time::timeout(secs(40), self.0.simple_query(query)).await;
        let Ok(answer) = answer else {
            return Err(Refusal::other(&format!("no answer in 40 s to {query}")));
        };
        let rows = answer.map_err(|error| Refusal::of(&error))?;
        let first = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        };
        Ok(rows.iter().filter_map(first).collect())
    }

    /// The first column of the last row; empty where there is none.
    pub async fn one(&self, query: &str) -> Result<String> {
        let rows = self.run(query).await.with_context(|| query.to_owned())?;
        Ok(rows.into_iter().next_back().unwrap_or_default())
    }

    pub async fn works(&self, query: &str) -> Result<()> {
        self.run(query).await.map(|_| ()).with_context(|| query.to_owned())
    }

    /// The server must say no, for lack of rights.
    pub async fn refused(&self, query: &str) -> Result<()> {
        match self.run(query).await {
            Ok(rows) => bail!("let through, with {rows:?}: {query}"),
            // Not permitted, or not even to be found.
            Err(refusal) if matches!(refusal.code.as_str(), "42501" | "42P01" | "3F000") => Ok(()),
            Err(refusal) => bail!("{refusal}: {query}"),
        }
    }
}

/// A login must be refused, with one of these SQLSTATEs.
pub fn ensure_refused(what: &str, result: Result<Sql, Refusal>, codes: &[&str]) -> Result<()> {
    match result {
        Ok(_) => bail!("{what} was let in"),
        Err(refusal) if codes.contains(&refusal.code.as_str()) => Ok(()),
        Err(refusal) => bail!("{what}: {refusal}"),
    }
}

/// Wrong password; a role that may not log in; one without the right to connect.
pub const WRONG: &str = "28P01";
pub const CLOSED: &str = "28000";
pub const FORBIDDEN: &str = "42501";

impl TestTenant {
    /// Reads the tenant's Secret.
    pub async fn binding(&self) -> Result<Binding> {
        Binding::of(&self.cluster, &self.name).await
    }

    /// Waits until the tenant and its database are Ready; returns its Secret's content.
    pub async fn with_database(&self) -> Result<Binding> {
        let tenant = self.ready().await?;
        let found = condition(&tenant, "DatabaseReady").is_some_and(|c| c["status"] == "True");
        ensure!(found, "{}", summary(&tenant));
        self.binding().await
    }

    pub async fn id(&self) -> Result<String> {
        Ok(text(&self.get().await?["status"]["id"]))
    }

    pub async fn annotate(&self, key: &str, value: &str) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {format!("tenant-operator.io/{key}"): value}}});
        self.cluster.patch(&self.path(), &patch).await.context("annotate")?;
        Ok(())
    }

    /// Makes the operator look at it.
    pub async fn touch(&self) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {"e2e": format!("{:?}", std::time::SystemTime::now())}}});
        self.cluster.patch(&self.path(), &patch).await.context("touch")?;
        Ok(())
    }

    /// Waits until DatabaseReady is False for this reason, with a message of all these words.
    pub async fn database_fails(&self, limit: Duration, reason: &str, words: &[&str]) -> Result<Value> {
        let what = format!("Tenant {} to have DatabaseReady=False {reason} {words:?}", self.name);
        eventually(&what, limit, async || {
            let tenant = self.get().await?;
            let found = condition(&tenant, "DatabaseReady").cloned().unwrap_or_default();
            let message = text(&found["message"]);
            let said = words.iter().all(|word| message.contains(word));
            let wanted = found["status"] == "False" && text(&found["reason"]).contains(reason);
            ensure!(wanted && said, "{}", summary(&tenant));
            Ok(tenant)
        })
        .await
    }
}

/// Returns everything on the server with this name: roles, schemas of `database`, databases, marks, intents.
pub async fn left_of(site: &Site, database: &str, role: &str) -> Result<Vec<String>> {
    let all = site.superuser(database).await?;
    let query = format!(
        "SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE '{role}%' \
         UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE '{role}%' \
         UNION ALL SELECT 'database ' || datname FROM pg_database WHERE datname LIKE '{role}%' \
         UNION ALL SELECT 'mark ' || kind || ' ' || name FROM tenant_operator.object WHERE name LIKE '{role}%' \
         UNION ALL SELECT 'intent ' || name FROM tenant_operator.intent WHERE name LIKE '{role}%' \
         UNION ALL SELECT 'session ' || usename FROM pg_stat_activity WHERE usename LIKE '{role}%'"
    );
    Ok(all.run(&query).await?)
}

/// The record of where a tenant's data is.
pub async fn record(cluster: &Cluster, tenant: &str) -> Result<Option<Value>> {
    let selector = format!("?labelSelector=tenant-operator.io/tenant%3D{tenant},tenant-operator.io/claim%3Ddatabase");
    let found = cluster
        .list(&(path("configmaps", operator::NAMESPACE, "") + &selector))
        .await?;
    Ok(found.into_iter().next())
}

/// A DatabaseServer that one test has for itself.
pub struct OwnServer {
    site: Site,
    cluster: Cluster,
    pub name: String,
    pub database: String,
    tenants: Arc<std::sync::Mutex<Vec<String>>>,
}

impl OwnServer {
    pub async fn get(&self) -> Result<Value> {
        let found = self.cluster.get(&path("databaseservers", "", &self.name)).await;
        found.with_context(|| format!("DatabaseServer {}", self.name))
    }

    pub async fn patch(&self, body: Value) -> Result<()> {
        let at = path("databaseservers", "", &self.name);
        self.cluster.patch(&at, &body).await.context("patch the server")?;
        Ok(())
    }

    /// Waits for a condition, and a message of all these words.
    pub async fn condition(&self, kind: &str, status: &str, reason: &str, words: &[&str]) -> Result<Value> {
        let what = format!(
            "DatabaseServer {} to have {kind}={status} {reason} {words:?}",
            self.name
        );
        eventually(&what, LOOK, async || {
            let server = self.get().await?;
            let found = condition(&server, kind).cloned().unwrap_or_default();
            let message = text(&found["message"]);
            let wanted = found["status"] == status && text(&found["reason"]).contains(reason);
            let said = words.iter().all(|word| message.contains(word));
            ensure!(wanted && said, "{}", summary(&server));
            Ok(server)
        })
        .await
    }

    pub async fn ready(&self) -> Result<Value> {
        self.condition("Ready", "True", "", &[]).await
    }

    fn psql(&self, database: &str, query: &str) -> String {
        let control = self.site.value("DATABASE_CONTROL").to_owned();
        let command = format!("PGDATABASE={database} timeout 20 {control} psql -qAt -v ON_ERROR_STOP=0 -f -");
        let child = Command::new("bash")
            .args(["-c", &command])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            return String::new();
        };
        if let Some(mut input) = child.stdin.take() {
            let _ = input.write_all(query.as_bytes());
        }
        let output = child.wait_with_output();
        output.map_or_else(|_| String::new(), |o| String::from_utf8_lossy(&o.stdout).into_owned())
    }
}

/// Cleans up whatever the outcome: the test's tenants first, then their records, the DatabaseServer, and all remains on PostgreSQL.
impl Drop for OwnServer {
    fn drop(&mut self) {
        if std::env::var_os("E2E_KEEP").is_some() {
            return;
        }
        let tenants = self
            .tenants
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let names: Vec<&str> = tenants.iter().map(String::as_str).collect();
        for tenant in &names {
            let policy = r#"{"spec":{"deletionPolicy":"Delete"}}"#;
            kubectl::quietly(&["patch", "tenant", tenant, "--type=merge", "-p", policy]);
        }
        if !names.is_empty() {
            let mut words = vec!["delete", "tenant", "--ignore-not-found", "--timeout=40s"];
            words.extend(&names);
            kubectl::quietly(&words);
            let selector = format!(
                "tenant-operator.io/claim=database,tenant-operator.io/tenant in ({})",
                names.join(",")
            );
            kubectl::quietly(&["delete", "configmap", "-n", operator::NAMESPACE, "-l", &selector]);
        }
        kubectl::quietly(&[
            "delete",
            "databaseserver",
            &self.name,
            "--ignore-not-found",
            "--wait=false",
        ]);
        // Makes the operator look at once whether anybody is on it still.
        kubectl::quietly(&["annotate", "databaseserver", &self.name, "e2e=gone"]);
        let away = "--timeout=15s";
        kubectl::quietly(&["wait", "--for=delete", "databaseserver", &self.name, away]);
        let free = r#"{"metadata":{"finalizers":null}}"#;
        kubectl::quietly(&["patch", "databaseserver", &self.name, "--type=merge", "-p", free]);
        let marks = self.psql(
            &self.database,
            "SELECT kind || ' ' || name FROM tenant_operator.object ORDER BY kind, name DESC",
        );
        let mut ending = String::new();
        for (kind, name) in marks.lines().filter_map(|line| line.split_once(' ')) {
            match kind {
                "database" => ending += &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE);\n"),
                "role" => ending += &format!("DROP OWNED BY \"{name}\" CASCADE;\n"),
                _ => {}
            }
        }
        self.psql(&self.database, &ending);
        let mut last = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE);\n", self.database);
        for name in marks.lines().filter_map(|line| line.strip_prefix("role ")) {
            last += &format!("DROP ROLE IF EXISTS \"{name}\";\n");
        }
        self.psql("postgres", &last);
    }
}

/// A place in the server's log, from which on it is read.
pub struct ServerLog {
    file: String,
    from: u64,
}

impl ServerLog {
    /// Every statement that this role sent since.
    pub fn statements(&self, user: &str) -> Result<Vec<String>> {
        let mut file = std::fs::File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut whole = Vec::new();
        file.read_to_end(&mut whole)?;
        let whole = String::from_utf8_lossy(&whole).into_owned();
        let who = format!(" user={user},");
        let mut found: Vec<String> = Vec::new();
        let mut goes_on = false;
        for line in whole.lines() {
            // A message's further lines begin with a tab.
            if let (Some(rest), true) = (line.strip_prefix('\t'), goes_on) {
                if let Some(last) = found.last_mut() {
                    last.push('\n');
                    last.push_str(rest);
                }
                continue;
            }
            goes_on = false;
            if !line.contains(&who) {
                continue;
            }
            let marks = ["LOG:  statement: ", "LOG:  execute "];
            let Some(statement) = marks
                .iter()
                .find_map(|mark| line.split_once(mark).map(|(_, rest)| rest))
            else {
                continue;
            };
            let named = line.contains("LOG:  execute ");
            let statement = statement
                .split_once(": ")
                .filter(|_| named)
                .map_or(statement, |(_, rest)| rest);
            found.push(statement.to_owned());
            goes_on = true;
        }
        Ok(found)
    }
}

/// A loop of logins with the Secret's current content. Its end returns the number of logins, and every password that it saw; or an error at the first login
/// that fails.
pub struct Stream {
    task: tokio::task::JoinHandle<Result<(usize, Vec<String>)>>,
    end: tokio::sync::watch::Sender<bool>,
}

impl Stream {
    pub fn start(site: &Site, tenant: &TestTenant) -> Self {
        let (end, ended) = tokio::sync::watch::channel(false);
        let (site, tenant) = (site.clone(), tenant.clone());
        let task = tokio::spawn(async move {
            let (mut count, mut seen) = (0, Vec::<String>::new());
            while !*ended.borrow() {
                let binding = tenant.binding().await?;
                if !seen.contains(&binding.password()) {
                    seen.push(binding.password());
                }
                let logged_in = site.log_in(&binding).await;
                let logged_in = logged_in.map_err(|refusal| {
                    anyhow!(
                        "login {count} as {} with what the Secret says: {refusal}",
                        binding.user()
                    )
                })?;
                logged_in.works("SELECT 1").await?;
                count += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok((count, seen))
        });
        Self { task, end }
    }

    pub async fn end(self) -> Result<(usize, Vec<String>)> {
        let _ = self.end.send(true);
        tokio::time::timeout(secs(30), self.task).await??
    }
}
