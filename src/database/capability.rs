//! The database as a capability of a tenant.

use super::ValidDatabase;
use super::address;
use super::binding::{self, Attachment};
use super::pass::{self, AppliedDatabase, DatabasePass, SecretFacts};
use super::placement_record::{self, Placement};
use super::release;
use super::servers::Databases;
use super::validate;
use crate::api::{DeletionPolicy, TenantStatus};
use crate::capability::{
    Asked, Capability, Contributions, Deletion, Description, Gate, Invalid, Note, Pass, Planned, Report, Revocation,
    Stage, State, ValidTenant, Watching, WriteStatus, quarantine,
};
use crate::cluster::{Error, Identity, Live, secret};
use crate::conditions::{kind, reason};
use crate::names;
use crate::proof;
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const DESCRIPTION: Description = Description {
    name: "database",
    condition: kind::DATABASE_READY,
    stage: Stage::Configuration,
    rank: 3,
    not_ready: reason::DATABASE_NOT_READY,
    ready: "the database is in the desired state, and the credentials in the Secret log in",
    suspended: Some("all logins are closed; all data is kept"),
    quarantined: Some(("False", "all logins are closed during the quarantine; all data is kept")),
    awaits: "waiting for the namespaces",
    gate: Some(Gate {
        stage: Stage::Workloads,
        why: "waiting for the database's credentials",
    }),
};

/// The place of a tenant's data, or the reason why there is none.
type Place = Result<Placement, String>;

/// A schema, a database or a server of PostgreSQL for each tenant.
pub struct Database {
    /// None where nothing is applied.
    databases: Option<Arc<Databases>>,
    /// The credentials last seen in each Secret, by the tenant's id: a pass that changes nothing plans pods once.
    revisions: Mutex<HashMap<String, String>>,
    secret_facts: SecretFacts,
}

impl Database {
    /// The capability in a cluster.
    pub fn new(databases: Arc<Databases>) -> Self {
        Self {
            databases: Some(databases),
            revisions: Mutex::default(),
            secret_facts: SecretFacts::default(),
        }
    }

    /// The capability without a cluster, which validates and plans.
    pub fn offline() -> Self {
        Self {
            databases: None,
            revisions: Mutex::default(),
            secret_facts: SecretFacts::default(),
        }
    }

    fn revisions(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.revisions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_revision(&self, owner: &Identity, revision: Option<&String>) {
        match revision {
            Some(revision) => self.revisions().insert(owner.id.clone(), revision.clone()),
            None => self.revisions().remove(&owner.id),
        };
    }

    fn databases(&self) -> Result<&Databases, Error> {
        let databases = self.databases.as_deref();
        databases.ok_or_else(|| Error::Internal("no database servers are known".into()))
    }
}

#[async_trait]
impl Capability for Database {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    async fn revoke(&self, _: &Pass<'_>, of: &Revocation<'_>) -> Result<Option<String>, Error> {
        match of.is_suspended() || of.quarantine.is_some() {
            true => release::suspend(self.databases()?, of.owner).await,
            false => Ok(None),
        }
    }

    fn validate(&self, asked: &Asked<'_>, tenant: &mut ValidTenant, reasons: &mut Vec<Invalid>) {
        if let Some(database) = validate::resolve(asked, tenant.core.isolation, reasons) {
            validate::settings_fit(&database, tenant.core.configuration.as_deref(), reasons);
            tenant.set(database);
        }
    }

    async fn prepare(&self, pass: &Pass<'_>, tenant: &mut ValidTenant) -> Result<Option<Error>, Error> {
        let databases = self.databases()?;
        let owner = &tenant.core.owner;
        let Some(database) = tenant.part::<ValidDatabase>() else {
            return Ok(None);
        };
        let place: Place = databases.place(pass.writer, owner, database).await?;
        let server = place
            .as_ref()
            .ok()
            .and_then(|placement| databases.resource(&placement.server));
        let attachment = server.map(|server| Attachment {
            reach: address::reach(&server.spec),
            port: address::port(&server.spec),
            verified: address::is_verified(&server.spec),
            bounds_tls: address::oldest_tls(&server.spec).is_some(),
            revision: self.revisions().get(&owner.id).cloned(),
        });
        if let Some(attachment) = attachment {
            tenant.set(attachment);
        }
        tenant.set(place);
        Ok(None)
    }

    fn contribute(&self, tenant: &ValidTenant, to: &mut Contributions) {
        if let Some(attachment) = tenant.part::<Attachment>() {
            binding::contribute(attachment, to);
        }
    }

