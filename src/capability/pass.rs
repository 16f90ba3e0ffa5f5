//! One pass over a tenant: the tools of all capabilities.

use super::{Capability, Platform, jwks::KeySets};
use crate::api::DeletionPolicy;
use crate::cluster::{Desired, Error, Identity, Store, Writer, write::Applied};
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

    /// Writes objects that were derived from their known states, several at once.
    ///
    /// # Errors
    /// [`Error::Contended`] where one is not as it was known; else as [`Pass::apply`].
    pub async fn apply_as_known(&self, owner: &Identity, objects: &[Desired]) -> Result<(), Error> {
        let write = |desired| async move { self.writer.ensure_as_known(owner, desired).await.map(log(desired)) };
        let writes: Vec<_> = objects.iter().map(|desired| write(desired).boxed()).collect();
        let results: Vec<Result<(), Error>> = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).collect().await;
        results.into_iter().collect()
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
