//! The requests for the Secret that passes over a tenant's database make.

use super::*;
use crate::api::{DatabaseModel, TlsMode};
use crate::capability::TenantCore;
use crate::capability::Tenants;
use crate::cluster::fixtures::Cluster;
use crate::cluster::{Identity, Queue, Writer};
use crate::conditions::reason;
use crate::database::pass::AppliedDatabase;
use crate::database::placement_record::Placement;
use crate::database::server_state::Connection;
use crate::database::settings::DatabaseSettings;
use crate::database::{Databases, ValidDatabase};
use crate::dns::DnsSettings;
use crate::postgres::client::{Address, Server};
use crate::postgres::password::Password;
use crate::telemetry::metrics::Metrics;
use crate::tenant::fixtures::{acme, part};
use kube::runtime::reflector;
use serde_json::json;
use std::time::Duration;

const READ: &str = "GET tenant-database";
const NONE: [&str; 0] = [];

/// A tenant whose data is on a server that nobody answers for.
struct Life {
    cluster: Cluster,
    writer: Writer,
    databases: Databases,
    core: TenantCore,
    database: ValidDatabase,
    placement: Placement,
    secret_facts: SecretFacts,
}

impl Life {
    fn new() -> Self {
        let cluster = Cluster::default();
        let metrics = Metrics::new();
        let settings = DatabaseSettings {
            period: Duration::from_secs(60),
            usage_period: Duration::from_secs(300),
        };
        let valid = acme(json!({"database": {"model": "Schema"}}), json!({}));
        Self {
            databases: Databases::new(
                (cluster.client(), crate::term::Term::unlimited()),
                "operator".into(),
                cluster.store.clone(),
                Tenants::default(),
                reflector::store().0,
                (Queue::new(metrics.clone()).0, &metrics),
                (settings, DnsSettings::default()),
            ),
            writer: cluster.writer(),
            cluster,
            core: valid.core.clone(),
            database: part::<ValidDatabase>(&valid).clone(),
            placement: Placement {
                server: "pg".into(),
                model: DatabaseModel::Schema,
                retained: false,
                abandoned: false,
            },
            secret_facts: SecretFacts::default(),
        }
    }

    /// A tenant with credentials that are published and watched.
    async fn settled() -> Self {
        let life = Self::new();
        let pass = life.pass();
        let mut secret = pass.known_secret(&life.names()).await.expect("a Secret");
        pass.read_once(&life.names(), &mut secret).await.ok().expect("read");
        let issued = life.issued();
        pass.publish(&connection("db"), &life.names(), &secret, &issued)
            .await
            .ok()
            .expect("published");
        life.cluster.list(&[names::DATABASE_SECRET]).await;
        assert_eq!(life.cluster.asked(), [READ, "POST "]);
        life
    }

    fn pass(&self) -> DatabasePass<'_> {
        DatabasePass {
            databases: &self.databases,
            writer: &self.writer,
            tenant: &self.core,
            database: &self.database,
            placement: &self.placement,
            secret_facts: &self.secret_facts,
        }
    }

    fn names(&self) -> Names {
        Names::of(&self.core.owner.id)
    }

    fn owner(&self) -> &Identity {
        &self.core.owner
    }

    fn issued(&self) -> Credentials {
        Credentials {
            published: Published {
                login: 1,
                issued_at: "2026-01-01T00:00:00Z".parse().expect("a time"),
                previous_until: None,
                rotated_for: None,
            },
            password: Password::from_secret("hunter2"),
        }
    }

    /// What a pass does with credentials that stay. Returns the requests for the Secret.
    async fn keep_published(&self, connection: &Connection) -> Vec<String> {
        let pass = self.pass();
        let mut secret = pass.known_secret(&self.names()).await.expect("a Secret");
        let current = secret.facts.published.clone().expect("credentials");
        let kept = pass
            .keep_published(connection, &self.names(), &mut secret, &current)
            .await;
        let revision = kept.ok().expect("kept");
        assert_eq!(Some(&revision), self.facts().revision.as_ref());
        self.cluster.asked()
    }

    /// The facts that the last pass left.
    fn facts(&self) -> Facts {
        let known = self
            .secret_facts
            .recall(self.writer.secrets(), self.owner(), &(), Timestamp::now());
        known.expect("facts")
    }

    async fn reconcile(&self) -> (AppliedDatabase, Vec<String>) {
        let outcome = self.pass().reconcile().await.expect("an outcome");
        (outcome, self.cluster.asked())
    }
}

