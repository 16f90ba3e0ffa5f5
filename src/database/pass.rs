//! One tenant's database: applies the desired state to the server, publishes the Secret, and verifies that its credentials
//! log in.

mod applications;
mod apply;
mod desired;
mod extensions;
mod failure;
mod login;
mod loss;
mod publish;
mod tenant_secret;

use super::ValidDatabase;
use super::placement_record::Placement;
use super::secret::Credentials;
use super::server_state::ServerState;
use super::servers::Databases;
use crate::api::{DatabaseStatus, DatabaseUsage};
use crate::capability::{Note, State, TenantCore};
use crate::cluster::{Error, Writer};
use crate::conditions::reason;
use crate::postgres::Names;
use crate::postgres::catalog::Catalog;
use crate::postgres::password::Password;
use crate::postgres::plan::{Login, Place};
use crate::proof;
use crate::rotation::{self, Decision, Published};
use crate::time::seconds;
use failure::{Failure, progressing};
use k8s_openapi::jiff::Timestamp;
use login::{RECHECK_DOUBTFUL, mark};
use std::time::Duration;
pub use tenant_secret::SecretFacts;
use tenant_secret::TenantSecret;

/// Time after which a tenant without a permit comes again.
const BUSY: Duration = Duration::from_secs(1);

/// Result of a pass over a tenant's database.
#[derive(Clone, Debug, Default)]
pub struct AppliedDatabase {
    pub status: DatabaseStatus,
    pub usage: Option<DatabaseUsage>,
    /// Revision of the credentials in the Secret; None: there is no Secret yet.
    pub revision: Option<String>,
    pub state: State,
    /// Time until the next pass.
    pub again: Option<Duration>,
    /// Last result of the isolation check with the tenant's own login; None: not tried.
    pub isolation: Option<proof::Outcome>,
}

/// One pass over one tenant's database.
pub struct DatabasePass<'a> {
    pub databases: &'a Databases,
    pub writer: &'a Writer,
    pub tenant: &'a TenantCore,
    pub database: &'a ValidDatabase,
    pub placement: &'a Placement,
    pub secret_facts: &'a SecretFacts,
}

/// Returns the outcome of a tenant for which no server has room.
pub fn unplaced(message: String) -> AppliedDatabase {
    AppliedDatabase {
        state: State::Stalled(Note::new(reason::NO_SERVER, message)),
        ..AppliedDatabase::default()
    }
}

