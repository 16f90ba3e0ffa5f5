//! Rows in PostgreSQL: the tenant's own table, the same as one of the tenants that the application serves, or the rows of one tenant in a table that all
//! tenants share.

use anyhow::{Context, Result, anyhow};
use axum::http::HeaderMap;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Row, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The table of a tenant that has a schema, a database or a server.
const OWN: &str = "item";

pub struct Rows {
    /// The folder of the binding, as the Service Binding convention has it.
    binding: PathBuf,
    /// A table with the columns `tenant_id` and `text` that all tenants share.
    shared: Option<Shared>,
    /// The header with the id of the tenant whose role the login becomes.
    becomes: Option<String>,
}

struct Shared {
    table: String,
    /// The gateway's header that names the tenant as the table does: by id, or by number.
    header: String,
}

impl Rows {
    /// `BINDING` is the folder of the database's binding (`/bindings/database`). With `SHARED_TABLE` the rows are in that table, and
    /// `TENANT_HEADER` names the header with the tenant (`x-tenant-id`). With `TENANT_ROLE=true` the login becomes the tenant's role. `DATABASE` and
    /// `DATABASE_USER` take the place of the binding's.
    pub fn from_environment() -> Self {
        let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
        let header = variable("TENANT_HEADER", "x-tenant-id");
        Self {
            binding: variable("BINDING", "/bindings/database").into(),
            becomes: std::env::var("TENANT_ROLE")
                .is_ok_and(|value| value == "true")
                .then(|| header.clone()),
            shared: std::env::var("SHARED_TABLE").ok().map(|table| Shared { table, header }),
        }
    }

    /// Returns the rows that this request's tenant sees.
    pub async fn read(&self, headers: &HeaderMap) -> Result<Vec<Value>> {
        let mut client = self.connect().await?;
        let transaction = client.transaction().await?;
        let statement = match &self.shared {
            Some(shared) => {
                shared.act_for(&transaction, headers).await?;
                format!("SELECT tenant_id::text, text FROM {} ORDER BY 1, 2", shared.table)
            }
            None => {
                self.become_tenant(&transaction, headers).await?;
                create(&transaction).await?;
                format!("SELECT NULL::text, text FROM {OWN} ORDER BY 2")
            }
        };
        let rows = transaction.query(&statement, &[]).await?;
        transaction.commit().await?;
        Ok(rows.iter().map(shown).collect())
    }

    /// Adds a row of this request's tenant, and returns it.
    pub async fn add(&self, headers: &HeaderMap, text: &str) -> Result<Vec<Value>> {
        let mut client = self.connect().await?;
        let transaction = client.transaction().await?;
        let statement = match &self.shared {
            Some(shared) => {
                shared.act_for(&transaction, headers).await?;
                format!(
                    "INSERT INTO {} (text) VALUES ($1) RETURNING tenant_id::text, text",
                    shared.table
                )
            }
            None => {
                self.become_tenant(&transaction, headers).await?;
                create(&transaction).await?;
                format!("INSERT INTO {OWN} (text) VALUES ($1) RETURNING NULL::text, text")
            }
        };
        let rows = transaction.query(&statement, &[&text]).await?;
        transaction.commit().await?;
        Ok(rows.iter().map(shown).collect())
    }

    /// Until the transaction ends the session is the tenant's role, in the tenant's schema. The role's name follows from the tenant's id.
    async fn become_tenant(&self, transaction: &Transaction<'_>, headers: &HeaderMap) -> Result<()> {
        let Some(header) = &self.becomes else {
            return Ok(());
        };
        let tenant = named(headers, header);
        let set = "SELECT set_config('role', t.role, true), set_config('search_path', t.role, true) \
                   FROM (SELECT 't_' || left(encode(sha256(convert_to($1, 'UTF8')), 'hex'), 20) AS role) t";
        transaction.query(set, &[&tenant]).await?;
        Ok(())
    }

    /// A session for one request. The files are read each time, so that a renewed password needs no restart.
    async fn connect(&self) -> Result<Client> {
        let file = |key: &str| {
            let path = self.binding.join(key);
            let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
            Ok::<_, anyhow::Error>(text.trim_end_matches('\n').to_owned())
        };
        let mut config = Config::new();
        config.host(file("host")?).port(file("port")?.parse().context("port")?);
        let setting = |variable: &str, key: &str| std::env::var(variable).or_else(|_| file(key));
        config
            .dbname(setting("DATABASE", "database")?)
            .user(setting("DATABASE_USER", "username")?)
            .password(file("password")?);
        config
            .ssl_mode(SslMode::Require)
            .connect_timeout(Duration::from_secs(10))
            .application_name("example-app");
        let connecting = config.connect(MakeRustlsConnect::new(tls(&file("ca.crt")?)?));
        let (client, connection) = tokio::time::timeout(Duration::from_secs(10), connecting)
            .await
            .map_err(|_| anyhow!("the database did not answer in 10 s"))?
            .context("connect")?;
        tokio::spawn(connection);
        Ok(client)
    }
}

impl Shared {
    /// The session sees rows of this tenant until the transaction ends. Without a tenant it sees none.
    async fn act_for(&self, transaction: &Transaction<'_>, headers: &HeaderMap) -> Result<()> {
        let tenant = named(headers, &self.header);
        let set = "SELECT set_config('app.current_tenant_id', $1, true)";
        transaction.query(set, &[&tenant]).await?;
        Ok(())
    }
}

/// The tenant that a header names.
fn named<'a>(headers: &'a HeaderMap, header: &str) -> &'a str {
    let value = headers.get(header).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

async fn create(transaction: &Transaction<'_>) -> Result<()> {
    let table = format!(
        "CREATE TABLE IF NOT EXISTS {OWN} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL)"
    );
    Ok(transaction.batch_execute(&table).await?)
}

fn shown(row: &Row) -> Value {
    json!({"tenant": row.get::<_, Option<String>>(0), "text": row.get::<_, String>(1)})
}

fn tls(authorities: &str) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