fn connection(host: &str) -> Connection {
    let address = Address {
        host: host.into(),
        port: 5432,
        trust: None,
        oldest_tls: None,
        user: "operator".into(),
        password: Password::from_secret("x"),
        database: "tenants".into(),
        connections: 8,
    };
    Connection {
        server: Server::new(address.clone(), crate::term::Term::unlimited()).expect("a server"),
        address,
        tls: TlsMode::Disable,
        ca: None,
    }
}

#[tokio::test]
async fn a_pass_that_keeps_its_credentials_reads_no_secret() {
    let life = Life::settled().await;
    assert_eq!(life.keep_published(&connection("db")).await, NONE);
    let facts = life.facts();
    assert_eq!(facts.published, Some(life.issued().published));
    assert!(!format!("{facts:?}").contains("hunter2"), "{facts:?}");
}

#[tokio::test]
async fn a_secret_or_an_endpoint_that_changes_is_read_for() {
    let life = Life::settled().await;
    let moved = connection("elsewhere");
    assert_eq!(life.keep_published(&moved).await, [READ, "PUT tenant-database"]);
    assert_eq!(life.keep_published(&moved).await, NONE);

    life.cluster.change(
        life.owner(),
        names::DATABASE_SECRET,
        json!({"data": {"host": "b3RoZXI="}}),
    );
    life.cluster.list(&[names::DATABASE_SECRET]).await;
    assert_eq!(life.keep_published(&moved).await, [READ, "PUT tenant-database"]);
    assert_eq!(life.keep_published(&moved).await, NONE);

    life.cluster.store.secrets.doubt(names::DATABASE_SECRET);
    let pass = life.pass();
    let secret = pass.known_secret(&life.names()).await.expect("a Secret");
    assert!(secret.found().is_some());
    assert_eq!(life.cluster.asked(), [READ]);

    life.cluster.delete(life.owner(), names::DATABASE_SECRET);
    life.cluster.list(&[names::DATABASE_SECRET]).await;
    let secret = pass.known_secret(&life.names()).await.expect("no Secret");
    assert_eq!(
        (secret.facts.published, life.cluster.asked()),
        (None, vec![READ.to_string()])
    );
}

#[tokio::test]
async fn who_needs_the_password_reads_it_and_the_next_pass_does_not() {
    let life = Life::settled().await;
    let pass = life.pass();
    let mut secret = pass.known_secret(&life.names()).await.expect("facts");
    for reads in [vec![READ], vec![]] {
        let credentials = pass
            .credentials(&life.names(), &mut secret)
            .await
            .ok()
            .expect("a password");
        assert_eq!(credentials.password.reveal(), "hunter2");
        assert_eq!(life.cluster.asked(), reads);
    }
    assert_eq!(life.keep_published(&connection("db")).await, NONE);
}

#[tokio::test]
async fn a_pass_ends_where_others_change_the_secret_meanwhile() {
    let life = Life::settled().await;
    let pass = life.pass();
    let recall = async || pass.known_secret(&life.names()).await.expect("facts");
    // An annotation of others: the credentials are the same.
    let mut secret = recall().await;
    let theirs = json!({"metadata": {"annotations": {"example.com/a": "b"}}});
    life.cluster.change(life.owner(), names::DATABASE_SECRET, theirs);
    assert!(pass.read_once(&life.names(), &mut secret).await.is_ok());
    let mut secret = recall().await;
    let later = json!({"metadata": {"annotations": {names::ISSUED_AT: "2026-01-02T00:00:00Z"}}});
    life.cluster.change(life.owner(), names::DATABASE_SECRET, later);
    let Err(Failure::Kubernetes(error)) = pass.read_once(&life.names(), &mut secret).await else {
        panic!("it goes on with credentials that are no longer published");
    };
    assert_eq!(error.reason(), reason::API_CONFLICT);
    assert!(error.to_string().contains("Secret acme/tenant-database"), "{error}");
    assert!(recall().await.found().is_some(), "the next pass reads");
}

#[tokio::test(start_paused = true)]
async fn passes_without_a_server_read_the_secret_once() {
    let life = Life::settled().await;
    life.secret_facts.forget("acme");
    let (first, asked) = life.reconcile().await;
    assert_eq!(asked, [READ]);
    let (second, asked) = life.reconcile().await;
    assert_eq!(asked, NONE);
    assert_eq!((&second.status, &second.revision), (&first.status, &first.revision));
    assert!(second.revision.is_some() && second.status.credentials_issued_at.is_some());
    let problem = second.state.problem().map(|note| note.reason);
    assert_eq!(problem, Some(reason::SERVER_NOT_FOUND));
}
