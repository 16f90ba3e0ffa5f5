//! Makes a planned environment real, stage by stage: nothing of a stage is written before the one before it holds.

use super::drain;
use super::plan::{self, Environment, Platform};
use super::validate::Attachment;
use super::{ValidTenant, claims, grants, own_keys, routes, workload};
use crate::api::DeletionPolicy;
use crate::capability::{Capability, Note, State};
use crate::cluster::{Desired, Error, Identity, Key, Kind, Live, Store, Writer, secret, write::Outcome};
use crate::conditions::reason;
use crate::database::claim::Placement;
use crate::database::pass::{self, Outcome as Data, Pass};
use crate::database::{self, Databases, release, servers};
use crate::names;
use crate::quantity::Amount;
use crate::{credentials, gateway};
use futures::{FutureExt, StreamExt, stream};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How many objects of one tenant are written at once.
const WRITES_AT_ONCE: usize = 6;
/// How long a pass waits by itself for the quota controller, before it leaves the rest to the next pass.
const QUOTA_WAIT: Duration = Duration::from_millis(800);
const QUOTA_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How far an environment has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something is under way that ends by itself; what it is.
    Namespaces(String),
    /// The namespaces are as they should be; the resources of this capability are not.
    Part {
        capability: &'static Capability,
        state: State,
        /// Why nothing is known of the workloads; None where they were begun, and run.
        unseen: Option<Note>,
    },
    /// The namespaces are as they should be; the workloads are not, and why.
    Workloads(workload::Unavailable),
    /// Everything was observed as asked.
    Complete,
}

/// How far an environment has come, and its database.
#[derive(Clone, Debug)]
pub struct Provisioned {
    pub progress: Progress,
    /// None where the tenant has no database, or things did not come so far.
    pub database: Option<Data>,
    /// None where things did not come so far.
    pub credentials: Option<own_keys::Outcome>,
    /// None where nothing leads to the tenant, or things did not come so far.
    pub gateway: Option<routes::Outcome>,
}

impl From<Progress> for Provisioned {
    fn from(progress: Progress) -> Self {
        Self {
            progress,
            database: None,
            credentials: None,
            gateway: None,
        }
    }
}

/// Brings the environment one step, or all the way, nearer to what was planned.
///
/// # Errors
/// The first write that was refused; later stages are not begun. [`Error::Claimed`] for a host comes last, when all else is as asked.
pub async fn provision(
    writer: &Writer,
    databases: &Databases,
    tenant: &ValidTenant,
    platform: &Platform,
    policy: DeletionPolicy,
) -> Result<Provisioned, Error> {
    let (store, owner) = (&*databases.store, &tenant.core.owner);
    claims::take_id(writer, owner, platform).await?;
    // What another has is missing, and nothing else.
    let (hosts, refusal) = claims::take_hosts(writer, store, tenant, platform).await?;
    let mut tenant = tenant.clone();
    tenant.core.hosts = hosts;
    let provisioned = provision_rest(writer, databases, tenant, platform, policy).await?;
    refusal.map_or(Ok(provisioned), Err)
}