    async fn apply(&self, pass: &Pass<'_>, tenant: &mut ValidTenant, _: Vec<Planned>) -> Result<Option<Report>, Error> {
        let databases = self.databases()?;
        let (Some(database), Some(place)) = (tenant.part::<ValidDatabase>(), tenant.part::<Place>()) else {
            self.note_revision(&tenant.core.owner, None);
            return retain_data(databases, pass, &tenant.core.owner).await;
        };
        let outcome = match place {
            Ok(placement) => {
                let pass = DatabasePass {
                    databases,
                    writer: pass.writer,
                    tenant: &tenant.core,
                    database,
                    placement,
                    secret_facts: &self.secret_facts,
                };
                pass.reconcile().await?
            }
            Err(why) => pass::unplaced(why.clone()),
        };
        tenant.core.number = outcome.status.number;
        self.note_revision(&tenant.core.owner, outcome.revision.as_ref());
        let has_revision = outcome.revision.is_some();
        if let Some(attachment) = tenant.part::<Attachment>() {
            let revision = outcome.revision.clone();
            tenant.set(Attachment {
                revision,
                ..attachment.clone()
            });
        }
        let mut report = report(outcome);
        if !has_revision && !tenant.core.is_blocked() {
            let note = Note::new(reason::PROGRESSING, "the Secret does not have the credentials yet");
            if report.state.problem().is_none() {
                report.state = State::Progressing(note);
            }
            report.gate = DESCRIPTION.gate;
        }
        Ok(Some(report))
    }

    fn concerns(&self, tenant: Option<&ValidTenant>, status: &TenantStatus, _: bool) -> bool {
        match tenant {
            Some(tenant) => tenant.part::<ValidDatabase>().is_some(),
            None => status.database.is_some(),
        }
    }

    fn clear(&self, status: &mut TenantStatus) {
        status.database = None;
        if let Some(usage) = &mut status.usage {
            usage.database = None;
        }
    }

    fn check(&self, tenant: Option<&ValidTenant>, report: Option<&Report>) -> Option<proof::Outcome> {
        let tenant = tenant.filter(|tenant| tenant.part::<ValidDatabase>().is_some() && !tenant.core.suspend)?;
        if tenant.core.quarantine.is_some() {
            return Some(proof::Outcome::Untried(quarantine::UNTRIED.into()));
        }
        let seen = report.and_then(|report| report.check.clone());
        let problem = report.and_then(|report| report.state.problem());
        Some(match (seen, problem) {
            (Some(seen), _) => seen,
            (None, Some(problem)) => proof::Outcome::Untried(format!("the database is not ready ({})", problem.reason)),
            (None, None) => proof::Outcome::Pending,
        })
    }

    fn forget(&self, tenant: &str) {
        self.secret_facts.forget(tenant);
    }

    fn loops(self: Arc<Self>, watching: &Watching) -> Vec<BoxFuture<'static, ()>> {
        vec![watching.clone().secrets(names::DATABASE_SECRET.into()).boxed()]
    }

    async fn delete(&self, pass: &Pass<'_>, of: &Deletion<'_>) -> Result<Option<String>, Error> {
        self.note_revision(of.owner, None);
        release::release(self.databases()?, pass.writer, of.owner, of.policy).await
    }

    // The place of data is forgotten only when the data is gone.
    fn is_kept(&self, live: &Live) -> bool {
        placement_record::is_record(live)
    }

    fn keeps_data(&self, owner: &Identity) -> bool {
        self.databases
            .as_ref()
            .is_some_and(|databases| databases.placement(owner).is_some())
    }
}

/// Retains the data of a tenant that no longer asks for a database. Only the deletion of the Tenant ends data; one field of a tier must not.
async fn retain_data(databases: &Databases, pass: &Pass<'_>, owner: &Identity) -> Result<Option<Report>, Error> {
    let had = databases.placement(owner);
    if had.is_none_or(|placement| placement.retained) {
        return Ok(None);
    }
    secret::delete(pass.writer, owner, names::DATABASE_SECRET).await?;
    let waiting = release::release(databases, pass.writer, owner, DeletionPolicy::Retain).await?;
    Ok(waiting.map(|waiting| {
        let state = State::Progressing(Note::new(reason::PROGRESSING, waiting));
        Report::new(&DESCRIPTION, state)
    }))
}

fn report(outcome: AppliedDatabase) -> Report {
    let AppliedDatabase {
        status,
        usage,
        state,
        again,
        isolation,
        revision: _,
    } = outcome;
    let write: WriteStatus = Arc::new(move |to: &mut TenantStatus| {
        if !status.server.is_empty() {
            to.database = Some(status.clone());
        }
        if let Some(usage) = &usage {
            to.usage.get_or_insert_default().database = Some(usage.clone());
        }
    });
    Report {
        status: Some(write),
        check: isolation,
        again,
        ..Report::new(&DESCRIPTION, state)
    }
}

#[cfg(test)]
#[path = "capability_test.rs"]
mod tests;
