//! A server with a platform's database on it, an operator's view of it, and two tenants.

use crate::servers::Pg;
use crate::site::{Admin, connect};
use futures::TryStreamExt;
use std::sync::Arc;
use tenant_operator::api::database_server::{SharedTables, TenantColumnType};
use tenant_operator::postgres::catalog::Catalog;
use tenant_operator::postgres::client::{Address, Server};
use tenant_operator::postgres::password::Password;
use tenant_operator::postgres::plan::{self, Login, Place, Wanted};
use tenant_operator::postgres::shared::{self, Finding, RegistryRow, Severity, SharedReport, TenantDetails};
use tenant_operator::postgres::{Names, server};
use tokio_postgres::{Client, SimpleQueryMessage};

pub const A: &str = "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11";
pub const B: &str = "90c1b9be-51a6-4c6f-8a40-3dd6a5b0c222";
const PASSWORD: &str = "platform";
/// The role that the tables are granted to: of the records in the database `tenants`.
pub const GROUP: &str = "tenant_operator_tenants_tenants";

/// Everything that a test needs.
pub struct World {
    pg: Arc<Pg>,
    address: Address,
    pub version: u32,
    pub superuser: bool,
    pub server: Server,
    pub spec: Vec<SharedTables>,
    pub rows: Vec<RegistryRow>,
    /// In the platform's database, as the superuser.
    pub root: Client,
    /// The password of all tenants' first logins.
    pub password: Password,
}

