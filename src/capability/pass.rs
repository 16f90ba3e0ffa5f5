//! One pass over a tenant: the tools of all capabilities.

use super::{Capability, Failure, Platform, jwks::KeySets};
use crate::api::DeletionPolicy;
use crate::cluster::{Desired, Error, Identity, Kind, Live, Store, Writer, diff, write::Applied};
use futures::{FutureExt, StreamExt, stream};
use std::sync::Arc;

/// Objects of one tenant that are written at once.
const WRITES_AT_ONCE: usize = 6;

/// The order of application: no object of a stage is written before the stage above holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Names that must be the tenant's alone.
    Claims,
    Namespaces,
    /// The operator's own right to go on.
    Bindings,
    /// Quotas, limits, network policies, the default ServiceAccount: they hold before anyone or anything comes in.
    Bounds,
    /// The owners' rights.
    Access,
    /// Files, Secrets and databases that workloads need.
    Configuration,
    Workloads,
    /// Policies of the gateway, and grants for the backends of routes.
    Admission,
    /// Routes to the workloads.
    Routes,
}

/// An object that should exist.
#[derive(Clone, Debug)]
pub struct Planned {
    pub stage: Stage,
    pub object: Desired,
}

impl Planned {
    pub fn new(stage: Stage, object: Desired) -> Self {
        Self { stage, object }
    }

    /// Splits the objects of one stage off from those of others.
    pub fn split(planned: Vec<Self>, stage: Stage) -> (Vec<Desired>, Vec<Self>) {
        let (of_stage, others): (Vec<Self>, Vec<Self>) = planned.into_iter().partition(|one| one.stage == stage);
        (of_stage.into_iter().map(|planned| planned.object).collect(), others)
    }
}

/// One pass over a tenant.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub writer: &'a Writer,
    pub store: &'a Store,
    pub platform: &'a Platform,
    pub capabilities: &'a [Arc<dyn Capability>],
    pub policy: DeletionPolicy,
}

impl Pass<'_> {
    /// Writes what differs, several objects at once. An object that is refused keeps none of the others back.
    ///
    /// # Errors
    /// The first write that was refused.
    pub async fn apply(&self, owner: &Identity, objects: &[Desired]) -> Result<(), Error> {
        let writes: Vec<_> = objects
            .iter()
            .map(|desired| ensure(self.writer, owner, desired).boxed())
            .collect();
        let results: Vec<Result<(), Error>> = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).collect().await;
        results.into_iter().collect()
    }

    /// The same. Returns the objects that were refused or are being deleted, in the order of the plan.
    ///
    /// # Errors
    /// The first write that failed for another reason than its object.
    pub async fn apply_each(&self, owner: &Identity, objects: &[Desired]) -> Result<Vec<Failure>, Error> {
        let write = |desired| async move { (desired, ensure(self.writer, owner, desired).await) };
        let writes: Vec<_> = objects.iter().map(|desired| write(desired).boxed()).collect();
        let results: Vec<_> = stream::iter(writes).buffered(WRITES_AT_ONCE).collect().await;
        self.failures(owner, results)
    }

    /// Writes objects that were derived from their known states, several at once. Returns the objects that were refused or are being deleted.
    ///
    /// # Errors
    /// [`Error::Contended`] where one is not as it was known; else as [`Pass::apply_each`].
    pub async fn apply_as_known(&self, owner: &Identity, objects: &[Desired]) -> Result<Vec<Failure>, Error> {
        let write = |desired| async move {
            let written = self.writer.ensure_as_known(owner, desired).await;
            (desired, written.map(log(desired)))
        };
        let writes: Vec<_> = objects.iter().map(|desired| write(desired).boxed()).collect();
        let results: Vec<_> = stream::iter(writes).buffered(WRITES_AT_ONCE).collect().await;
        self.failures(owner, results)
    }

    /// Writes objects that were derived from these versions of them, several at once. None: the object did not exist. Returns the objects that were refused or
    /// are being deleted.
    ///
    /// # Errors
    /// As [`Pass::apply_as_known`].
    pub async fn apply_at(
        &self,
        owner: &Identity,
        objects: Vec<(Desired, Option<Live>)>,
    ) -> Result<Vec<Failure>, Error> {
        let write = |(desired, known)| async move {
            let written = self.writer.ensure_at(owner, desired, Option::clone(known)).await;
            (desired, written.map(log(desired)))
        };
        let writes: Vec<_> = objects
            .iter()
            .map(|(desired, known)| write((desired, known)).boxed())
            .collect();
        let results: Vec<_> = stream::iter(writes).buffered(WRITES_AT_ONCE).collect().await;
        self.failures(owner, results)
    }

    fn failures(&self, owner: &Identity, results: Vec<(&Desired, Result<(), Error>)>) -> Result<Vec<Failure>, Error> {
        let mut failures = Vec::new();
        for (desired, result) in results {
            match result {
                Ok(()) => {}
                Err(error) if error.is_of_one_object() => failures.push(Failure {
                    is_in_force: matches!(error, Error::Terminating(_)) && self.is_as_planned(owner, desired),
                    key: desired.key.clone(),
                    error,
                }),
                Err(error) => return Err(error),
            }
        }
        Ok(failures)
    }

    /// Returns true where the object is as planned, even if it is being deleted. A terminating namespace takes nothing any more.
    fn is_as_planned(&self, owner: &Identity, desired: &Desired) -> bool {
        let live = self.store.get(&owner.tenant, &desired.key);
        desired.key.kind != Kind::Namespace && live.is_some_and(|live| diff::difference(desired, &live).is_none())
    }

    /// The gateway's use of public keys, where there is a gateway.
    pub fn key_sets(&self) -> Option<&dyn KeySets> {
        self.capabilities.iter().find_map(|capability| capability.key_sets())
    }
}

async fn ensure(writer: &Writer, owner: &Identity, desired: &Desired) -> Result<(), Error> {
    writer.ensure(owner, desired).await.map(log(desired))
}

fn log(desired: &Desired) -> impl FnOnce(Applied) {
    move |outcome| {
        if let Applied::Updated(path) = outcome {
            tracing::info!(object = %desired.key, path, "mended");
        }
    }
}
