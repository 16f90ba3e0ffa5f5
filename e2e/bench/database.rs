//! With DB=1: the PostgreSQL server for the tenants' databases, and its objects in Kubernetes.

use crate::cluster::{Cluster, gone};
use crate::operator::NAMESPACE;
use crate::spec::{FLEET, LABEL};
use crate::timing::until;
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tenant_operator::api::{DatabaseServer, DatabaseServerSpec};
use tenant_operator::names;
use tenant_operator::postgres::client::Address;
use tenant_operator::postgres::password::Password;
use tenant_operator::postgres::tls::{Authority, Trust};
use tokio_postgres::{Client, Config, NoTls};

/// The DatabaseServer's name, and the label's value by which the tier selects it.
pub const NAME: &str = "bench";
/// The operator's role.
pub const ADMIN: &str = "tenant_operator";
/// The database of the tenants' schemas and the operator's records.
const DATABASE: &str = "tenants";
const SECRETS: [&str; 2] = ["bench-database-admin", "bench-database-ca"];
const TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// A server that nobody else uses, of `e2e/bench/database.sh`.
pub struct Site {
    pub log: PathBuf,
    pub version: String,
    host: String,
    port: u16,
    ca: String,
    superuser: String,
    admin: Password,
}

impl Site {
    /// The server whose files are in this directory; makes the operator's role on it.
    pub async fn open(dir: &Path) -> Result<Self> {
        let read = |name: &str| -> Result<String> {
            let file = dir.join(name);
            let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            Ok(text.trim().to_string())
        };
        let mut site = Self {
            log: dir.join("log"),
            version: String::new(),
            host: read("host")?,
            port: read("port")?.parse()?,
            ca: read("ca.crt")?,
            superuser: read("password")?,
            admin: Password::random(),
        };
        let root = site.root().await?;
        site.version = root.query_one("SHOW server_version", &[]).await?.get(0);
        let setup = format!(
            "CREATE ROLE {ADMIN} LOGIN CREATEROLE CREATEDB PASSWORD '{}'; \
             REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC",
            site.admin.verifier().reveal()
        );
        root.batch_execute(&setup).await.context("make the operator's role")?;
        site.create(DATABASE).await?;
        Ok(site)
    }

    /// Makes a database of the operator's, which nobody else may connect to.
    pub async fn create(&self, database: &str) -> Result<()> {
        let root = self.root().await?;
        let create = format!("CREATE DATABASE {database} OWNER {ADMIN} TEMPLATE template0");
        root.batch_execute(&create).await?;
        let close = format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC");
        root.batch_execute(&close).await?;
        Ok(())
    }

    /// A connection as superuser, whose statements are not logged.
    pub async fn root(&self) -> Result<Client> {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user("postgres")
            .password(&self.superuser)
            .dbname("postgres");
        let (client, connection) = config.connect(NoTls).await.context("PostgreSQL does not answer")?;
        tokio::spawn(connection);
        client.batch_execute("SET log_statement = none").await?;
        Ok(client)
    }

    /// Returns the operator's address of one of its databases.
    pub fn address(&self, database: &str) -> Address {
        Address {
            host: self.host.clone(),
            port: self.port,
            trust: Some(Trust::Host(Authority::Pem(self.ca.clone()))),
            oldest_tls: None,
            user: ADMIN.into(),
            password: self.admin.clone(),
            database: database.into(),
            connections: 2,
        }
    }

    /// The server as Kubernetes knows it.
    pub fn spec(&self) -> Result<DatabaseServerSpec> {
        Ok(serde_json::from_value(json!({
            "host": self.host,
            "port": self.port,
            "tls": {"mode": "VerifyFull", "caSecretRef": {"name": SECRETS[1]}},
            "adminSecretRef": {"name": SECRETS[0]},
            "database": DATABASE,
        }))?)
    }

    /// PEM, for tenants.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Makes the DatabaseServer and its Secrets.
    pub async fn announce(&self, cluster: &Cluster) -> Result<()> {
        let contents = [
            json!({"username": ADMIN, "password": self.admin.reveal()}),
            json!({"ca.crt": self.ca}),
        ];
        for (name, content) in SECRETS.into_iter().zip(contents) {
            let secret: Secret = object(name, json!({"stringData": content}))?;
            secrets(cluster).create(&PostParams::default(), &secret).await?;
        }
        let server: DatabaseServer = object(NAME, json!({"spec": self.spec()?}))?;
        servers(cluster).create(&PostParams::default(), &server).await?;
        Ok(())
    }
}

fn object<K: Resource + serde::de::DeserializeOwned>(name: &str, content: Value) -> Result<K> {
    let mut object = content;
    object["metadata"] = json!({"name": name, "labels": {LABEL: NAME}});
    Ok(serde_json::from_value(object)?)
}

fn servers(cluster: &Cluster) -> Api<DatabaseServer> {
    Api::all(cluster.client.clone())
}

fn secrets(cluster: &Cluster) -> Api<Secret> {
    Api::namespaced(cluster.client.clone(), NAMESPACE)
}

/// Waits until tenants can be placed on it.
pub async fn ready(cluster: &Cluster) -> Result<()> {
    until("the DatabaseServer to be Ready", TIMEOUT, PAUSE, async || {
        let status = servers(cluster).get(NAME).await?.status.unwrap_or_default();
        let mut conditions = status.conditions.iter();
        Ok(conditions
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
            .then_some(()))
    })
    .await
}

/// Abandons an earlier bench's server, which is gone, so that its tenants can be deleted.
pub async fn abandon(cluster: &Cluster) -> Result<()> {
    if servers(cluster).get_opt(NAME).await?.is_none() {
        return Ok(());
    }
    let ours = ListParams::default().labels(&format!("{LABEL}={FLEET}"));
    let patch = Patch::Merge(json!({"metadata": {"annotations": {names::ABANDON: NAME}}}));
    for tenant in cluster.tenants().list_metadata(&ours).await?.items {
        let patched = cluster
            .tenants()
            .patch_metadata(&tenant.name_any(), &PatchParams::default(), &patch)
            .await;
        gone(patched)?;
    }
    Ok(())
}

/// Removes the DatabaseServer, once no tenant is on it, and its Secrets.
pub async fn remove(cluster: &Cluster) -> Result<()> {
    gone(servers(cluster).delete(NAME, &DeleteParams::default()).await)?;
    let removed = until("the DatabaseServer to go", TIMEOUT, PAUSE, async || {
        Ok(servers(cluster).get_opt(NAME).await?.is_none().then_some(()))
    })
    .await;
    if removed.is_err() {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        gone(
            servers(cluster)
                .patch_metadata(NAME, &PatchParams::default(), &patch)
                .await,
        )?;
    }
    for name in SECRETS {
        gone(secrets(cluster).delete(name, &DeleteParams::default()).await)?;
    }
    Ok(())
}
