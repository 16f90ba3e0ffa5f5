//! Namespaces that a tenant creates itself, by TenantNamespaces in its first namespace.
//!
//! The mark on a namespace says that it was created so. It goes only with its TenantNamespace, and only where a person or tool deleted that: one that is not
//! known any more, because the chart's value is off or the definition is gone, deletes nothing.

pub mod admit;
mod cache;
mod events;
mod finalizer;
pub mod observe;
mod status;

pub use cache::TenantNamespaces;

use self::admit::{Admission, Verdict};
use self::events::Events;
use super::drain;
use crate::api::{DeletionPolicy, TenantNamespace, TenantStatus};
use crate::capability::{
    Capability, Deletion, Description, Failure, Note, Observation, Pass, Planned, Report, Stage, State, TenantCore,
    ValidTenant, Watching,
};
use crate::cluster::{Error, Key};
use crate::conditions::reason;
use crate::names;
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::Client;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// It shows no condition of the Tenant: each TenantNamespace has its own.
const DESCRIPTION: Description = Description {
    name: "",
    condition: "TenantNamespaces",
    stage: Stage::Access,
    rank: 1,
    not_ready: reason::PROGRESSING,
    ready: "the namespaces that the tenant created itself are in place",
    suspended: None,
    quarantined: None,
    awaits: "waiting for the namespaces",
    gate: None,
};
/// The period in which the operator looks at namespaces that are on their way.
const PROGRESS_REQUEUE: Duration = Duration::from_secs(2);
/// The period in which it looks at those that the API server refuses.
const STALLED_REQUEUE: Duration = Duration::from_secs(30);

/// The failures of objects in namespaces that the tenant created itself: a message by namespace, and whether somebody must act.
#[derive(Clone, Debug, Default)]
pub struct Failures(BTreeMap<String, State>);

impl Failures {
    /// Those in these namespaces, the first of each.
    pub fn of(failures: &[&Failure]) -> Self {
        let mut all = Self::default();
        for failure in failures {
            let (error, namespace) = (&failure.error, failure.namespace().to_string());
            let note = Note::new(error.reason(), error.chain());
            all.0.entry(namespace).or_insert(match error.is_stalled() {
                true => State::Stalled(note),
                false => State::Progressing(Note::new(reason::PROGRESSING, note.message)),
            });
        }
        all
    }
}

/// The state of each TenantNamespace after a pass.
#[derive(Clone, Debug, Default)]
struct States(BTreeMap<String, status::Observed>);

/// Namespaces that tenants create themselves.
#[derive(Default)]
pub struct Created {
    known: TenantNamespaces,
    /// None where the operator does not watch TenantNamespaces.
    cluster: Option<(Client, Events)>,
}

impl Created {
    /// The capability in a cluster whose chart lets tenants create namespaces.
    pub fn new(client: Client, known: TenantNamespaces, instance: &str) -> Self {
        let events = Events::new(client.clone(), instance);
        Self {
            known,
            cluster: Some((client, events)),
        }
    }

    /// Ends a namespace as its TenantNamespace asks. Returns what it waits for, or nothing where it is gone.
    async fn end(&self, pass: &Pass<'_>, tenant: &ValidTenant, namespace: &str) -> Result<Option<String>, Error> {
        let owner = &tenant.core.owner;
        let live = pass.store.get(&owner.tenant, &Key::namespace(namespace));
        match live.filter(|live| live.belongs_to(owner)) {
            None => Ok(None),
            Some(live) => drain::drain(pass, owner, &live, DeletionPolicy::Delete).await,
        }
    }

    /// Writes the status of a TenantNamespace where it differs, and tells of a change of its readiness.
    async fn report(&self, object: &TenantNamespace, of: &Observation<'_>, observed: &status::Observed) {
        let Some((client, events)) = &self.cluster else { return };
        let status = status::status(object, observed, of.now);
        if object.status.as_ref() == Some(&status) {
            return;
        }
        match status::write(client, object, &status).await {
            Ok(written) => {
                // The next pass may come before the watch shows it.
                self.known.refresh(written);
                events.readiness(object, &status).await;
            }
            // The watch shows what it is now, and wakes the tenant.
            Err(error) => tracing::debug!(%error, "the status of a TenantNamespace could not be written"),
        }
    }
}