async fn provision_rest(
    writer: &Writer,
    databases: &Databases,
    mut tenant: ValidTenant,
    platform: &Platform,
    policy: DeletionPolicy,
) -> Result<Provisioned, Error> {
    let (store, owner) = (&*databases.store, &tenant.core.owner);
    let placed = match &tenant.database {
        Some(database) => Some(databases.place(writer, owner, database).await?),
        None => None,
    };
    if let Some(Ok(placement)) = &placed {
        tenant.attachment = attachment(databases, placement);
    }
    let environment = plan::plan(&tenant, platform);
    let mut planned: HashSet<Key> = environment.objects().map(|desired| desired.key.clone()).collect();
    // What is in it only a Secret says.
    planned.extend(tenant.signing_key.as_ref().map(|_| own_keys::published(owner)));
    let Environment {
        claims: _,
        namespaces,
        bindings,
        bounds,
        access,
        configuration,
        workloads: _,
        admission: _,
        routes: _,
    } = environment;
    let owner = &tenant.core.owner;

    apply(writer, owner, &namespaces).await?;
    apply(writer, owner, &bindings).await?;
    // What is no longer asked for goes first: a refusal further on must not keep anyone's former rights alive, and what a
    // namespace gives back must be free before another gets it.
    let stale = stale(store, owner, &planned, platform);
    let (permissive, stale): (Vec<_>, Vec<_>) = stale.into_iter().partition(|live| lets_in(platform, live));
    prune(writer, permissive).await?;
    routes::close(writer, owner, platform, &stale).await?;
    let leaving = leave_namespaces(writer, store, owner, platform, &planned, policy).await?;
    let (quotas, others): (Vec<_>, Vec<_>) = bounds.into_iter().partition(|d| d.key.kind == Kind::ResourceQuota);
    let (mut first, raised) = lowered_first(store, owner, &quotas);
    // The `default` ServiceAccount first, before Kubernetes makes it itself; and when this one write found our new right to
    // be known, no other is refused.
    let (scouts, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|desired| desired.takes_over);
    let scouted = apply(writer, owner, &scouts).await;
    first.extend(others);
    apply(writer, owner, &first).await?;
    apply(writer, owner, &raised).await?;
    scouted?;
    if let Some(waiting) = wait_for_quota(store, owner, &quotas).await {
        return Ok(Progress::Namespaces(waiting).into());
    }
    apply(writer, owner, &access).await?;
    apply(writer, owner, &configuration).await?;
    let own_keys = own_keys::tend(writer, store, &tenant, platform).await?;
    tenant.signing_key.clone_from(&own_keys.keys);
    let (data, left) = tend_database(writer, databases, &tenant, placed).await?;
    if let Some(data) = &data {
        if let Some(attachment) = &mut tenant.attachment {
            attachment.revision = data.revision.clone();
        }
        if data.revision.is_none() && !tenant.core.is_shut() {
            let state = match &data.state {
                State::Ready(_) => {
                    State::Progressing(Note::new(reason::PROGRESSING, "the credentials are not published yet"))
                }
                state => state.clone(),
            };
            let progress = Progress::Part {
                capability: &database::CAPABILITY,
                state,
                unseen: Some(Note::new(reason::PROGRESSING, "they need the database's credentials")),
            };
            return Ok(Provisioned {
                database: Some(data.clone()),
                credentials: Some(own_keys),
                ..progress.into()
            });
        }
    }
    let workloads = wake(store, owner, plan::workloads(&tenant), tenant.core.suspend);
    apply(writer, owner, &workloads).await?;
    let way_in = routes::tend(writer, store, &tenant, platform).await?;
    // Last what the former workloads stood on, now that none of them needs it.
    prune(writer, without_carriers(stale, &tenant, platform)).await?;
    let deployments = workloads.iter().filter(|desired| desired.key.kind == Kind::Deployment);
    let live = deployments.map(|desired| (desired.key.name.clone(), store.get(&owner.tenant, &desired.key)));
    let progress = if let Some(waiting) = leaving.or(left) {
        Progress::Namespaces(waiting)
    } else if tenant.core.quarantine.is_some() {
        // Cut off, workloads need not come right.
        Progress::Complete
    } else if own_keys.state.problem().is_some() {
        Progress::Part {
            capability: &credentials::CAPABILITY,
            state: own_keys.state.clone(),
            unseen: Some(Note::new(reason::CREDENTIALS_NOT_READY, "what runs goes on")),
        }
    } else if let Some(unavailable) = workload::judge(live) {
        Progress::Workloads(unavailable)
    } else {
        let parts = [
            (&database::CAPABILITY, data.as_ref().map(|data| &data.state)),
            (&gateway::CAPABILITY, way_in.as_ref().map(|way_in| &way_in.state)),
        ];
        let unready = parts.into_iter().find_map(|(capability, state)| {
            let state = state.filter(|state| state.problem().is_some())?.clone();
            Some((capability, state))
        });
        unready.map_or(Progress::Complete, |(capability, state)| Progress::Part {
            capability,
            state,
            unseen: None,
        })
    };
    Ok(Provisioned {
        progress,
        database: data,
        credentials: Some(own_keys),
        gateway: way_in,
    })
}

/// How pods come to the server, as far as that is known before there are credentials.
fn attachment(databases: &Databases, placement: &Placement) -> Option<Attachment> {
    let server = databases.resource(&placement.server)?;
    Some(Attachment {
        reach: servers::reach(&server.spec),
        port: servers::port(&server.spec),
        verified: servers::is_verified(&server.spec),
        revision: None,
    })
}