/// The platform's tables from before the operator: one of each kind of tenant column, owned by a role that runs nothing.
const PLATFORM: &str = "
CREATE ROLE app_owner NOLOGIN;
CREATE ROLE app LOGIN PASSWORD 'platform';
CREATE ROLE migrator LOGIN PASSWORD 'platform' IN ROLE app_owner;
";
const TABLES: &str = "
CREATE SCHEMA app AUTHORIZATION app_owner;
GRANT USAGE ON SCHEMA app TO app;
SET ROLE app_owner;
CREATE TABLE app.calls (id bigserial, tenant_id uuid NOT NULL, text text, PRIMARY KEY (tenant_id, id));
CREATE TABLE app.notes (id bigint GENERATED ALWAYS AS IDENTITY, tenant_id text NOT NULL, text text, PRIMARY KEY (tenant_id, id));
CREATE TABLE app.draft_actions (id serial, tenant_id integer NOT NULL, text text, PRIMARY KEY (tenant_id, id));
CREATE TABLE app.events (tenant_id uuid NOT NULL, day int NOT NULL, text text) PARTITION BY RANGE (day);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM (0) TO (10);
CREATE TABLE app.events_2 PARTITION OF app.events FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (day);
CREATE TABLE app.events_2_1 PARTITION OF app.events_2 FOR VALUES FROM (10) TO (20);
CREATE INDEX ON app.events (tenant_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA app TO app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA app TO app;
RESET ROLE;
";

pub fn entry(tables: &[&str], type_: TenantColumnType) -> SharedTables {
    SharedTables {
        database: "platform".into(),
        schema: "app".into(),
        tables: tables.iter().map(ToString::to_string).collect(),
        type_: Some(type_),
        application_roles: vec!["app".into()],
        migration_role: Some("migrator".into()),
        ..SharedTables::default()
    }
}

impl World {
    /// Removes a tenant's roles; its rows were removed before.
    pub async fn remove_roles(&self, id: &str) {
        for _ in 0..6 {
            let steps = plan::removal(&Names::of(id), id, &self.catalog().await).unwrap();
            if steps.is_empty() {
                break;
            }
            self.server.execute(&steps).await.unwrap();
        }
        assert!(!self.catalog().await.knows(id));
    }

    /// A server as a platform has it, before the operator looks at it.
    pub async fn bare(pg: Arc<Pg>, admin: Admin) -> Self {
        let superuser = admin == Admin::Superuser;
        let postgres = crate::site::superuser(&pg, "postgres").await;
        postgres.batch_execute(PLATFORM).await.unwrap();
        postgres.batch_execute("CREATE DATABASE platform").await.unwrap();
        let root = crate::site::superuser(&pg, "platform").await;
        root.batch_execute(TABLES).await.unwrap();
        let (user, password) = match superuser {
            true => ("postgres", pg.password.clone()),
            false => ("operator", "operator".into()),
        };
        if !superuser {
            let create = "CREATE ROLE operator LOGIN CREATEROLE CREATEDB PASSWORD 'operator'";
            postgres.batch_execute(create).await.unwrap();
        }
        let address = Address {
            host: "127.0.0.1".into(),
            port: pg.port,
            trust: None,
            oldest_tls: None,
            user: user.into(),
            password: Password::from_secret(password),
            database: "tenants".into(),
            connections: 4,
        };
        let server = Server::new(address.clone(), tenant_operator::term::Term::unlimited()).unwrap();
        server::prepare(&server, &address, None).await.unwrap();
        let row = |id: &str, name: &str| RegistryRow {
            id: id.into(),
            number: None,
            name: name.into(),
            parent: None,
            root: None,
            members: Vec::new(),
            tier: "starter".into(),
            owner_role: Names::of(id).owner,
            details: Some(TenantDetails {
                display_name: Some(format!("{name} \\'ü'")),
                created_at: Some("2026-01-01T00:00:00Z".into()),
                ..TenantDetails::default()
            }),
        };
        Self {
            version: pg.major,
            address,
            pg,
            superuser,
            server,
            spec: vec![
                entry(&["calls", "events"], TenantColumnType::Uuid),
                entry(&["notes"], TenantColumnType::Text),
                entry(&["draft*"], TenantColumnType::Integer),
            ],
            rows: vec![row(A, "it's \\ tenant \"A\""), row(B, "tenant B")],
            root,
            password: Password::random(),
        }
    }

    /// The same with two tenants, a few rows of each, and everything protected.
    pub async fn new(pg: Arc<Pg>, admin: Admin) -> Self {
        let world = Self::bare(pg, admin).await;
        if !world.superuser {
            world
                .sql(
                    "GRANT app_owner TO operator; GRANT CREATE ON DATABASE platform TO operator; \
                       GRANT CONNECT ON DATABASE platform TO operator WITH GRANT OPTION",
                )
                .await;
        }
        let report = world.tend().await;
        assert_eq!(violations(&report), Vec::<String>::new());
        world.tenants().await;
        world.fill().await;
        world
    }

    /// Reconciles the tenants' roles as the operator does.
    pub async fn tenants(&self) {
        for id in [A, B] {
            admit(&self.server, &self.spec, id, Some(&self.password)).await;
        }
    }

    /// Two rows of each tenant in each table, by the superuser.
    async fn fill(&self) {
        for id in [A, B] {
            self.sql(&format!(
                "INSERT INTO app.calls (tenant_id, text) SELECT '{id}', x FROM unnest('{{one,two}}'::text[]) x;
                 INSERT INTO app.notes (tenant_id, text) SELECT '{id}', x FROM unnest('{{one,two}}'::text[]) x;
                 INSERT INTO app.draft_actions (tenant_id, text) SELECT t.number, x
                   FROM unnest('{{one,two}}'::text[]) x, tenant_registry.tenant t WHERE t.id = '{id}';
                 INSERT INTO app.events SELECT '{id}', x, 'x' FROM unnest('{{1,11}}'::int[]) x;"
            ))
            .await;
        }
    }

    pub async fn catalog(&self) -> Catalog {
        self.server.observe(None).await.unwrap()
    }

    pub async fn tend(&self) -> SharedReport {
        let catalog = self.catalog().await;
        shared::reconcile(&self.server, &self.spec, &self.rows, &catalog)
            .await
            .unwrap()
    }

    /// Another DatabaseServer on the same server: with records of its own, and a copy of the platform's database.
    pub async fn neighbour(&self, records: &str, database: &str) -> (Server, Vec<SharedTables>) {
        let owner = self.address.user.as_str();
        self.sql(&format!("CREATE DATABASE {database} TEMPLATE template0 OWNER {owner}"))
            .await;
        let inside = crate::site::superuser(&self.pg, database).await;
        inside.batch_execute(TABLES).await.unwrap();
        let address = Address {
            database: records.into(),
            ..self.address.clone()
        };
        let server = Server::new(address.clone(), tenant_operator::term::Term::unlimited()).unwrap();
        server::prepare(&server, &address, None).await.unwrap();
        let mut spec = self.spec.clone();
        for tables in &mut spec {
            tables.database = database.into();
        }
        (server, spec)
    }

    /// Connects as a login of a tenant's to a database.
    pub async fn log_in(&self, login: &str, password: &Password, database: &str) -> Client {
        connect(self.pg.port, login, password.reveal(), database).await.unwrap()
    }

    /// Executes a text as the superuser, in the platform's database.
    pub async fn sql(&self, text: &str) {
        if let Err(error) = self.root.batch_execute(text).await {
            panic!("{text}: {error:?}");
        }
    }

    pub async fn connect(&self, user: &str, database: &str) -> Client {
        connect(self.pg.port, user, PASSWORD, database).await.unwrap()
    }

    /// Another session of the superuser's, in the platform's database.
    pub async fn holder(&self) -> Client {
        crate::site::superuser(&self.pg, "platform").await
    }

    /// Connects as a tenant's first login, to the platform's database.
    pub async fn tenant(&self, id: &str) -> Client {
        let login = Names::of(id).logins[0].as_str().to_string();
        connect(self.pg.port, &login, self.password.reveal(), "platform")
            .await
            .unwrap()
    }

    pub async fn number(&self, id: &str) -> i64 {
        let query = format!("SELECT number FROM tenant_registry.tenant WHERE id = '{id}'");
        one(&self.root, &query).await.parse().unwrap()
    }

    /// A session of the superuser's in the database of the operator's records.
    pub async fn records(&self) -> Client {
        crate::site::superuser(&self.pg, &self.address.database).await
    }

    /// Returns the server's log.
    pub fn log(&self) -> String {
        self.pg.logged()
    }
}

/// Reconciles a tenant's roles as the operator does. Returns the number of rounds that changed something.
pub async fn admit(server: &Server, spec: &[SharedTables], id: &str, password: Option<&Password>) -> usize {
    for round in 0..8 {
        let catalog = server.observe(None).await.unwrap();
        let first = Login {
            open: true,
            password: password.filter(|_| round == 0).map(Password::verifier),
        };
        let wanted = Wanted {
            tenant_id: id.into(),
            names: Names::of(id),
            place: Place::Shared(shared::wanted(spec, shared::group::of(&catalog)).unwrap()),
            logins: [first, Login::default()],
            connection_limit: 10,
            settings: Vec::new(),
            extensions: Vec::new(),
            writable: true,
            applications: None,
        };
        let steps = plan::plan(&wanted, &catalog).unwrap();
        if steps.is_empty() {
            return round;
        }
        assert!(round < 7, "{steps:?}");
        server.execute(&steps).await.unwrap();
    }
    unreachable!()
}

/// Returns the rows of a text's last statement, with spaces between columns.
pub async fn ask(client: &Client, text: &str) -> Result<Vec<String>, String> {
    let messages = client.simple_query(text).await.map_err(|error| {
        let db = error.as_db_error();
        db.map_or_else(
            || error.to_string(),
            |db| format!("{} {}", db.code().code(), db.message()),
        )
    })?;
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            let columns = (0..row.len()).map(|i| row.get(i).unwrap_or("NULL").to_string());
            Some(columns.collect::<Vec<_>>().join(" "))
        }
        _ => None,
    };
    Ok(messages.iter().filter_map(row).collect())
}

