//! An operator on a server: its role, its records' database, and the tenants of one test.

use crate::servers::{Pg, number};
use std::sync::Arc;
use std::time::Duration;
use tenant_operator::postgres::catalog::Catalog;
use tenant_operator::postgres::client::{Address, Error, Server};
use tenant_operator::postgres::password::Password;
use tenant_operator::postgres::plan::{Conflict, Login, Place, Step, Wanted, plan};
use tenant_operator::postgres::{Names, server};
use tokio_postgres::{Client, Config, NoTls};

/// The operator's role on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    Superuser,
    /// CREATEROLE and CREATEDB only.
    CreateRole,
}

/// An operator on a server.
#[derive(Clone)]
pub struct Site {
    pub pg: Arc<Pg>,
    pub admin: Admin,
    pub address: Address,
    pub server: Arc<Server>,
}

/// A tenant, as it should be, and the passwords that were issued to it.
pub struct Tenant {
    pub wanted: Wanted,
    pub passwords: [Password; 2],
}

/// Closes access that only a superuser can close.
pub async fn harden(pg: &Pg) {
    for (database, statement) in [
        ("postgres", "REVOKE ALL ON DATABASE postgres FROM PUBLIC"),
        ("postgres", "REVOKE ALL ON DATABASE template1 FROM PUBLIC"),
    ] {
        superuser(pg, database)
            .await
            .batch_execute(statement)
            .await
            .expect(statement);
    }
}