/// Sees to the tenant's database; where it asks for none any more, lets go of what it had. Returns what that waits for too.
async fn tend_database(
    writer: &Writer,
    databases: &Databases,
    tenant: &ValidTenant,
    placed: Option<Result<Placement, String>>,
) -> Result<(Option<Data>, Option<String>), Error> {
    match (&tenant.database, placed) {
        (Some(database), Some(Ok(placement))) => {
            let pass = Pass {
                databases,
                writer,
                tenant: &tenant.core,
                database,
                placement: &placement,
            };
            Ok((Some(pass.reconcile().await?), None))
        }
        (_, Some(Err(why))) => Ok((Some(pass::unplaced(why)), None)),
        _ => {
            let had = databases.placement(&tenant.core.owner);
            if had.is_some_and(|placement| !placement.retained) {
                secret::withdraw(writer, &tenant.core.owner, names::DATABASE_SECRET).await?;
                // Only the Tenant's own deletion ends its data: one field of a plan must not.
                let waiting = release::release(databases, writer, &tenant.core.owner, DeletionPolicy::Retain).await?;
                return Ok((None, waiting));
            }
            Ok((None, None))
        }
    }
}

/// Writes what differs, several objects at once. One that is refused keeps none of the others back.
pub(super) async fn apply(writer: &Writer, owner: &Identity, objects: &[Desired]) -> Result<(), Error> {
    let writes: Vec<_> = objects
        .iter()
        .map(|desired| ensure(writer, owner, desired).boxed())
        .collect();
    let results: Vec<Result<(), Error>> = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).collect().await;
    results.into_iter().collect()
}

async fn ensure(writer: &Writer, owner: &Identity, desired: &Desired) -> Result<(), Error> {
    if let Outcome::Updated(path) = writer.ensure(owner, desired).await? {
        tracing::info!(object = %desired.key, path, "mended");
    }
    Ok(())
}

/// Quotas that shrink go before those that grow, so that their sum is never above the tenant's; where none shrinks, all go
/// at once.
fn lowered_first(store: &Store, owner: &Identity, quotas: &[Desired]) -> (Vec<Desired>, Vec<Desired>) {
    let (lowered, others): (Vec<_>, Vec<_>) = quotas.iter().cloned().partition(|desired| {
        let Some(live) = store.get(&owner.tenant, &desired.key) else {
            return false;
        };
        let (wanted, found) = (hard(&desired.value, "/spec/hard"), hard(&live.value, "/spec/hard"));
        wanted
            .iter()
            .any(|(key, amount)| found.get(key).is_none_or(|before| amount < before))
    });
    if lowered.is_empty() {
        (others, lowered)
    } else {
        (lowered, others)
    }
}

fn hard(value: &Value, pointer: &str) -> HashMap<String, Amount> {
    let amount = |value: &Value| match value {
        Value::String(text) => Amount::parse(text).ok(),
        other => Amount::parse(&other.to_string()).ok(),
    };
    let entries = value.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.clone(), amount(value)?)))
        .collect()
}

/// Whether the quota controller has taken a quota up: until then, quota admission lets everything through.
pub fn is_enforced(quota: &Live) -> bool {
    let (spec, status) = (hard(&quota.value, "/spec/hard"), hard(&quota.value, "/status/hard"));
    !spec.is_empty() && spec == status
}

async fn wait_for_quota(store: &Store, owner: &Identity, quotas: &[Desired]) -> Option<String> {
    let mut waited = Duration::ZERO;
    loop {
        let open = quotas.iter().find(|desired| {
            !store
                .get(&owner.tenant, &desired.key)
                .is_some_and(|live| is_enforced(&live))
        })?;
        if waited >= QUOTA_WAIT {
            return Some(format!(
                "the quota of namespace {} is not enforced yet",
                open.key.namespace
            ));
        }
        tokio::time::sleep(QUOTA_POLL_INTERVAL).await;
        waited += QUOTA_POLL_INTERVAL;
    }
}