impl DatabasePass<'_> {
    /// Runs the pass.
    ///
    /// # Errors
    /// Errors of the API server; the outcome names problems of the server.
    pub async fn reconcile(&self) -> Result<AppliedDatabase, Error> {
        let owner = &self.tenant.owner;
        let server_state = self.databases.server_state(&self.placement.server);
        server_state.first_inspection().await;
        let tenant_names = Names::of(&owner.id);
        let mut secret = self.known_secret(&tenant_names).await?;
        let mut outcome = AppliedDatabase {
            status: self.status(&tenant_names, secret.facts.published.as_ref()),
            revision: secret.facts.revision.clone(),
            usage: Some(self.usage(&server_state, &tenant_names)),
            ..AppliedDatabase::default()
        };
        match self.work(&server_state, &tenant_names, &mut secret, &mut outcome).await {
            Ok(()) => Ok(outcome),
            Err(Failure::Kubernetes(error)) => Err(error),
            Err(Failure::Server(state)) => {
                let is_away = |note: &&Note| matches!(note.reason, reason::SERVER_TIMEOUT | reason::SERVER_UNREACHABLE);
                if let Some(note) = state.problem().filter(is_away) {
                    server_state.mark_away(note.reason, &note.message);
                }
                Ok(AppliedDatabase { state, ..outcome })
            }
        }
    }

    async fn work(
        &self,
        server_state: &ServerState,
        tenant_names: &Names,
        secret: &mut TenantSecret,
        outcome: &mut AppliedDatabase,
    ) -> Result<(), Failure> {
        let Some(_permit) = server_state.permit().await else {
            // After a restart all come at once: the result of a former process counts until this one has checked.
            let was_verified = |current: &Published| {
                !self.tenant.is_blocked()
                    && self.is_open_in_status(current)
                    && server_state.verified(&self.tenant.owner.id, &mark(current)).is_none()
            };
            if secret.facts.published.as_ref().is_some_and(was_verified) {
                outcome.again = Some(BUSY);
                return Ok(());
            }
            outcome.again = Some(BUSY * 2);
            return Err(progressing(
                reason::SERVER_BUSY,
                format!("DatabaseServer {} is busy with other tenants", server_state.name),
            ));
        };
        let connection = self.connection(server_state)?;
        let owner = &self.tenant.owner;
        let (extensions, mut problems) = self.extensions(&connection, server_state, tenant_names).await?;
        let mut wanted = self.wanted(server_state, tenant_names, extensions)?;
        let (applications, refusals) = self.applications(&connection, server_state, &wanted.place).await?;
        wanted.applications = applications;
        problems.add(refusals);
        if let Place::Shared(_) = wanted.place {
            self.enroll(&connection, server_state, &mut outcome.status.number)
                .await?;
        }
        let open = open_logins(&server_state.catalog_of(tenant_names), tenant_names);
        let now = seconds(Timestamp::now());
        let decision = rotation::decide(secret.facts.published.as_ref(), open, &self.tenant.rotation, now);
        if self.tenant.is_blocked() {
            // What its login was seen to reach is of no account when it comes back.
            server_state.forget(&owner.id);
            wanted.logins = [Login::default(), Login::default()];
            return self.apply(&connection, server_state, &wanted).await.map(|_| ());
        }
        let current = match decision {
            Decision::Issue { login, previous_until } => {
                self.read_once(tenant_names, secret).await?;
                // Its turn before has ended just now, when the next was asked for already: so do its sessions.
                if open[login] {
                    wanted.logins[1 - login].open = open[1 - login];
                    self.apply(&connection, server_state, &wanted).await?;
                }
                let issued = Credentials {
                    published: Published {
                        login,
                        issued_at: now,
                        previous_until,
                        rotated_for: self.tenant.rotation.request.clone(),
                    },
                    password: Password::random(),
                };
                wanted.logins[login] = Login {
                    open: true,
                    password: Some(issued.password.verifier()),
                };
                wanted.logins[1 - login].open = open[1 - login];
                problems.add(self.apply(&connection, server_state, &wanted).await?);
                // Nothing is published that was not seen to work.
                self.log_in(&connection, server_state, &wanted, &issued).await?;
                outcome.revision = Some(self.publish(&connection, tenant_names, secret, &issued).await?);
                tracing::info!(login, "credentials were issued");
                server_state.set_verified(&owner.id, Some(&mark(&issued.published)));
                outcome.again = Some(Duration::from_secs(1));
                issued.published
            }
            Decision::Keep {
                other_open,
                next,
                waits,
            } => {
                let Some(current) = secret.facts.published.clone() else {
                    return Ok(());
                };
                let login = current.login;
                wanted.logins[login].open = true;
                wanted.logins[1 - login].open = other_open;
                let role = tenant_names.logins[login].as_str();
                if !server_state.catalog_of(tenant_names).roles.contains_key(role) {
                    // Somebody dropped it, and its password with it.
                    let credentials = self.credentials(tenant_names, secret).await?;
                    wanted.logins[login].password = Some(credentials.password.verifier());
                    server_state.set_verified(&owner.id, None);
                }
                let applied = self.apply(&connection, server_state, &wanted).await;
                if let Err(Failure::Server(State::Stalled(note))) = &applied
                    && note.reason == reason::UNMENDED
                {
                    // What stands open against our will is what the tenant's own login should be asked about.
                    let _ = self.verify(&connection, server_state, &wanted, secret, &current).await;
                    outcome.isolation = server_state.isolation(&owner.id);
                }
                problems.add(applied?);
                outcome.revision = Some(self.keep_published(&connection, tenant_names, secret, &current).await?);
                let wait = self
                    .verify(&connection, server_state, &wanted, secret, &current)
                    .await?;
                let until = now.duration_until(next);
                let until = Duration::try_from(until)
                    .ok()
                    .map(|time| time.max(Duration::from_secs(1)));
                outcome.again = wait.into_iter().chain(until).min();
                if waits {
                    let message = format!(
                        "a rotation is requested: the operator issues new credentials when the former ones end, at {next}"
                    );
                    outcome.state.remark(Note::new(reason::ROTATION_WAITS, message));
                }
                current
            }
        };
        outcome.status = DatabaseStatus {
            number: outcome.status.number,
            ..self.status(tenant_names, Some(&current))
        };
        outcome.isolation = server_state.isolation(&owner.id);
        if outcome.isolation != Some(proof::Outcome::Passed) {
            outcome.again = Some(outcome.again.unwrap_or(RECHECK_DOUBTFUL).min(RECHECK_DOUBTFUL));
        }
        if let Some(state) = problems.state() {
            outcome.state = state;
        }
        self.limits(server_state, tenant_names, &wanted, outcome);
        if let Some(note) = server_state.loss(&owner.id) {
            outcome.state.remark(note);
        }
        Ok(())
    }
}

/// Returns, for each login, true if the server lets it in.
fn open_logins(catalog: &Catalog, tenant_names: &Names) -> [bool; 2] {
    [0, 1].map(|login| {
        let role = catalog.roles.get(tenant_names.logins[login].as_str());
        role.is_some_and(|role| role.login)
    })
}