#[async_trait]
impl Capability for Created {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    /// Holds each TenantNamespace before its namespace exists. A new one that cannot be held yet waits.
    async fn prepare(&self, _: &Pass<'_>, tenant: &mut ValidTenant) -> Result<Option<Error>, Error> {
        let Some((client, _)) = &self.cluster else {
            return Ok(None);
        };
        let mut admission = tenant.part::<Admission>().cloned().unwrap_or_default();
        let mut unheld = Vec::new();
        for (name, object) in self.known.of(tenant.name()) {
            if let Some(Verdict::Admitted(_)) = admission.verdicts.get(&name)
                && object.metadata.deletion_timestamp.is_none()
                && !finalizer::add(client, &object).await
            {
                unheld.push(name);
            }
        }
        for name in unheld {
            admission.withdraw(&name, &mut tenant.core);
        }
        tenant.set(admission);
        Ok(None)
    }

    async fn apply(&self, pass: &Pass<'_>, tenant: &mut ValidTenant, _: Vec<Planned>) -> Result<Option<Report>, Error> {
        let Some((client, _)) = &self.cluster else {
            return Ok(None);
        };
        let admission = tenant.part::<Admission>().cloned().unwrap_or_default();
        let failures = tenant.part::<Failures>().cloned().unwrap_or_default();
        let mut states = States::default();
        for (name, object) in self.known.of(tenant.name()) {
            let Some(verdict) = admission.verdicts.get(&name) else {
                continue;
            };
            let namespace = names::namespace(tenant.name(), &name);
            let ended = match verdict {
                Verdict::Ending => self.end(pass, tenant, &namespace).await,
                _ => Ok(None),
            };
            let is_over = matches!((verdict, &ended), (Verdict::Ending | Verdict::Released, Ok(None)));
            if is_over && release(client, &object).await {
                continue;
            }
            let observed = match (verdict, ended) {
                (_, Err(error)) => status::Observed::failed(&namespace, &error),
                (_, Ok(Some(waiting))) => status::Observed::ending(Some(&namespace), waiting),
                (Verdict::Ending | Verdict::Released, Ok(None)) => {
                    status::Observed::ending(None, "the namespace is gone: the object follows".into())
                }
                (verdict, Ok(None)) => status::observed(
                    pass.store,
                    &tenant.core,
                    &namespace,
                    verdict,
                    failures.0.get(&namespace),
                ),
            };
            states.0.insert(name, observed);
        }
        let mut report = Report::new(&DESCRIPTION, State::default());
        report.again = states.0.values().filter_map(again).min();
        tenant.set(states);
        Ok(Some(report))
    }

    async fn observe(&self, of: &Observation<'_>, _: &mut TenantStatus) {
        let tenant = &of.owner.tenant;
        let states = of
            .valid
            .map(|valid| valid.part::<States>().cloned().unwrap_or_default());
        for (name, object) in self.known.of(tenant) {
            match &states {
                Some(states) => {
                    if let Some(observed) = states.0.get(&name) {
                        self.report(&object, of, observed).await;
                    }
                }
                // What was said of this spec still stands.
                None if status::is_current(&object) => {}
                None => self.report(&object, of, &status::Observed::idle(&object)).await,
            }
        }
    }

    /// The namespaces go or stay with the Tenant's others, and the TenantNamespaces with the first.
    async fn delete(&self, _: &Pass<'_>, of: &Deletion<'_>) -> Result<Option<String>, Error> {
        let Some((client, _)) = &self.cluster else {
            return Ok(None);
        };
        let mut result = Ok(());
        for object in self.known.of(&of.owner.tenant).values() {
            result = result.and(finalizer::remove(client, object).await);
        }
        result.map(|()| None)
    }

    fn loops(self: Arc<Self>, watching: &Watching) -> Vec<BoxFuture<'static, ()>> {
        match self.cluster {
            None => Vec::new(),
            Some(_) => vec![
                cache::follow(watching.clone(), self.known.clone()).boxed(),
                cache::sweep(watching.clone(), self.known.clone()).boxed(),
            ],
        }
    }
}

/// Lets a TenantNamespace go. Returns false where another pass has to try again.
async fn release(client: &Client, object: &TenantNamespace) -> bool {
    let result = finalizer::remove(client, object).await;
    if let Err(error) = &result {
        tracing::debug!(%error, "a TenantNamespace could not be released yet");
    }
    result.is_ok()
}

/// Returns the time until the operator looks again.
fn again(observed: &status::Observed) -> Option<Duration> {
    match &observed.state {
        State::Ready(_) => None,
        State::Progressing(_) => Some(PROGRESS_REQUEUE),
        State::Stalled(_) => Some(STALLED_REQUEUE),
    }
}

/// Splits failures into those in namespaces that the tenant created itself and the others.
pub fn split<'a>(
    tenant: &TenantCore,
    failures: impl Iterator<Item = &'a Failure>,
) -> (Vec<&'a Failure>, Vec<&'a Failure>) {
    failures.partition(|failure| tenant.created.quotas.contains_key(failure.namespace()))
}

#[cfg(test)]
#[path = "capability_test.rs"]
mod tests;