/// Under an autoscaler a Deployment's replicas are its own, but it never touches one that stands at zero: what a
/// suspension put to sleep has to be woken.
fn wake(store: &Store, owner: &Identity, workloads: Vec<Desired>, suspended: bool) -> Vec<Desired> {
    let asleep = |desired: &Desired| {
        let live = store.get(&owner.tenant, &desired.key);
        live.is_some_and(|live| live.value.pointer("/spec/replicas").and_then(Value::as_i64) == Some(0))
    };
    workloads
        .into_iter()
        .map(
            |desired| match !desired.others.is_empty() && desired.key.kind == Kind::Deployment {
                true if suspended || asleep(&desired) => Desired {
                    others: Vec::new(),
                    ..desired
                },
                _ => desired,
            },
        )
        .collect()
}

/// What is ours and no longer asked for. Namespaces are drained instead; claims on volumes are data.
fn stale(store: &Store, owner: &Identity, planned: &HashSet<Key>, platform: &Platform) -> Vec<Live> {
    let objects = store.of(&owner.tenant);
    let holds_data = |id: Option<&str>| {
        let mut namespaces = objects.values().filter(|live| live.key.kind == Kind::Namespace);
        namespaces.any(|namespace| namespace.label(names::TENANT_ID) == id)
    };
    let is_stale = |live: &Live| {
        // A claim on an id that this tenant gave up, and under which nothing is kept.
        let former = plan::holder(live) == Some(&owner.tenant)
            && live.label(names::CLAIM).is_some()
            && !holds_data(live.label(names::TENANT_ID));
        (live.belongs_to(owner) || former)
            // Where data is, is forgotten only when the data is gone.
            && !crate::database::claim::is_record(live)
            && !planned.contains(&live.key)
            && !live.is_terminating()
            && !matches!(
                live.key.kind,
                Kind::Namespace | Kind::PersistentVolumeClaim | Kind::TenantView
            )
            && is_within_reach(&live.key, planned, platform)
    };
    let mut stale: Vec<Live> = objects.values().filter(|live| is_stale(live)).cloned().collect();
    // What leads somewhere goes before what lets it.
    stale.sort_by_key(|live| !live.key.kind.is_route());
    stale
}

/// Whether somebody has a right or a way in by it. A route that asks for credentials goes when others are in its place, and what carries a key set when it is
/// known whether it still should.
fn lets_in(platform: &Platform, live: &Live) -> bool {
    match live.key.kind {
        Kind::RoleBinding | Kind::NetworkPolicy | Kind::ApisixConsumer | Kind::ListenerSet => true,
        kind => kind.is_route() && !routes::is_guarded(platform, live) && !routes::is_carrier(platform, live),
    }
}

/// All but what carries a key set by now.
fn without_carriers(stale: Vec<Live>, tenant: &ValidTenant, platform: &Platform) -> Vec<Live> {
    let carriers = routes::carriers(tenant, platform);
    let is_carried = |live: &Live| carriers.iter().any(|carrier| carrier.key == live.key);
    stale.into_iter().filter(|live| !is_carried(live)).collect()
}

/// Whether an object is where the operator writes such: for all but grants, that is where others are planned.
fn is_within_reach(key: &Key, planned: &HashSet<Key>, platform: &Platform) -> bool {
    match key.kind {
        Kind::ReferenceGrant => grants::namespaces(platform).contains(&key.namespace),
        _ => planned
            .iter()
            .any(|planned| planned.kind != Kind::ReferenceGrant && planned.namespace == key.namespace),
    }
}

async fn prune(writer: &Writer, stale: Vec<Live>) -> Result<(), Error> {
    for live in stale {
        tracing::info!(object = %live.key, "no longer asked for: deleted");
        writer.delete(&live).await?;
    }
    Ok(())
}

/// Lets go of namespaces that the spec no longer names.
async fn leave_namespaces(
    writer: &Writer,
    store: &Store,
    owner: &Identity,
    platform: &Platform,
    planned: &HashSet<Key>,
    policy: DeletionPolicy,
) -> Result<Option<String>, Error> {
    let mut waiting = Vec::new();
    for namespace in store.of(&owner.tenant).into_values() {
        // What was retained once stays retained: only its Tenant's deletion may end it.
        let leaves = namespace.key.kind == Kind::Namespace
            && namespace.belongs_to(owner)
            && !planned.contains(&namespace.key)
            && namespace.label(names::RETAINED).is_none();
        if leaves {
            waiting.extend(drain::drain(writer, store, owner, platform, &namespace, policy).await?);
        }
    }
    Ok((!waiting.is_empty()).then(|| waiting.join("; ")))
}

#[cfg(test)]
#[path = "provision_test.rs"]
mod tests;
