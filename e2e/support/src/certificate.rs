//! Certificates that nobody issued but the test itself.

use super::Scene;
use super::gateway::{Answer, Door, curl, openssl, parse};
use anyhow::{Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A certificate that is its own authority.
pub struct SelfSigned {
    folder: PathBuf,
}

impl SelfSigned {
    pub fn new(scene: &Scene, name: &str, host: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("{}-{name}", scene.name));
        std::fs::create_dir_all(&folder)?;
        let certificate = Self { folder };
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            &format!("subjectAltName=DNS:{host}"),
            "-keyout",
            &certificate.file("key.pem"),
            "-out",
            &certificate.file("certificate.pem"),
        ])?;
        Ok(certificate)
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    /// Returns a file of trusted certificates with this one.
    pub fn trusted(&self) -> String {
        self.file("certificate.pem")
    }

    /// Returns a file of trusted certificates with both.
    pub fn trusted_with(&self, other: &Self) -> Result<String> {
        let both = std::fs::read_to_string(self.trusted())? + &std::fs::read_to_string(other.trusted())?;
        let file = self.file("both.pem");
        std::fs::write(&file, both)?;
        Ok(file)
    }

    pub fn secret(&self, name: &str) -> Result<Value> {
        let data = |file: &str| Ok::<_, std::io::Error>(STANDARD.encode(std::fs::read(self.file(file))?));
        Ok(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls",
            "data": {"tls.crt": data("certificate.pem")?, "tls.key": data("key.pem")?},
        }))
    }
}

impl Drop for SelfSigned {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Door {
    /// Sends a GET by TLS and trusts only the certificates of a file. The TLS handshake names `host`; the request may name another, `asked`.
    pub async fn get_by_tls(&self, trusted: &str, host: &str, asked: &str, path: &str) -> Result<Answer> {
        let mut arguments: Vec<String> = ["--silent", "--show-error", "--include", "--http1.1", "--max-time", "10"]
            .map(String::from)
            .to_vec();
        arguments.extend(["--cacert".into(), trusted.into()]);
        arguments.extend(["--resolve".into(), format!("{host}:443:{}", self.address)]);
        arguments.extend(["--header".into(), format!("Host: {asked}")]);
        arguments.push(format!("https://{host}{path}"));
        parse(&curl(arguments).await?)
    }

    /// The same, whose answer must have this status.
    pub async fn answers_by_tls(&self, status: u16, trusted: &str, host: &str, path: &str) -> Result<Answer> {
        let answer = self.get_by_tls(trusted, host, host, path).await?;
        ensure!(
            answer.status == status,
            "{host}{path} answered {}: {}",
            answer.status,
            answer.body
        );
        Ok(answer)
    }
}
