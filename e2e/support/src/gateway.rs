//! The gateway of the local cluster, as its clients see it.

use super::{Scene, TestTenant, cluster, condition, eventually, secs, server_workload};
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::Command;

/// A host that all tenants share, as `e2e/up.sh` tells the operator.
pub const SHARED_HOST: &str = "api.example.com";

/// The gateway, as the local cluster's env file tells of it.
#[derive(Clone)]
pub struct Door {
    pub address: String,
    pub ca_file: String,
    pub control: String,
}

/// The gateway's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Headers by name in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Door {
    /// Returns None where the cluster has no gateway, and prints that the test is skipped.
    pub fn find(test: &str) -> Option<Self> {
        let env = cluster::local().filter(|env| env.contains_key("GATEWAY_ADDRESS"));
        let Some(env) = env else {
            cluster::skipped(test, "this cluster has no gateway of ours (CLUSTER=local has)");
            return None;
        };
        let value = |key: &str| env.get(key).cloned().unwrap_or_default();
        Some(Self {
            address: value("GATEWAY_ADDRESS"),
            ca_file: value("GATEWAY_CA_FILE"),
            control: value("GATEWAY_CONTROL"),
        })
    }

    /// GET with headers, each `name: value`.
    pub async fn get(&self, host: &str, path: &str, headers: &[&str]) -> Result<Answer> {
        let further = ["--path-as-is", "--include", "--max-time", "10"];
        parse(&self.curl(host, path, headers, &further).await?)
    }

    /// POST of a text.
    pub async fn post(&self, host: &str, path: &str, headers: &[&str], text: &str) -> Result<Answer> {
        let further = [
            "--include",
            "--max-time",
            "15",
            "--data",
            text,
            "--header",
            "Content-Type: text/plain",
        ];
        parse(&self.curl(host, path, headers, &further).await?)
    }

    /// Sends GETs over one connection, as long as the gateway keeps it, a fifth of a second apart. Returns the status of each answer.
    pub async fn in_a_row(&self, host: &str, path: &str, headers: &[&str], times: usize) -> Result<Vec<u16>> {
        let further = ["--rate", "5/s", "--max-time", "10"];
        self.repeated(host, path, headers, times, &further).await
    }

    /// The same without a pause.
    pub async fn without_a_pause(&self, host: &str, path: &str, headers: &[&str], times: usize) -> Result<Vec<u16>> {
        self.repeated(host, path, headers, times, &[]).await
    }

    /// Sends GETs all at once, to a path with a query, each over a connection of its own. Returns the status of each answer.
    pub async fn at_once(&self, host: &str, path: &str, headers: &[&str], times: usize) -> Result<Vec<u16>> {
        let most = times.to_string();
        let further = [
            "--parallel",
            "--parallel-immediate",
            "--parallel-max",
            &most,
            "--max-time",
            "30",
        ];
        let statuses = ["--output", "/dev/null", "--write-out", "%{http_code}\\n"];
        let path = format!("{path}&n=[1-{times}]");
        let said = self
            .curl(host, &path, headers, &[&statuses[..], &further].concat())
            .await?;
        said.lines().map(|code| Ok(code.parse()?)).collect()
    }

    async fn repeated(
        &self,
        host: &str,
        path: &str,
        headers: &[&str],
        times: usize,
        further: &[&str],
    ) -> Result<Vec<u16>> {
        let statuses = ["--output", "/dev/null", "--write-out", "%{http_code}\\n"];
        let path = format!("{path}?[1-{times}]");
        let said = self.curl(host, &path, headers, &[&statuses, further].concat()).await?;
        said.lines().map(|code| Ok(code.parse()?)).collect()
    }

    /// Runs curl for a host at the gateway, with further arguments.
    async fn curl(&self, host: &str, path: &str, headers: &[&str], further: &[&str]) -> Result<String> {
        let mut arguments: Vec<String> = ["--silent", "--show-error", "--resolve"].map(String::from).into();
        arguments.push(format!("{host}:80:{}", self.address));
        arguments.extend(further.iter().map(ToString::to_string));
        for header in headers {
            arguments.extend(["--header".to_string(), header.to_string()]);
        }
        arguments.push(format!("http://{host}{path}"));
        curl(arguments).await
    }

    /// Waits until the tenant is served there: pods' addresses come to the proxy by another way than routes do.
    pub async fn serves(&self, host: &str, path: &str, headers: &[&str]) -> Result<()> {
        eventually(&format!("{host}{path} to be served"), secs(15), async || {
            self.answers(200, host, path, headers).await.map(|_| ())
        })
        .await
    }

    /// GET whose answer must have this status.
    pub async fn answers(&self, status: u16, host: &str, path: &str, headers: &[&str]) -> Result<Answer> {
        let answer = self.get(host, path, headers).await?;
        ensure!(
            answer.status == status,
            "{host}{path} {headers:?} answered {} instead of {status}: {}",
            answer.status,
            answer.body
        );
        Ok(answer)
    }
}