/// A connection without TLS.
pub async fn connect(port: u16, user: &str, password: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(user)
        .password(password)
        .dbname(database);
    let (client, connection) = config.connect_timeout(Duration::from_secs(10)).connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A connection as the server's own superuser.
pub async fn superuser(pg: &Pg, database: &str) -> Client {
    connect(pg.port, "postgres", &pg.password, database)
        .await
        .expect("superuser")
}

/// Executes as one transaction. A database's list of privileges is one row of the whole server's: where two tests grant on it at
/// the same time the second is refused, and asks again.
async fn execute(client: &Client, statements: &str) -> Result<(), tokio_postgres::Error> {
    let mut attempt = 0;
    loop {
        let done = client.batch_execute(statements).await;
        let raced = done
            .as_ref()
            .err()
            .and_then(tokio_postgres::Error::as_db_error)
            .is_some_and(|error| error.message() == "tuple concurrently updated");
        attempt += 1;
        if !raced || attempt == 20 {
            return done;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The SQLSTATE of the first refusal; empty where there is none.
pub async fn state(client: &Client, statements: &str) -> String {
    match execute(client, statements).await {
        Ok(()) => String::new(),
        Err(error) => error
            .code()
            .map_or_else(|| error.to_string(), |code| code.code().to_string()),
    }
}

/// Executes, or says why not.
pub async fn run(client: &Client, statements: &str) {
    if let Err(error) = execute(client, statements).await {
        let shown: String = statements.chars().take(300).collect();
        panic!(
            "{shown}: {}",
            error
                .as_db_error()
                .map_or_else(|| error.to_string(), ToString::to_string)
        );
    }
}

/// One text.
pub async fn text(client: &Client, query: &str) -> String {
    let row = client
        .query_one(query, &[])
        .await
        .unwrap_or_else(|error| panic!("{query}: {error:?}"));
    row.get(0)
}

impl Site {
    /// A new operator with a database of its own.
    pub async fn new(pg: &Arc<Pg>, admin: Admin) -> Self {
        Self::with(pg, admin, 6).await
    }

    /// The same with a bound on its connections.
    pub async fn with(pg: &Arc<Pg>, admin: Admin, connections: usize) -> Self {
        let number = number();
        let (user, database, password) = (
            format!("operator_{number}"),
            format!("records_{number}"),
            Password::random(),
        );
        let attributes = match admin {
            Admin::Superuser => "SUPERUSER",
            Admin::CreateRole => "CREATEROLE CREATEDB",
        };
        let root = superuser(pg, "postgres").await;
        let verifier = password.verifier();
        run(
            &root,
            &format!("CREATE ROLE {user} LOGIN {attributes} PASSWORD '{}'", verifier.reveal()),
        )
        .await;
        run(
            &root,
            &format!("CREATE DATABASE {database} OWNER {user} TEMPLATE template0"),
        )
        .await;
        run(&root, &format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC")).await;
        // Up to 14 only a superuser closes it.
        run(
            &superuser(pg, &database).await,
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        )
        .await;
        let address = Address {
            host: "127.0.0.1".into(),
            port: pg.port,
            trust: None,
            oldest_tls: None,
            user,
            password,
            database,
            connections,
        };
        let site = Self::at(pg, admin, address);
        server::prepare(&site.server, &site.address, None)
            .await
            .expect("prepare");
        site
    }

    /// An operator with these settings.
    pub fn at(pg: &Arc<Pg>, admin: Admin, address: Address) -> Self {
        let server =
            Arc::new(Server::new(address.clone(), tenant_operator::term::Term::unlimited()).expect("settings"));
        Self {
            pg: pg.clone(),
            admin,
            address,
            server,
        }
    }

    /// Takes its database away, which keeps no other test from anything but room.
    pub async fn end(self) {
        let root = superuser(&self.pg, "postgres").await;
        run(&root, &format!("DROP DATABASE {} WITH (FORCE)", self.address.database)).await;
    }

    /// The superuser, in the records' database.
    pub async fn root(&self) -> Client {
        superuser(&self.pg, &self.address.database).await
    }

    /// A tenant that is nowhere yet: its first login open.
    pub fn tenant(&self, place: &Place) -> Tenant {
        let tenant_id = format!("{:08x}-{}-tenant", fastrand::u32(..), number());
        let passwords = [Password::random(), Password::random()];
        let open = Login {
            open: true,
            password: Some(passwords[0].verifier()),
        };
        let wanted = Wanted {
            names: Names::of(&tenant_id),
            tenant_id,
            place: place.clone(),
            logins: [open, Login::default()],
            connection_limit: 5,
            settings: vec![
                ("statement_timeout", "20s".into()),
                ("lock_timeout", "3s".into()),
                ("idle_in_transaction_session_timeout", "60s".into()),
                ("work_mem", "4MB".into()),
            ],
            extensions: Vec::new(),
            writable: true,
            applications: None,
        };
        Tenant { wanted, passwords }
    }

    /// A tenant that is there.
    pub async fn new_tenant(&self, place: &Place) -> Tenant {
        let mut tenant = self.tenant(place);
        self.converge(&tenant.wanted).await;
        tenant.settle();
        tenant
    }

    /// Writes until there is nothing to write. Returns after how many rounds.
    pub async fn converge(&self, wanted: &Wanted) -> usize {
        self.try_converge(wanted).await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same, or why not.
    pub async fn try_converge(&self, wanted: &Wanted) -> Result<usize, String> {
        let mut wanted = wanted.clone();
        let mut catalog = self.server.observe(None).await.map_err(|error| error.to_string())?;
        for round in 0..7 {
            let steps = plan(&wanted, &catalog).map_err(|conflict| conflict.to_string())?;
            if steps.is_empty() {
                return Ok(round);
            }
            if round == 6 {
                return Err(format!("never ends:\n{}", shown(&steps)));
            }
            self.server
                .execute(&steps)
                .await
                .map_err(|error| format!("{error} in round {round} of:\n{}", shown(&steps)))?;
            // Set once.
            for login in &mut wanted.logins {
                login.password = None;
            }
            let seen = self
                .server
                .observe(Some(&wanted.names))
                .await
                .map_err(|error| error.to_string())?;
            catalog.take(&wanted.names, seen);
        }
        unreachable!()
    }

    /// Executes the statements of `steps` until there are none.
    pub async fn repeat(
        &self,
        names: &Names,
        steps: impl Fn(&Catalog) -> Result<Vec<Step>, Conflict>,
    ) -> Result<usize, Error> {
        let mut catalog = self.server.observe(None).await?;
        for round in 0..6 {
            let steps = steps(&catalog).expect("no conflict");
            if steps.is_empty() {
                return Ok(round);
            }
            self.server.execute(&steps).await?;
            let seen = self.server.observe(Some(names)).await?;
            catalog.take(names, seen);
        }
        panic!("never ends:\n{}", shown(&steps(&catalog).expect("no conflict")));
    }

    /// Removes a tenant.
    pub async fn remove(&self, tenant: &Tenant) {
        let wanted = &tenant.wanted;
        let removal =
            |catalog: &Catalog| tenant_operator::postgres::plan::removal(&wanted.names, &wanted.tenant_id, catalog);
        self.repeat(&wanted.names, removal)
            .await
            .unwrap_or_else(|error| panic!("removal: {error}"));
    }

    /// Asserts by a fresh look at everything that there is nothing to write.
    pub async fn is_quiet(&self, wanted: &Wanted) {
        let catalog = self.server.observe(None).await.expect("observe");
        let steps = plan(wanted, &catalog).expect("no conflict");
        assert!(steps.is_empty(), "not quiet:\n{}", shown(&steps));
    }

    /// Returns the database of a tenant's data.
    pub fn database_of(&self, wanted: &Wanted) -> String {
        match wanted.place {
            Place::Database => wanted.names.place.as_str().into(),
            _ => self.address.database.clone(),
        }
    }

    /// A session of one of a tenant's logins.
    pub async fn session(&self, tenant: &Tenant, login: usize) -> Client {
        let wanted = &tenant.wanted;
        let (user, database) = (wanted.names.logins[login].as_str(), self.database_of(wanted));
        let session = connect(self.pg.port, user, tenant.passwords[login].reveal(), &database).await;
        session.unwrap_or_else(|error| panic!("{user} cannot log in: {error:?}"))
    }
}

impl Tenant {
    /// Drops the passwords, so that the operator does not set them again.
    pub fn settle(&mut self) {
        for login in &mut self.wanted.logins {
            login.password = None;
        }
    }

    /// The owner role's name.
    pub fn owner(&self) -> &str {
        self.wanted.names.owner.as_str()
    }

    /// A login's name.
    pub fn login(&self, which: usize) -> &str {
        self.wanted.names.logins[which].as_str()
    }
}

/// Steps as they are shown.
pub fn shown(steps: &[Step]) -> String {
    steps
        .iter()
        .map(|step| format!("{:?}: {}\n", step.venue, step.statement))
        .collect()
}

/// Returns a tenant's part of a server's catalogs, in words, without parts that differ from one making to the next.
pub async fn dump(site: &Site, names: &Names) -> String {
    let root = site.root().await;
    let query = format!(
        "WITH r AS (SELECT * FROM pg_roles WHERE rolname IN ({})) \
         SELECT coalesce(string_agg(line, E'\\n' ORDER BY line), '') FROM ( \
         SELECT concat_ws(' ', 'role', rolname, rolcanlogin, rolinherit, rolsuper, rolcreaterole, rolcreatedb, rolreplication, \
                rolbypassrls, rolconnlimit, nullif(rolvaliduntil, 'infinity')) AS line FROM r \
         UNION ALL SELECT DISTINCT concat_ws(' ', 'member', o.rolname, e.rolname, m.admin_option, \
                to_jsonb(m) ->> 'inherit_option', to_jsonb(m) ->> 'set_option') \
         FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.roleid JOIN pg_roles e ON e.oid = m.member \
         WHERE o.oid IN (SELECT oid FROM r) OR e.oid IN (SELECT oid FROM r) \
         UNION ALL SELECT concat_ws(' ', 'setting', rolname, setdatabase, c) \
         FROM pg_db_role_setting s JOIN r ON r.oid = s.setrole, unnest(setconfig) c \
         UNION ALL SELECT concat_ws(' ', 'schema', nspname, pg_get_userbyid(nspowner), pg_get_userbyid(e.grantee), \
                e.privilege_type, e.is_grantable) \
         FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) e \
         WHERE nspname = '{place}' OR e.grantee IN (SELECT oid FROM r) \
         UNION ALL SELECT concat_ws(' ', 'database', datname, pg_get_userbyid(datdba), datallowconn, pg_get_userbyid(e.grantee), \
                e.privilege_type, e.is_grantable) \
         FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) e \
         WHERE datname = '{place}' OR e.grantee IN (SELECT oid FROM r) \
         UNION ALL SELECT concat_ws(' ', 'default', rolname, defaclnamespace, defaclobjtype, e.privilege_type, \
                pg_get_userbyid(e.grantee)) FROM pg_default_acl JOIN r ON r.oid = defaclrole, aclexplode(defaclacl) e \
         UNION ALL SELECT concat_ws(' ', 'mark', kind, name, tenant_id, revision) FROM tenant_operator.object \
                WHERE tenant_id = (SELECT max(tenant_id) FROM tenant_operator.object WHERE name = '{place}') \
         UNION ALL SELECT concat_ws(' ', 'intent', name) FROM tenant_operator.intent WHERE name = '{place}' \
         UNION ALL SELECT 'begun' FROM pg_database WHERE datname LIKE 'new\\_%' AND datdba = '{admin}'::regrole \
         UNION ALL SELECT 'large objects of ' || pg_get_userbyid(lomowner) FROM pg_largeobject_metadata \
                WHERE lomowner IN (SELECT oid FROM r) \
         ) all_of_it",
        names.roles().map(|role| format!("'{}'", role.as_str())).join(", "),
        place = names.place.as_str(),
        admin = site.address.user,
    );
    text(&root, &query).await
}