/// Returns the output of `COPY … TO STDOUT`.
pub async fn copy(client: &Client, text: &str) -> Result<String, String> {
    let failed = |error: tokio_postgres::Error| {
        error
            .as_db_error()
            .map_or(error.to_string(), |db| db.code().code().into())
    };
    let chunks: Vec<_> = client
        .copy_out(text)
        .await
        .map_err(failed)?
        .try_collect()
        .await
        .map_err(failed)?;
    Ok(chunks
        .iter()
        .map(|chunk| String::from_utf8_lossy(chunk).into_owned())
        .collect())
}

/// The one value that it returns.
pub async fn one(client: &Client, text: &str) -> String {
    let rows = ask(client, text)
        .await
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(rows.len(), 1, "{text}: {rows:?}");
    rows.into_iter().next().unwrap()
}

/// That it is refused with this SQLSTATE.
pub async fn refused(client: &Client, text: &str, code: &str) {
    match ask(client, text).await {
        Ok(rows) => panic!("{text} was not refused: {rows:?}"),
        Err(error) => assert!(error.starts_with(code), "{text}: {error}"),
    }
}

/// That it is not.
pub async fn allowed(client: &Client, text: &str) {
    ask(client, text)
        .await
        .unwrap_or_else(|error| panic!("{text}: {error}"));
}

pub const DENIED: &str = "42501";

pub fn violations(report: &SharedReport) -> Vec<String> {
    of(report, Severity::Violation)
}

pub fn of(report: &SharedReport, severity: Severity) -> Vec<String> {
    let findings = report.findings.iter().filter(|finding| finding.severity == severity);
    findings.map(Finding::to_string).collect()
}

/// That something like this is reported.
pub fn reports(report: &SharedReport, severity: Severity, text: &str) {
    let found = of(report, severity);
    assert!(
        found.iter().any(|finding| finding.contains(text)),
        "no {text} in {found:#?}\n{report:#?}"
    );
}