/// Runs curl and returns its output.
pub async fn curl(arguments: Vec<String>) -> Result<String> {
    let output = tokio::task::spawn_blocking(move || Command::new("curl").args(arguments).output()).await?;
    let output = output.context("curl")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "curl: {} {said}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

/// An answer as curl shows it.
pub fn parse(text: &str) -> Result<Answer> {
    let (head, body) = text.split_once("\r\n\r\n").context("no head")?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers = lines.filter_map(|line| line.split_once(':'));
    Ok(Answer {
        status: status.and_then(|status| status.parse().ok()).context("no status")?,
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_string()))
            .collect(),
        body: body.to_string(),
    })
}

/// A tenant with a server and this way in, at `<name>.example.com` where it names no hosts.
pub async fn led_to(scene: &Scene, suffix: &str, tier: &str, gateway: Value) -> Result<(TestTenant, String)> {
    let host = format!("{}-{suffix}.example.com", scene.name);
    let mut whole = json!({"hosts": [host], "routes": [{"backend": {"workload": "web"}}]});
    super::scene::lay_over(&mut whole, gateway);
    let spec = json!({
        "network": {"ingress": {"gateway": "Allow"}},
        "workloads": [server_workload("web")],
        "gateway": whole,
    });
    Ok((scene.tenant(suffix, tier, spec).await?, host))
}

/// Returns the header's value as the tenant's workload received it; empty where it received none.
pub async fn sent(door: &Door, host: &str, prefix: &str, header: &str, headers: &[&str]) -> Result<String> {
    let answer = door
        .answers(200, host, &format!("{prefix}/header?key={header}"), headers)
        .await?;
    Ok(answer.body.trim().to_string())
}

/// An API key out of the tenant's Secret.
pub async fn api_key(tenant: &TestTenant, client: &str) -> Result<Option<String>> {
    tenant.cluster.secret(&tenant.name, "tenant-api-keys", client).await
}

/// Its API key of this name.
pub async fn key(tenant: &TestTenant, name: &str) -> Result<String> {
    api_key(tenant, name).await?.with_context(|| format!("no key {name}"))
}

/// The header by which a key opens.
pub fn x_api_key(key: &str) -> String {
    format!("X-API-Key: {key}")
}

/// Once Ready it answers, at first and from then on.
pub async fn ready(tenant: &TestTenant) -> Result<Value> {
    let now = tenant.ready().await?;
    let gateway = condition(&now, "GatewayReady").cloned().unwrap_or_default();
    ensure!(gateway["status"] == "True", "{gateway}");
    Ok(now)
}

/// An issuer of tokens.
pub struct Issuer {
    folder: std::path::PathBuf,
    pub name: String,
    pub jwks: String,
}

impl Issuer {
    pub async fn new(scene: &Scene, name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("{}-{name}", scene.name));
        std::fs::create_dir_all(&folder)?;
        let key = folder.join("key.pem");
        openssl(&[
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-out",
            &key.to_string_lossy(),
        ])?;
        let modulus = openssl(&["rsa", "-in", &key.to_string_lossy(), "-noout", "-modulus"])?;
        let hex = String::from_utf8(modulus)?;
        let hex = hex.trim().strip_prefix("Modulus=").context("no modulus")?;
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16))
            .collect::<Result<_, _>>()?;
        let n = URL_SAFE_NO_PAD.encode(bytes);
        let jwks = json!({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": name, "n": n, "e": "AQAB"}]});
        Ok(Self {
            folder,
            name: format!("https://{name}.example.org"),
            jwks: jwks.to_string(),
        })
    }

    /// Returns a Tenant's `jwt`.
    pub fn spec(&self) -> Value {
        json!({"issuer": self.name, "audiences": ["api"], "jwks": {"inline": self.jwks}})
    }

    /// An `Authorization` header with a token of these claims, which are laid over those of a good one.
    pub fn token(&self, claims: Value) -> Result<String> {
        self.token_without(&[], claims)
    }

    /// The same without these claims, which it would have otherwise.
    pub fn token_without(&self, left_out: &[&str], claims: Value) -> Result<String> {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)?
            .as_secs();
        let mut whole = json!({"iss": self.name, "aud": "api", "sub": "somebody", "iat": now, "exp": now + 600});
        super::scene::lay_over(&mut whole, claims);
        if let Some(whole) = whole.as_object_mut() {
            whole.retain(|name, _| !left_out.contains(&name.as_str()));
        }
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&whole));
        let message = self.folder.join("message");
        std::fs::write(&message, &signed)?;
        let key = self.folder.join("key.pem");
        let signature = openssl(&[
            "dgst",
            "-sha256",
            "-sign",
            &key.to_string_lossy(),
            "-binary",
            &message.to_string_lossy(),
        ])?;
        Ok(format!(
            "Authorization: Bearer {signed}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        ))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs openssl and returns its output.
pub fn openssl(arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("openssl").args(arguments).output().context("openssl")?;
    if !output.status.success() {
        bail!("openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}
